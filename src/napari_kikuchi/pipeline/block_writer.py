"""What turns blocks of a scan into bytes at their places in an UP file, wherever it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats.pixels import Scaling
from ..formats.targets import mapped_file
from ..formats.up_writing import UPTarget
from ..recipe import Recipe
from ..scan import Scan
from .blocks import Block, compute

__all__ = ["BlockWriter", "digest", "told_apart"]


@dataclass(frozen=True)
class BlockWriter:
    """A scan, what is done to it, and where that is to be written.

    Attributes
    ----------
    scan : Scan
    recipe : Recipe
        Fitted to the scan.
    target : UPTarget
    scaling : Scaling or None
        How the result is brought to the target's pixel type.
    """

    scan: Scan
    recipe: Recipe
    target: UPTarget
    scaling: Scaling | None

    def write(self, blocks: Mapping[int, Block], put: Callable[[int, memoryview], None]) -> Generator[int, None, None]:
        """Compute blocks, and `put` their bytes at their places; yields the number of each when that is done."""
        for number, (block, patterns) in zip(blocks, compute(self.scan, self.recipe, blocks.values()), strict=True):
            for at, data in self.target.pieces(block.spans, patterns, self.scaling):
                put(at, data)
            yield number


def told_apart(scan: Scan) -> str:
    """What tells a scan from another, or from itself after it was changed."""
    # A few of them, since reading all would take as long as the run.
    shown = sorted({0, scan.n // 2, scan.n - 1})
    patterns: Any = np.concatenate([np.asarray(scan.patterns[n : n + 1]) for n in shown])
    return f"{scan.n} patterns of {scan.pixel_type}, {digest(patterns.tobytes())}, {_file(scan)}"


def _file(scan: Scan) -> str:
    """What tells the file, or the folder of images, from another, or from itself after it was changed."""
    file = mapped_file(scan.patterns)
    if file is not None:
        status = file.stat()
        return f"{file.name}, {status.st_size} bytes, changed at {status.st_mtime_ns} ns"
    if scan.source is None or not scan.source.names:
        return "in memory" if scan.source is None else scan.source.path.name
    images = [(name, (scan.source.path / name).stat()) for name in scan.source.names]
    told = "\n".join(f"{name} {image.st_size} {image.st_mtime_ns}" for name, image in images)
    return f"{scan.source.path.name}, {digest(told.encode())}"


def digest(data: bytes) -> str:
    """A short text that stands for bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
