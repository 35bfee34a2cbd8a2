"""Two scans of the same points, such as before and after, in figures for chosen patterns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .processing.quality import FIGURES, correlation
from .scan import Grid, Scan, ScanError
from .scan_maps import batch_length, is_on_demand, read_points, spread_points, whole_chunks

__all__ = ["Comparison", "check_comparable", "compare_patterns", "compared", "points_to_compare"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Figures of the same patterns in two scans.

    Attributes
    ----------
    points : array of int, shape (k,)
        Numbers of the patterns, in scanning order.
    first, second : dict of arrays, shape (k,)
        For each of `processing.quality.FIGURES`, by its name, what the patterns of the two scans have.
    correlation : array, shape (k,)
        Of the two patterns of each point.
    """

    points: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    first: dict[str, Values] = field(default_factory=lambda: {name: np.empty(0) for name in FIGURES})
    second: dict[str, Values] = field(default_factory=lambda: {name: np.empty(0) for name in FIGURES})
    correlation: Values = field(default_factory=lambda: np.empty(0))

    def with_more(self, more: Comparison) -> Comparison:
        """Both together."""
        return Comparison(
            np.concatenate([self.points, more.points]),
            {name: np.concatenate([self.first[name], more.first[name]]) for name in FIGURES},
            {name: np.concatenate([self.second[name], more.second[name]]) for name in FIGURES},
            np.concatenate([self.correlation, more.correlation]),
        )

    def table(self, grid: Grid | None) -> list[list[str]]:
        """A line for each pattern, under a line that names the columns: place, and the figures of both scans."""
        place = ["pattern"] if grid is None else ["pattern", "row", "column"]
        lines = [[*place, *(f"{name}, {which}" for name in FIGURES for which in "AB"), "correlation of A and B"]]
        for i, point in enumerate(self.points.tolist()):
            figures = [f"{of[name][i]:.6g}" for name in FIGURES for of in (self.first, self.second)]
            where = [point] if grid is None else [point, *grid.position(point)]
            lines.append([*map(str, where), *figures, f"{self.correlation[i]:.6g}"])
        return lines


def compared(points: NDArray[np.int64], first: NDArray[Any], second: NDArray[Any]) -> Comparison:
    """The figures of patterns of given numbers, each (k, height, width), from both scans."""
    return Comparison(
        points,
        {name: figure(first) for name, figure in FIGURES.items()},
        {name: figure(second) for name, figure in FIGURES.items()},
        correlation(first, second),
    )


def compare_patterns(first: Scan, second: Scan, points: NDArray[np.int64]) -> Iterator[Comparison]:
    """Compare patterns of given numbers, some at a time, so that a caller can show how far it is, and stop.

    Parameters
    ----------
    first, second : Scan
        Of the same number and size of patterns.
    points : array of int, shape (k,)
        In rising order.

    Yields
    ------
    Comparison
        Of the points so far.

    Raises
    ------
    ScanError
        If the scans differ in number or size of patterns.
    """
    check_comparable(first, second)
    so_far = Comparison()
    for batch in _batches(first, second, points):
        pair = (read_points(scan.patterns, batch) for scan in (first, second))
        so_far = so_far.with_more(compared(batch, *pair))
        yield so_far


def points_to_compare(first: Scan, second: Scan, most: int) -> NDArray[np.int64]:
    """Numbers of up to `most` patterns, spread over the scans so that few have to be computed for it."""
    return spread_points(second if is_on_demand(second) else first, most)


def check_comparable(first: Scan, second: Scan) -> None:
    """Refuse scans that are not of the same points.

    Raises
    ------
    ScanError
        If they differ in number or size of patterns.
    """
    if first.patterns.shape != second.patterns.shape:
        one, other = (f"{scan.n} patterns of {scan.height}x{scan.width} pixels" for scan in (first, second))
        raise ScanError(f"Only scans of the same points can be compared: one has {one}, the other {other}.")


def _batches(first: Scan, second: Scan, points: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Points to be read together: never two batches from one chunk, which would be computed twice."""
    length = min(batch_length(scan) for scan in (first, second))
    chunked = [chunks for scan in (first, second) if (chunks := whole_chunks(scan.patterns)) is not None]
    if not chunked:
        for start in range(0, len(points), length):
            yield points[start : start + length]
        return
    coarsest = max(chunked, key=max)
    owners = np.searchsorted(np.cumsum(coarsest), points, side="right")
    yield from np.split(points, np.flatnonzero(np.diff(owners)) + 1)
