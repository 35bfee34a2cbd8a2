"""How a map lies on a plane: where each point is, which one is at a place, and what picture that makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ..scan import Grid

__all__ = ["MapLayout", "MapRegion"]

# Of the values: what is shown between black and white.
PERCENTILES = (0.5, 99.5)
# Of a map's longer side, what its shorter one has at least.
THINNEST = 0.05
# Alpha of points whose value is not known yet.
WAITING = 60


@dataclass(frozen=True)
class MapRegion:
    """A rectangle of a map; in a hexagonal one, columns are those of the longer rows.

    Attributes
    ----------
    rows, columns : (int, int)
        The first and the last one, counted from 0.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class MapLayout:
    """A map on a plane, its upper left corner at (0, 0), x to the right and y down, each point a cell around its place.

    Attributes
    ----------
    grid : Grid
    n : int
        Points that have a pattern: the first ones.
    cell : (float, float)
        Width and height of a cell: the step, or one where the step is not known.
    """

    grid: Grid
    n: int
    cell: tuple[float, float]

    @classmethod
    def of(cls, grid: Grid, n: int, step: tuple[float, float]) -> MapLayout:
        """The layout of a map with a step in micrometres, (0, 0) if unknown.

        Cells have the aspect of the step, but where the map is a line or nearly so, which would be too thin to see.
        """
        regular = (1.0, sqrt(3) / 2) if grid.hexagonal else (1.0, 1.0)
        dx, dy = step if min(step) > 0 else regular
        width, height = grid.columns * dx, grid.rows * dy
        return cls(grid, n, (dx * max(1, THINNEST * height / width), dy * max(1, THINNEST * width / height)))

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole."""
        return self.grid.columns * self.cell[0], self.grid.rows * self.cell[1]

    def centre(self, number: int) -> tuple[float, float]:
        """Place (x, y) of a point, given by its number in scanning order."""
        row, column = self.grid.position(number)
        return (column + self._shift(row) + 0.5) * self.cell[0], (row + 0.5) * self.cell[1]

    def at(self, x: float, y: float, *, nearest: bool = False) -> int | None:
        """Number of the point at a place, or None where there is none; with `nearest`, that of the nearest one."""
        if nearest:
            return min(self.grid.number(*self.nearest(x, y)), self.n - 1)
        row = int(np.floor(y / self.cell[1]))
        if not 0 <= row < self.grid.rows:
            return None
        column = int(np.floor(x / self.cell[0] - self._shift(row)))
        if not 0 <= column < int(self.grid.row_lengths[row]):
            return None
        number = self.grid.number(row, column)
        return number if number < self.n else None

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the point nearest to a place, in rows with patterns; it may itself have none."""
        row = min(max(int(np.floor(y / self.cell[1])), 0), self.grid.position(self.n - 1)[0])
        column = int(np.floor(x / self.cell[0] - self._shift(row)))
        return row, min(max(column, 0), int(self.grid.row_lengths[row]) - 1)

    def spanned(self, one: tuple[int, int], other: tuple[int, int]) -> MapRegion:
        """The smallest region that holds two points, given by row and column; of a hexagonal map, hexagonal itself."""
        # A point of a short row lies between a column of the longer rows and the next one.
        ends = [column + self.grid.columns - int(self.grid.row_lengths[row]) for row, column in (one, other)]
        top, bottom = sorted((one[0], other[0]))
        left, right = min(one[1], other[1]), max(ends)
        if self.grid.hexagonal and left == right and top < bottom:
            # Short rows have no point in a single column.
            left, right = (left, right + 1) if right + 1 < self.grid.columns else (left - 1, right)
        return MapRegion((top, bottom), (left, right))

    def box(self, region: MapRegion) -> tuple[float, float, float, float]:
        """Left and upper edge, width and height of a region."""
        (top, bottom), (left, right), (width, height) = region.rows, region.columns, self.cell
        return left * width, top * height, (right + 1 - left) * width, (bottom + 1 - top) * height

    def count(self, region: MapRegion) -> int:
        """Patterns in a region."""
        (top, bottom), (left, right) = region.rows, region.columns
        return int(np.count_nonzero(self.grid.region((top, bottom + 1), (left, right + 1))[1] < self.n))

    def picture(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The map as pixels that fill `size`.

        Parameters
        ----------
        values : array, shape (rows, columns)
            NaN where not known yet.

        Returns
        -------
        array, shape (rows, columns, 4) or, hexagonal, (rows, 2 * columns, 4), uint8
            Red, green, blue and alpha: grey between percentiles 0.5 and 99.5, faint where not known yet, transparent
            where there is no point.
        """
        known = np.isfinite(values)
        low, high = np.percentile(values[known], PERCENTILES) if known.any() else (0.0, 1.0)
        span = high - low
        shares = np.clip((np.where(known, values, low) - low) / span, 0, 1) if span > 0 else np.full(values.shape, 0.5)
        pixels = np.empty((*self.grid.shape, 4), np.uint8)
        pixels[..., :3] = np.where(known, np.rint(255 * shares), 128)[..., None]
        pixels[..., 3] = np.where(self._there, np.where(known, 255, WAITING), 0)
        if not self.grid.hexagonal:
            return pixels
        # Two pixels a point, so that rows can be shifted by half a point.
        doubled = np.repeat(pixels, 2, axis=1)
        short = self.grid.row_lengths < self.grid.columns
        doubled[short] = np.roll(doubled[short], 1, axis=1)
        return doubled

    @cached_property
    def _there(self) -> NDArray[np.bool_]:
        """Which cells of the grid are points that have a pattern."""
        return np.isfinite(self.grid.place(np.zeros(self.n)))

    def _shift(self, row: int) -> float:
        """How far a row begins to the right, in points."""
        return (self.grid.columns - int(self.grid.row_lengths[row])) / 2
