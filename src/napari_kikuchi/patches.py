"""A square map cut into patches that are computed one by one, each read with a rim of the neighbours that it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scan import Grid

__all__ = ["Patch", "patches", "tiles"]


@dataclass(frozen=True)
class Patch:
    """A rectangle of a square map, with a rim of up to `rim` points around it that ends where the map ends.

    Attributes
    ----------
    of : Grid
        The whole map.
    rows, columns : (int, int)
        First row and column of the rectangle, and those after its last ones.
    rim : int
        Rows and columns of the map to read on either side.
    """

    of: Grid
    rows: tuple[int, int]
    columns: tuple[int, int]
    rim: int

    @property
    def start(self) -> int:
        """Number of the rectangle's first point in the map."""
        return self.rows[0] * self.of.columns + self.columns[0]

    @property
    def size(self) -> int:
        """Number of points in the rectangle, without the rim."""
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])

    @property
    def grid(self) -> Grid:
        """Rows and columns of the rectangle with its rim."""
        top, bottom, left, right = self._bounds()
        return Grid(bottom - top, right - left)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The points of the rectangle with its rim: first ones, and those after the last ones, of runs in the map."""
        top, bottom, left, right = self._bounds()
        width = self.of.columns
        if right - left == width:
            return [(top * width, bottom * width)]
        return [(row * width + left, row * width + right) for row in range(top, bottom)]

    @property
    def own_spans(self) -> list[tuple[int, int]]:
        """The same without the rim. A single run where the rectangle has whole rows, or one row."""
        return replace(self, rim=0).spans

    def read(self, between: Callable[[int, int], NDArray[Any]]) -> NDArray[Any]:
        """The patterns of the rectangle with its rim; `between` gives those from one number to before another."""
        return np.concatenate([between(start, stop) for start, stop in self.spans])

    def cut(self, patterns: NDArray[Any], rim: int) -> NDArray[Any]:
        """Of the patterns of the rectangle with its rim, those that are left when `rim` points of that are cut off."""
        top, bottom, left, right = self._bounds()
        inner = replace(self, rim=self.rim - rim)._bounds()
        on_map = patterns.reshape(bottom - top, right - left, *patterns.shape[1:])
        kept = on_map[inner[0] - top : inner[1] - top, inner[2] - left : inner[3] - left]
        return kept.reshape(-1, *patterns.shape[1:])

    def _bounds(self) -> tuple[int, int, int, int]:
        (top, bottom), (left, right) = self.rows, self.columns
        return (
            max(0, top - self.rim),
            min(self.of.rows, bottom + self.rim),
            max(0, left - self.rim),
            min(self.of.columns, right + self.rim),
        )


def patches(grid: Grid, length: int, rim: int, start: int = 0, stop: int | None = None) -> Iterator[Patch]:
    """Cut a square map, or the points of it from `start` to before `stop`, into patches of up to `length` points.

    In scanning order: whole rows, or parts of one row, which have fewer points, since much more is read around them.
    """
    stop = grid.size if stop is None else stop
    part = max(1, length // (1 + 2 * rim))
    while start < stop:
        row, column = divmod(start, grid.columns)
        if column == 0 and min(length, stop - start) >= grid.columns:
            rows = min(length, stop - start) // grid.columns
            patch = Patch(grid, (row, row + rows), (0, grid.columns), rim)
        else:
            most = length if length >= grid.columns else part
            patch = Patch(grid, (row, row + 1), (column, min(grid.columns, column + min(most, stop - start))), rim)
        yield patch
        start += patch.size


def tiles(grid: Grid, length: int, rim: int) -> Iterator[Patch]:
    """Cut a square map into rectangles that are read with up to `length` points, the rim included.

    As near to squares as goes, so that few points are read more than once; those of a rectangle do not follow one
    another in scanning order.
    """
    width = min(grid.columns, max(1, math.isqrt(length) - 2 * rim))
    height = min(grid.rows, max(1, length // (width + 2 * rim) - 2 * rim))
    # Of even size, without a narrow rest at the end.
    width = -(-grid.columns // -(-grid.columns // width))
    for top in range(0, grid.rows, height):
        for left in range(0, grid.columns, width):
            yield Patch(grid, (top, min(top + height, grid.rows)), (left, min(left + width, grid.columns)), rim)
