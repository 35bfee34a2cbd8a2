"""A scan in blocks: cut, computed on all cores, and handed on in order, with a bounded number of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..patches import Patch, patches, tiles
from ..recipe import Recipe
from ..scan import Scan

__all__ = ["Block", "block_length", "compute", "cut", "cut_anyhow", "processed", "settings_of_cut", "usable_cores"]

# Pixels of one block: 16 MiB as float32. Large enough to keep a network busy, small enough that cancelling is prompt.
BLOCK_PIXELS = 2**22
# How many times as large it is, at most, where patterns are read with a rim.
LARGEST = 5
# How many times as large a rectangle of the map is with its neighbours.
TILE = 4
# Pixels that go through all steps together where no step gains from more at once: 4 MiB as float32, which a processor's
# cache holds.
CACHED_PIXELS = 2**20
# Copies of a block, as float32, that a chain of steps has in memory at its worst moment.
COPIES = 8
# Bytes that the blocks under way may take together; on a machine with much memory, and many cores, a share of that.
BUDGET, SHARE = 2**30, 1 / 8


@dataclass(frozen=True)
class Block:
    """Some patterns of a scan that are computed together.

    Attributes
    ----------
    spans : tuple of (int, int)
        Their numbers: first ones, and those after the last ones, of runs in the scan. Never empty.
    patch : Patch or None
        Where on the map they lie, if the recipe looks at neighbours.
    """

    spans: tuple[tuple[int, int], ...]
    patch: Patch | None = None

    @property
    def start(self) -> int:
        """Number of the first pattern."""
        return self.spans[0][0]

    @property
    def stop(self) -> int:
        """Number of the one after the last."""
        return self.spans[-1][1]

    @property
    def size(self) -> int:
        """Number of patterns."""
        return sum(stop - start for start, stop in self.spans)

    def run(self, scan: Scan, recipe: Recipe) -> NDArray[Any]:
        """What a fitted recipe makes of the block, shape (size, height, width), of the scan's pixel type."""
        patterns = scan.patterns
        if self.patch is not None:
            return recipe(self.patch.read(lambda start, stop: np.asarray(patterns[start:stop])), self.patch)
        read = np.asarray(patterns[self.start : self.stop])
        few = max(1, CACHED_PIXELS // (scan.height * scan.width))
        if len(read) <= few or _uses_all_cores(recipe):
            return recipe(read)
        made = np.empty_like(read)
        for start in range(0, len(read), few):
            made[start : start + few] = recipe(read[start : start + few])
        return made


def block_length(shape: tuple[int, ...], rim: int = 0) -> int:
    """Patterns in one block, for patterns of shape (..., height, width).

    Larger where patterns are read with a rim of neighbours, which are compared anew for each block; but of a wide map a
    block is a part of a row, and has in memory many times as much with its rim.
    """
    return max(1, min(1 + 2 * rim, LARGEST) * BLOCK_PIXELS // (shape[-2] * shape[-1]))


def cut(scan: Scan, rim: int = 0, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Cut a scan, or the patterns from `start` to before `stop`, into blocks for a recipe with that rim.

    In order: each block is a single run of patterns.
    """
    length = block_length(scan.patterns.shape, rim)
    stop = scan.n if stop is None else stop
    if scan.grid is not None and rim:
        for patch in patches(scan.grid, length, rim, start, stop):
            yield Block(tuple(patch.own_spans), patch)
        return
    for first in range(start, stop, length):
        yield Block(((first, min(first + length, stop)),))


def cut_anyhow(scan: Scan, rim: int = 0) -> Iterator[Block]:
    """Cut a scan into blocks that read the fewest neighbours twice, for a caller to whom their order does not matter.

    The cut hangs on the scan and the rim alone, so that a run can be gone on with on another machine.
    """
    if scan.grid is None or not rim:
        yield from cut(scan)
        return
    length = max(1, TILE * BLOCK_PIXELS // (scan.height * scan.width))
    for patch in tiles(scan.grid, length, rim):
        yield Block(tuple(patch.own_spans), patch)


def settings_of_cut() -> str:
    """What a cut hangs on besides the scan and the rim, for telling whether it is still the same."""
    return f"{BLOCK_PIXELS} pixels, {TILE} with neighbours"


def compute(scan: Scan, recipe: Recipe, blocks: Iterable[Block]) -> Iterator[tuple[Block, NDArray[Any]]]:
    """Run a fitted recipe over blocks, several at once where that makes it faster.

    Reading and computing go on while the caller does something with a block, as writing it. Closing the iterator early
    waits for the blocks under way.

    Yields
    ------
    (Block, array of shape (b, height, width))
        In the order of `blocks`, of the scan's pixel type.
    """
    waiting = iter(blocks)
    threads = _threads(scan, recipe)
    pool = ThreadPoolExecutor(threads, "kikuchi-block")
    under_way: deque[tuple[Block, Future[NDArray[Any]]]] = deque()
    try:
        # One more than there are threads, so that none is idle while the oldest is handed on.
        for block in islice(waiting, threads + 1):
            under_way.append((block, pool.submit(block.run, scan, recipe)))
        while under_way:
            block, future = under_way.popleft()
            patterns = future.result()
            for following in islice(waiting, 1):
                under_way.append((following, pool.submit(following.run, scan, recipe)))
            yield block, patterns
    finally:
        pool.shutdown(cancel_futures=True)


def processed(scan: Scan, recipe: Recipe, patterns: Any) -> Scan:
    """The same map with the patterns that a recipe gave, remembering all that was done to them.

    Raises
    ------
    ScanError
        If the scan was made with another mask; see `Recipe.then`.
    """
    done = Recipe.from_toml(scan.recipe).then(recipe, scan.pixel_type) if scan.recipe else recipe
    return replace(scan, patterns=patterns, recipe=done.to_toml())


def usable_cores() -> int:
    """Cores that this process may use: those that the system gives it, and no more than OMP_NUM_THREADS says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(told)) if told.isdecimal() and int(told) > 0 else cores


def _threads(scan: Scan, recipe: Recipe) -> int:
    """How many blocks to compute at once: one a core, as long as memory is enough."""
    import psutil

    if _uses_all_cores(recipe):
        # One that is being read and prepared while the other is in the network.
        return 2
    around = 1 + 2 * recipe.rim
    pixels = max(BLOCK_PIXELS * (around if recipe.rim else 1), scan.height * scan.width * around**2)
    budget = max(BUDGET, int(psutil.virtual_memory().available * SHARE))
    return max(1, min(usable_cores(), budget // (4 * COPIES * pixels)))


def _uses_all_cores(recipe: Recipe) -> bool:
    return any(step.uses_all_cores for step in recipe.steps)
