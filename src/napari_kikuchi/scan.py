"""The one thing that travels through this package: a scan of Kikuchi patterns."""

from __future__ import annotations

import operator
import uuid
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "Scan", "ScanError", "ScanWarning", "Source", "as_grid", "fitting_grids"]


class ScanError(ValueError):
    """Bad input, said in one sentence: which file, which value, what to do."""


class ScanWarning(UserWarning):
    """What a user has to know of a scan that could be read or written all the same."""


@dataclass(frozen=True)
class Grid:
    """The points of a map, in scanning order: row by row, left to right.

    Attributes
    ----------
    rows : int
        Number of rows.
    columns : int
        Points in a row; in a hexagonal grid, in its longer rows.
    hexagonal : bool
        Whether rows alternate between `columns` and `columns - 1` points.
    short_first : bool
        Whether a hexagonal grid begins with a short row. Files written by EDAX begin with a long one.

    Raises
    ------
    ScanError
        If a count is not positive, or a hexagonal grid has a single column and a short row.
    """

    rows: int
    columns: int
    hexagonal: bool = False
    short_first: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise ScanError(f"A grid has at least one row and one column, not {self.rows}x{self.columns}.")
        if self.hexagonal and self.columns == 1 and (self.rows > 1 or self.short_first):
            raise ScanError("A hexagonal grid has at least two columns, since its short rows have one fewer.")

    @property
    def row_lengths(self) -> NDArray[np.int64]:
        """Number of points in each row, shape (rows,)."""
        lengths = np.full(self.rows, self.columns, dtype=np.int64)
        if self.hexagonal:
            lengths[0 if self.short_first else 1 :: 2] -= 1
        return lengths

    @property
    def size(self) -> int:
        """Number of points in the map."""
        points = self.rows * self.columns
        if not self.hexagonal:
            return points
        return points - (self.rows + self.short_first) // 2

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns

    def position(self, point: int) -> tuple[int, int]:
        """(row, column) of a point given by its place in scanning order; columns count from the row's first point."""
        ends = np.cumsum(self.row_lengths)
        row = int(np.searchsorted(ends, point, side="right"))
        return row, int(point - (ends[row] - self.row_lengths[row]))

    def number(self, row: int, column: int) -> int:
        """Place in scanning order of a point given by its row and its column, the inverse of `position`."""
        short_rows = (row + self.short_first) // 2 if self.hexagonal else 0
        return row * self.columns - short_rows + column

    def region(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Grid, NDArray[np.int64]]:
        """A rectangle of the map: its own grid, and the numbers of its points in this one.

        Parameters
        ----------
        rows, columns : (int, int)
            The first one, counted from 0, and the one after the last. In a hexagonal grid columns are those of the
            longer rows; the shorter ones get the points between them.

        Raises
        ------
        ScanError
            If the map has no such rectangle.
        """
        for name, (first, end), count in (("rows", rows, self.rows), ("columns", columns, self.columns)):
            if not 0 <= first < end <= count:
                raise ScanError(
                    f"The map has the {name} 0 to {count - 1}; {first} to {end - 1} is no part of them: give the first "
                    "and the one after the last."
                )
        lengths = self.row_lengths[rows[0] : rows[1]]
        starts = np.cumsum(self.row_lengths)[rows[0] : rows[1]] - lengths
        inner = np.arange(*columns)
        short = self.columns - lengths
        points = (starts[:, None] + inner)[inner < columns[1] - short[:, None]]
        short_first = self.hexagonal and bool(short[0])
        return Grid(rows[1] - rows[0], columns[1] - columns[0], self.hexagonal, short_first), points

    def every(self, n: int) -> tuple[Grid, NDArray[np.int64]]:
        """Every n-th point of every n-th row: the grid that these form, and their numbers in this one.

        Of a hexagonal grid they form a hexagonal one where n is odd, and a square one where it is even.

        Raises
        ------
        ScanError
            If n is not positive.
        """
        if n < 1:
            raise ScanError(f"Every n-th point was asked for, and n is {n}, where a positive number was expected.")
        chosen = np.arange(0, self.rows, n)
        lengths = self.row_lengths[chosen]
        starts = np.cumsum(self.row_lengths)[chosen] - lengths
        short = lengths < self.columns
        alternating = self.hexagonal and bool(n % 2)
        # Points of a short row lie half a step to the right: where n is odd, the middle one of n is where it has to be.
        offset = np.where(short, n // 2, 0) if alternating else np.zeros(len(chosen), dtype=np.int64)
        numbers = [
            start + np.arange(first, length, n) for start, first, length in zip(starts, offset, lengths, strict=True)
        ]
        if not alternating:
            return Grid(len(chosen), len(numbers[0])), np.concatenate(numbers)
        longer = -(-self.columns // n)
        # Where n is odd, the last of a short row may lie beyond the last of a long one.
        numbers = [points[: longer - is_short] for points, is_short in zip(numbers, short, strict=True)]
        return Grid(len(chosen), longer, True, bool(short[0])), np.concatenate(numbers)

    def place(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Lay one value per point out as a map.

        Parameters
        ----------
        values : array, shape (n,)
            Values in scanning order; fewer than `size` where the scan stopped early.

        Returns
        -------
        array, shape (rows, columns), float64
            NaN where there is no point (the missing end of a short hexagonal row) or no value.
        """
        laid = np.full(self.shape, np.nan)
        inside = np.arange(self.columns) < self.row_lengths[:, None]
        filled = np.flatnonzero(inside.ravel())[: len(values)]
        laid.ravel()[filled] = values
        return laid

    def __str__(self) -> str:
        kind = "hexagonal" if self.hexagonal else "square"
        start = " and beginning with a short row" if self.short_first else ""
        return f"{self.rows} rows x {self.columns} columns, {kind}{start}"


def as_grid(grid: Grid | tuple[int, int] | None) -> Grid | None:
    """What a caller says of the map, as a `Grid`: (rows, columns) means a square one.

    Raises
    ------
    ScanError
        If it is neither a `Grid`, nor two positive whole numbers, nor None.
    """
    if grid is None or isinstance(grid, Grid):
        return grid
    try:
        rows, columns = (operator.index(count) for count in grid)
    except (TypeError, ValueError):
        raise ScanError(f"A grid is given as (rows, columns), two whole numbers, not as {grid!r}.") from None
    return Grid(rows, columns)


def fitting_grids(n: int, *, hexagonal: bool = False) -> list[Grid]:
    """The grids that have a number of points, the nearest to square first.

    Parameters
    ----------
    n : int
        Number of points, 1 or more.
    hexagonal : bool
        Hexagonal grids of at least two rows and columns, beginning with a long row or a short one, instead of square
        ones.
    """
    fitting = _hexagonal_grids(n) if hexagonal else _square_grids(n)
    return sorted(fitting, key=lambda grid: (max(grid.shape) / min(grid.shape), grid.rows))


def _square_grids(n: int) -> list[Grid]:
    shorter = np.arange(1, isqrt(n) + 1)
    sides = {(side, n // side) for side in shorter[n % shorter == 0].tolist()}
    return [Grid(*pair) for pair in sides | {pair[::-1] for pair in sides}]


def _hexagonal_grids(n: int) -> list[Grid]:
    rows = np.arange(2, n + 1)
    found = []
    for short_first in (False, True):
        cells = n + (rows + short_first) // 2
        fits = (cells % rows == 0) & (cells // rows >= 2)
        shapes = zip(rows[fits].tolist(), (cells // rows)[fits].tolist(), strict=True)
        found += [Grid(*shape, hexagonal=True, short_first=short_first) for shape in shapes]
    return found


@dataclass(frozen=True)
class Source:
    """The file a scan was opened from, with what a rewrite of it has to keep.

    A header speaks for a scan as long as the scan's map, number and size of patterns, and pixel type are those told
    here.

    Attributes
    ----------
    path : Path
        The UP file, or the folder of images.
    header : bytes
        All bytes before the first pattern, exactly as in the file; empty for a folder opened without `like`.
    pixel_type : numpy dtype
        uint8 or uint16 for an UP file; for a folder, that of its images.
    n, height, width : int
        Patterns in the map and their size in pixels, as opened.
    grid : Grid or None
        The map that the header tells; where it has none, the one the scan was opened with.
    step : tuple of float
        Likewise, in micrometres.
    padding : array, shape (k, height, width), or None
        Patterns stored after the last point of a padded hexagonal file.
    names : tuple of str
        File names of the patterns, in order, when the source is a folder.
    """

    path: Path
    header: bytes
    pixel_type: np.dtype[Any]
    n: int
    height: int
    width: int
    grid: Grid | None
    step: tuple[float, float] = (0.0, 0.0)
    padding: NDArray[Any] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """Kikuchi patterns of one EBSD scan.

    Attributes
    ----------
    patterns : array-like, shape (n, height, width)
        Patterns in scanning order, top row of pixels first. Usually a memory map or a dask array: nothing is read or
        computed until asked for.
    grid : Grid or None
        The map, if known. `n` may be smaller than `grid.size` where a scan was cut short; the points present are
        then the first `n`.
    step : tuple of float
        Distance in micrometres between points of a row and between rows; 0 if unknown.
    source : Source or None
        Where the scan came from.
    recipe : str
        What was done to the patterns since they left the file, as the TOML of a `Recipe`; empty if nothing was.

    Raises
    ------
    ScanError
        If the patterns are not (n, height, width), or more than the grid has points.
    """

    patterns: Any
    grid: Grid | None = None
    step: tuple[float, float] = (0.0, 0.0)
    source: Source | None = None
    recipe: str = ""

    def __post_init__(self) -> None:
        if self.patterns.ndim != 3:
            raise ScanError(f"A scan is (n, height, width), not an array of shape {self.patterns.shape}.")
        if self.grid is not None and self.n > self.grid.size:
            raise ScanError(f"{self.n} patterns do not fit a grid of {self.grid.size} points ({self.grid}).")

    @property
    def n(self) -> int:
        """Number of patterns."""
        return int(self.patterns.shape[0])

    @property
    def height(self) -> int:
        """Height of a pattern, pixels."""
        return int(self.patterns.shape[1])

    @property
    def width(self) -> int:
        """Width of a pattern, pixels."""
        return int(self.patterns.shape[2])

    @property
    def pixel_type(self) -> np.dtype[Any]:
        """Pixel type of the patterns."""
        return np.dtype(self.patterns.dtype)

    @property
    def missing(self) -> int:
        """Points of the grid that have no pattern."""
        return 0 if self.grid is None else self.grid.size - self.n

    @property
    def is_map(self) -> bool:
        """Whether the patterns fill a square grid, so that they can be seen as (rows, columns, height, width)."""
        return self.grid is not None and not self.grid.hexagonal and self.missing == 0

    def as_map(self) -> Any:
        """The patterns as (rows, columns, height, width): a view, without copying or computing.

        Raises
        ------
        ScanError
            If the grid is unknown, hexagonal or incomplete.
        """
        if self.grid is None or not self.is_map:
            raise ScanError("Only a complete square grid can be seen as (rows, columns, height, width).")
        # Lazy patterns know a better way than dask's, which takes whole chunks apart to show one pattern.
        if hasattr(self.patterns, "on_map"):
            return self.patterns.on_map(self.grid)
        return self.patterns.reshape(*self.grid.shape, self.height, self.width)

    def region(self, rows: tuple[int, int], columns: tuple[int, int]) -> Scan:
        """A rectangle of the map as a scan of its own; nothing is read.

        Parameters
        ----------
        rows, columns : (int, int)
            As for `Grid.region`: the first one, counted from 0, and the one after the last.

        Raises
        ------
        ScanError
            If there is no map, or no such part of it, or no pattern in that part.

        Examples
        --------
        >>> import napari_kikuchi as nk
        >>> nk.open_scan(nk.sample_path("nickel")).region(rows=(0, 2), columns=(1, 3)).n
        4
        """
        if self.grid is None:
            raise ScanError("A region is one of a map, and there is no map here; give the rows and columns.")
        grid, points = self.grid.region(rows, columns)
        return self._part(grid, points, self.step)

    def every(self, n: int) -> Scan:
        """Every n-th pattern, in both directions of a map, as a scan of its own; nothing is read.

        Raises
        ------
        ScanError
            If n is not positive.

        Examples
        --------
        >>> import napari_kikuchi as nk
        >>> nk.open_scan(nk.sample_path("nickel")).every(2).grid.shape
        (2, 2)
        """
        if self.grid is None:
            # A list of patterns is thinned as the single row of a map.
            _, points = Grid(1, self.n).every(n)
            return self._part(None, points, self.step)
        grid, points = self.grid.every(n)
        return self._part(grid, points, (self.step[0] * n, self.step[1] * n))

    def _part(self, grid: Grid | None, points: NDArray[np.int64], step: tuple[float, float]) -> Scan:
        present = points[points < self.n]
        if not len(present):
            raise ScanError(f"The scan ends with pattern {self.n - 1}; no pattern of that part of the map is there.")
        return replace(self, patterns=_taken(self.patterns, present), grid=grid, step=step)

    def with_patterns(self, patterns: Any) -> Scan:
        """The same map with other patterns: one for each of the present ones.

        Lazy patterns (`napari_kikuchi.lazy`) bring along the recipe that makes them.
        """
        if patterns.shape[0] != self.n:
            raise ScanError(f"Expected {self.n} patterns for this map, got {patterns.shape[0]}.")
        return replace(self, patterns=patterns, recipe=getattr(patterns, "recipe", self.recipe))


# Pixels read at a time where patterns are picked out of a file: few enough to browse through them.
_PICKED = 2**20


def _taken(patterns: Any, points: NDArray[np.int64]) -> Any:
    """Some of the patterns: a view where these lie evenly spaced in an array, else a dask array."""
    import dask.array as da

    apart = np.diff(points)
    if isinstance(patterns, np.ndarray | da.Array) and (apart == apart[:1]).all():
        return patterns[points[0] : points[-1] + 1 : int(apart[0]) if len(apart) else 1]
    if isinstance(patterns, da.Array):
        return patterns[points]
    height, width = patterns.shape[1:]
    numbers = da.from_array(points, chunks=max(1, _PICKED // (height * width)))
    return numbers.map_blocks(
        lambda some: patterns[some],
        # A name of its own spares dask the hashing, that is the reading, of a whole memory map.
        name=f"picked-{uuid.uuid4().hex}",
        new_axis=(1, 2),
        chunks=(numbers.chunks[0], (height,), (width,)),
        dtype=patterns.dtype,
        meta=np.empty((0, 0, 0), dtype=patterns.dtype),
    )
