"""A scan as a map of one number a pattern: whole, or from a sample that grows, coarse at once and then finer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .processing.maps import Measure, Region, measure
from .scan import Grid, Scan, ScanError

__all__ = ["GrowingMap", "batch_length", "is_on_demand", "map_of", "read_points", "spread_points", "whole_chunks"]

# The coarsest sample has at most this many points, so that it is there at once.
FIRST = 256
# Pixels measured at a time: some hundredths of a second, after which a caller may stop.
BATCH_PIXELS = 2**20
# Of patterns that have to be computed, the number after which a growing map is a sample, and goes on only if asked.
ON_DEMAND = 1024
# And the number of those computed at a time: in the sample, and from end to end.
COMPUTED_BATCH, COMPUTED_RUN = 16, 256
# Chunks of a lazy array that a sample of its patterns may cost.
CHUNKS = 4


def map_of(
    scan: Scan,
    of: Measure = "image-quality",
    *,
    region: Region | tuple[float, float, float, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """The scan as a map of one number a pattern.

    Parameters
    ----------
    scan : Scan
        With a map. It is read once, block by block.
    of : "image-quality", "mean-intensity" or "virtual-backscatter"
        Image quality Q, the mean over the whole detector, or the mean over `region`: the image that a backscatter
        detector in its place would see. Means are in the patterns' own levels.
    region : Region or (x, y, width, height), optional
        Rectangle of the detector, in fractions of its width and height from the upper left corner.
    progress : callable, optional
        Called with the number of patterns measured and in all.

    Returns
    -------
    array, shape (rows, columns), float64
        NaN where there is no pattern: at the end of a scan that was cut short, and of a hexagonal map's short rows.

    Raises
    ------
    ScanError
        If the scan has no map, there is no such measure, or the region is not on the detector.

    Examples
    --------
    >>> import napari_kikuchi as nk
    >>> nk.map_of(nk.open_scan(nk.sample_path("nickel")), "mean-intensity").shape
    (3, 3)
    """
    from .formats.pixels import read_blocks

    grid, region = _grid_of(scan), _as_region(region)
    values = np.empty(scan.n)
    for start, block in read_blocks(scan.patterns):
        values[start : start + len(block)] = measure(block, of, region)
        if progress is not None:
            progress(start + len(block), scan.n)
    return grid.place(values)


def _as_region(region: Region | tuple[float, float, float, float] | None) -> Region:
    """What a caller says of the region, as a `Region`; the default one for None."""
    if region is None or isinstance(region, Region):
        return region or Region()
    return Region(*region)


def is_on_demand(scan: Scan) -> bool:
    """Whether looking at a pattern computes it, by a recipe that is run only then."""
    return not isinstance(scan.patterns, np.ndarray) and bool(scan.recipe)


def whole_chunks(patterns: Any) -> tuple[int, ...] | None:
    """Numbers of patterns in the chunks of a lazy array that are computed as a whole; None if each can be had alone."""
    if hasattr(patterns, "patterns_at") or max(getattr(patterns, "chunks", ((1,),))[0]) == 1:
        return None
    return tuple(patterns.chunks[0])


def batch_length(scan: Scan) -> int:
    """Patterns to read and measure at a time, so that stopping is prompt."""
    length = max(1, BATCH_PIXELS // (scan.height * scan.width))
    return min(length, COMPUTED_BATCH) if is_on_demand(scan) else length


def read_points(patterns: Any, points: NDArray[np.int64]) -> NDArray[Any]:
    """Patterns of given numbers, in rising order: a mapped file is read without holding up other threads.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
    points : array of int, shape (k,)

    Returns
    -------
    array, shape (k, height, width)
    """
    if hasattr(patterns, "patterns_at"):
        return np.asarray(patterns.patterns_at(points))
    first, last = int(points[0]), int(points[-1])
    if last - first == len(points) - 1:
        return np.asarray(patterns[first : last + 1])
    if not isinstance(patterns, np.ndarray):
        return np.asarray(patterns[points])
    # One by one: other threads run while a slice is copied, and wait while a list of numbers is looked up.
    block = np.empty((len(points), *patterns.shape[1:]), patterns.dtype)
    for one, point in zip(block, points, strict=True):
        one[...] = patterns[point]
    return block


def spread_points(scan: Scan, most: int) -> NDArray[np.int64]:
    """Numbers of up to `most` patterns, spread over the scan; in a few chunks where these are computed as a whole."""
    chunks = whole_chunks(scan.patterns)
    if not is_on_demand(scan) or chunks is None:
        return _spread(scan.n, most)
    ends = np.cumsum(chunks)
    chosen = _spread(len(ends), CHUNKS)
    share = -(-most // len(chosen))
    starts = [int(ends[i] - chunks[i]) for i in chosen]
    return np.concatenate(
        [start + _spread(int(ends[i]) - start, share) for i, start in zip(chosen, starts, strict=True)]
    )[:most]


@dataclass(frozen=True)
class _Batch:
    """Points that are measured together; each speaks for the `stride` x `stride` points right of and below it."""

    points: NDArray[np.int64]
    stride: int


class GrowingMap:
    """A map that is computed from a sample of the scan, which grows: coarse at once, then finer, in the end whole.

    One thread may let it grow while another one draws what is there.

    Parameters
    ----------
    scan : Scan
        With a map.
    of : Measure
    region : Region

    Attributes
    ----------
    grid : Grid
    n : int
        Number of patterns.
    values : array, shape (rows, columns), float64
        NaN where not measured yet, or where no pattern is.
    picture : array, shape (rows, columns), float64
        The same, but where not measured yet, the value of a point nearby that is.
    known : int
        Number of patterns measured.

    Raises
    ------
    ScanError
        If the scan has no map.
    """

    def __init__(self, scan: Scan, of: Measure, region: Region) -> None:
        self.grid, self.n = _grid_of(scan), scan.n
        self._scan, self._of, self._region = scan, of, region
        self._lengths = self.grid.row_lengths
        self._starts = np.cumsum(self._lengths) - self._lengths
        self.values = np.full(self.grid.shape, np.nan)
        self.picture = self.values.copy()
        self.known = 0
        self._measured = np.zeros(self.n, dtype=bool)
        self.sampled = min(self.n, ON_DEMAND) if is_on_demand(scan) else self.n
        self._batches = self._plan()
        self._one_at_a_time = Lock()

    @property
    def whole(self) -> bool:
        """Whether every pattern has been measured."""
        return self.known == self.n

    def grow(self, *, beyond_sample: bool = False) -> Iterator[int]:
        """Measure batch after batch; may be stopped after any of them, and called again to go on.

        Parameters
        ----------
        beyond_sample : bool
            Go on to the end also where every pattern has to be computed, instead of stopping after a sample.

        Yields
        ------
        int
            Number of patterns measured.
        """
        while self.known < (self.n if beyond_sample else self.sampled):
            # A growth that was just dropped may be finishing its last batch.
            with self._one_at_a_time:
                batch = next(self._batches)
                patterns = read_points(self._scan.patterns, batch.points)
                self._lay(batch, measure(patterns, self._of, self._region))
            yield self.known

    def _lay(self, batch: _Batch, values: NDArray[np.float64]) -> None:
        rows = np.searchsorted(self._starts, batch.points, side="right") - 1
        columns = batch.points - self._starts[rows]
        self.values[rows, columns] = values
        for down in range(min(batch.stride, self.grid.rows)):
            for right in range(batch.stride):
                row, column = rows + down, columns + right
                inside = row < self.grid.rows
                inside[inside] = column[inside] < self._lengths[row[inside]]
                row, column = row[inside], column[inside]
                there = self._starts[row] + column < self.n
                self.picture[row[there], column[there]] = values[inside][there]
        self.known += int(np.count_nonzero(~self._measured[batch.points]))
        self._measured[batch.points] = True

    def _plan(self) -> Iterator[_Batch]:
        chunks = whole_chunks(self._scan.patterns)
        return self._by_strides() if chunks is None else self._by_chunks(np.cumsum([0, *chunks]))

    def _by_strides(self) -> Iterator[_Batch]:
        """Every sixteenth row and column, say, then every eighth, and so on; each level in scanning order."""
        length = batch_length(self._scan)
        first = 1
        while -(-self.grid.rows // first) * -(-self.grid.columns // first) > FIRST:
            first *= 2
        stride = first
        while stride:
            # Row by row, since the numbers of all points of a large map would take longer to list than some to measure.
            waiting: list[NDArray[np.int64]] = []
            for row in range(0, self.grid.rows, stride):
                waiting.append(self._in_row(row, stride, fresh=stride == first or row % (2 * stride) != 0))
                if sum(map(len, waiting)) >= length:
                    points = np.concatenate(waiting)
                    whole = len(points) // length * length
                    for start in range(0, whole, length):
                        yield _Batch(points[start : start + length], stride)
                    waiting = [points[whole:]]
            rest = np.concatenate(waiting)
            if len(rest):
                yield _Batch(rest, stride)
            stride //= 2
            if self.known >= self.sampled:
                break
        # What has to be computed is computed fastest in long runs, which are worth the few points that come twice.
        for start in range(0, self.n, COMPUTED_RUN):
            yield _Batch(np.arange(start, min(start + COMPUTED_RUN, self.n)), 1)

    def _in_row(self, row: int, stride: int, *, fresh: bool) -> NDArray[np.int64]:
        """The points of a row that a level measures: all at its stride in a fresh row, else those in between."""
        start, step = (0, stride) if fresh else (stride, 2 * stride)
        points = self._starts[row] + np.arange(start, self._lengths[row], step)
        return points[points < self.n]

    def _by_chunks(self, ends: NDArray[np.int64]) -> Iterator[_Batch]:
        """The chunks of a lazy array, each computed once: first some that are spread over the scan."""
        for i in _halving(len(ends) - 1):
            yield _Batch(np.arange(ends[i], ends[i + 1]), 1)


def _grid_of(scan: Scan) -> Grid:
    if scan.grid is None:
        raise ScanError(
            f"{scan.source.path.name if scan.source else 'The scan'} has no map: say its rows and columns first."
        )
    return scan.grid


def _spread(n: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _halving(n: int) -> Iterator[int]:
    """0 to n - 1 in an order in which the first ones are always spread: ends of halves, quarters and so on."""
    step = 1 << max(0, (n - 1).bit_length())
    yield 0
    while step > 1:
        yield from range(step // 2, n, step)
        step //= 2
