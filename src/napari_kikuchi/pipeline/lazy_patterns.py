"""Patterns that a recipe computes when they are looked at: one by one for browsing, block by block from end to end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..recipe import Recipe, around
from ..scan import Grid, Scan, ScanError
from .blocks import compute, cut, processed

__all__ = ["LazyPatterns", "as_dask"]

# Bytes of the patterns that were looked at last, kept so that going back to them takes no time.
CACHE_BYTES = 2**27
# Chunks in which dask is given the patterns for browsing. Each costs it some microseconds whenever one is looked at.
CHUNKS = 10_000
# Patterns in a run from which on they are computed as blocks, and not kept.
RUN = 16


class LazyPatterns:
    """An array whose patterns a fitted recipe computes when they are taken out, for viewers and writers.

    Taking out a pattern computes this one, from its neighbours on the map where the recipe looks at them, and keeps it
    for the next time as long as there is room. May be used from several threads.

    Parameters
    ----------
    scan : Scan
    recipe : Recipe
        Fitted to the scan.
    grid : Grid, optional
        The scan's, for an array of shape (rows, columns, height, width); without it, it is (n, height, width).
    """

    def __init__(self, scan: Scan, recipe: Recipe, grid: Grid | None = None) -> None:
        self._scan, self._recipe, self._grid = scan, recipe, grid
        leading = (scan.n,) if grid is None else grid.shape
        self.shape: tuple[int, ...] = (*leading, scan.height, scan.width)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = scan.pixel_type
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Patterns, computed; whole numbers and slices for the map, one array of numbers for a sequence."""
        index = _in_full(index, self.ndim)
        numbers = self._numbers(index[:-2])
        patterns = self._take(numbers.ravel())
        return patterns.reshape(*numbers.shape, *self.shape[-2:])[(..., *index[-2:])]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def on_map(self, grid: Grid) -> LazyPatterns:
        """The same patterns, as (rows, columns, height, width) of a square grid with as many points."""
        return LazyPatterns(self._scan, self._recipe, grid)

    def patterns_at(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """The patterns of given numbers in scanning order, (k, height, width), and no others computed."""
        return self._take(numbers)

    def reshape(self, *shape: int) -> Any:
        """The patterns of a map as a sequence again, (n, height, width): as a dask array.

        Raises
        ------
        ScanError
            If the shape is another one.
        """
        if shape[-2:] == self.shape[-2:] and shape[:-2] in ((-1,), (self._scan.n,)):
            return as_dask(self._scan, self._recipe)
        raise ScanError(f"Lazy patterns of shape {self.shape} cannot be seen as {shape}: compute them first.")

    def in_blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """All patterns, on all cores and without keeping any.

        Yields
        ------
        (int, array of shape (b, height, width))
            Number of the block's first pattern, and the block.
        """
        for block, patterns in compute(self._scan, self._recipe, cut(self._scan, self._recipe.rim)):
            yield block.start, patterns

    def _numbers(self, leading: tuple[Any, ...]) -> NDArray[np.int64]:
        """The patterns' numbers, in the shape that indexing the leading axes gives."""
        axes = [_taken(extent, index) for extent, index in zip(self.shape, leading, strict=False)]
        return axes[0] if len(axes) == 1 else np.add.outer(axes[0] * self.shape[1], axes[1])

    def _take(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        patterns = np.empty((len(numbers), *self.shape[-2:]), dtype=self.dtype)
        ends = np.flatnonzero(np.diff(numbers) != 1) + 1
        for start, stop in zip([0, *ends], [*ends, len(numbers)], strict=True):
            if stop - start < RUN:
                for place in range(start, stop):
                    patterns[place] = self._one(int(numbers[place]))
            elif stop > start:
                self._run(int(numbers[start]), patterns[start:stop])
        return patterns

    def _run(self, first: int, patterns: NDArray[Any]) -> None:
        """Fill in patterns that follow one another."""
        blocks = list(cut(self._scan, self._recipe.rim, first, first + len(patterns)))
        if len(blocks) == 1:
            # As dask asks for them, which computes several at once itself.
            patterns[:] = blocks[0].run(self._scan, self._recipe)
            return
        for block, computed in compute(self._scan, self._recipe, blocks):
            patterns[block.start - first : block.stop - first] = computed

    def _one(self, number: int) -> NDArray[Any]:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        pattern: NDArray[Any] = self._recipe(*around(self._scan, number, self._recipe.rim))[0]
        with self._lock:
            self._kept[number] = pattern
            while len(self._kept) > max(1, CACHE_BYTES // max(1, pattern.nbytes)):
                self._kept.popitem(last=False)
        return pattern


def as_dask(scan: Scan, recipe: Recipe, *, browsing: bool = False) -> Any:
    """What a fitted recipe makes of a scan as a dask array, (n, height, width): a chunk a block, or fewer for browsing.

    The array knows (`on_map`, `in_blocks`, `patterns_at`) better ways than dask's to lay it out as a map, to read it
    from end to end and to read some patterns of it, which `Scan.as_map`, the writers and `scan_maps` take; and what was
    done (`recipe`), for `Scan.with_patterns`.

    Raises
    ------
    ScanError
        If the scan was made with another mask; see `Recipe.then`.
    """
    import dask.array as da

    lazy = LazyPatterns(scan, recipe)
    chunks: Any = tuple(block.size for block in cut(scan, recipe.rim))
    if browsing:
        chunks = min(-(-scan.n // CHUNKS), max(chunks))
    empty = np.empty((0, 0, 0), dtype=lazy.dtype)
    # A name of its own spares dask the hashing, that is the computing, of all patterns.
    array = da.from_array(lazy, (chunks, *lazy.shape[1:]), name=False, meta=empty)
    array.on_map, array.in_blocks, array.patterns_at = lazy.on_map, lazy.in_blocks, lazy.patterns_at
    array.recipe = processed(scan, recipe, scan.patterns).recipe
    return array


def _in_full(index: Any, ndim: int) -> tuple[Any, ...]:
    """An index with an entry for each axis."""
    given = index if isinstance(index, tuple) else (index,)
    places = [place for place, entry in enumerate(given) if isinstance(entry, EllipsisType)]
    at, after = (places[0], given[places[0] + 1 :]) if places else (len(given), ())
    before = given[:at]
    if len(before) + len(after) > ndim:
        raise IndexError(f"There are {ndim} axes, and {len(before) + len(after)} are indexed.")
    return (*before, *(slice(None),) * (ndim - len(before) - len(after)), *after)


def _taken(extent: int, index: Any) -> NDArray[np.int64]:
    """Places along an axis that an index takes out; as an array of no axis where it is a number."""
    if isinstance(index, slice):
        taken = range(extent)[index]
        return np.arange(taken.start, taken.stop, taken.step)
    places = np.asarray(index)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    if places.size and not (-extent <= places.min() and places.max() < extent):
        raise IndexError(f"Pattern {index} is asked for, where there are {extent} along that axis.")
    return np.where(places < 0, places + extent, places).astype(np.int64)
