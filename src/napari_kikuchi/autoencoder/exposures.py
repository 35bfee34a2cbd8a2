"""Pairs to train on from two exposures of the same points: what the fast one made of what the slow one shows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from ..formats import open_scan
from ..learning import mean_pattern, similarity_of
from ..patches import Patch
from ..processing.mask import find_screen
from ..processing.rescale import from_levels
from ..processing.same_crystal import average_similar, reach
from ..processing.similarity import Similarity, band_features
from ..scan import Grid, Scan, ScanError, ScanWarning
from .architectures import Network
from .normalise import prepare, working_size
from .simulation import Batch, Image, Mask, Pair, compressed, place_window, stack_pairs
from .training_config import PairSettings, ScanPair

__all__ = ["ExposurePairs", "Exposures", "open_exposures"]

# Of the points of a pair of scans, one in so many is kept to validate with: the last ones, whose grains were met least.
HELD_OUT = 10
# Order of the polynomial that follows the light which all clean patterns share. It is too stiff to follow bands, even
# where all points are of one crystal.
ORDER = 4
# Patterns whose mean shows the edge of the screen, and points that are compared to see whether they are the same.
SAMPLED = 100
# Windows of neighbours that a pattern is averaged in, drawn with equal chances: those that users can choose.
WINDOWS = (3, 5)
# Of the memory now free, what a folder of images may take when it is read as a whole.
SHARE_OF_MEMORY = 0.5


def open_exposures(scans: Sequence[ScanPair], settings: PairSettings, network: Network) -> ExposurePairs:
    """Open pairs of scans.

    Raises
    ------
    ScanError
        If a scan cannot be read, or two exposures do not fit each other, or the network's window.

    Warns
    -----
    ScanWarning
        If two exposures do not look like those of the same points, or the network looks at neighbours and no scan has
        a map.
    """
    exposures = [Exposures.open(pair, network) for pair in scans]
    if network.with_neighbours and not any(one.map for one in exposures):
        warnings.warn(
            f"{network.name} looks at neighbours, and none of the scans has a complete square map: it learns from "
            "patterns alone. Give [[scans]] a grid, if there is one.",
            ScanWarning,
            stacklevel=2,
        )
    return ExposurePairs(exposures, settings, network)


@dataclass(frozen=True)
class Exposures:
    """A fast and a slow exposure of the same points.

    Attributes
    ----------
    names : (str, str)
        Of the fast and the slow one.
    noisy, clean : array, shape (n, height, width)
        Of any pixel type; usually mapped from a file.
    light : array, shape (height, width), float32
        How bright the clean patterns are on average, bands apart. Divided out, since what a network is to make of a
        pattern is evenly bright, and a background that is removed pattern by pattern leaves a dark rim.
    screen : array of bool, shape (height, width), or None
        The lit part of the detector, as found in the noisy patterns.
    map : (Grid, Similarity) or None
        Where the points have neighbours, if the network looks at them.
    """

    names: tuple[str, str]
    noisy: NDArray[Any]
    clean: NDArray[Any]
    light: Image
    screen: Mask | None = None
    map: tuple[Grid, Similarity] | None = None

    @classmethod
    def open(cls, pair: ScanPair, network: Network) -> Exposures:
        """Open a pair of scans; errors and warnings are those of `open_exposures`."""
        grid = Grid(pair.grid[0], pair.grid[1]) if pair.grid else None
        noisy, clean = (open_scan(path, grid) for path in (pair.noisy, pair.clean))
        _check_alike(pair, noisy, clean)
        screen = find_screen(mean_pattern(noisy, SAMPLED))
        known = None
        if network.with_neighbours and noisy.grid is not None and noisy.is_map:
            known = noisy.grid, similarity_of(noisy, noisy.grid, screen)
        names = Path(pair.noisy).name, Path(pair.clean).name
        light = _light(mean_pattern(clean, SAMPLED), screen)
        found = cls(names, _indexable(pair.noisy, noisy), _indexable(pair.clean, clean), light, screen, known)
        found._check_same_points()
        return found

    def images(self, point: int, with_neighbours: bool, random: np.random.Generator) -> Image:
        """The noisy pattern of a point, its average with its neighbours, and the clean one in even light."""
        pattern, clean = (from_levels(scan[point : point + 1])[0] for scan in (self.noisy, self.clean))
        average = pattern
        if with_neighbours and self.map is not None:
            grid, similarity = self.map
            window = int(random.choice(WINDOWS))
            row, column = divmod(point, grid.columns)
            patch = Patch(grid, (row, row + 1), (column, column + 1), reach(window))
            around = from_levels(patch.read(lambda start, stop: self.noisy[start:stop]))
            middle = patch.cut(np.arange(len(around)), patch.rim)
            average = average_similar(around, patch.grid.shape, window, similarity, self.screen, middle)[0]
        return np.stack([pattern, average, clean / self.light])

    def _check_same_points(self) -> None:
        points = np.unique(np.linspace(0, len(self.noisy) - 1, min(len(self.noisy), SAMPLED)).round().astype(int))
        fast, slow = (band_features(from_levels(scan[points]), self.screen) for scan in (self.noisy, self.clean))
        gain = (fast * slow).sum(axis=1) - (fast * np.roll(slow, 1, axis=0)).sum(axis=1)
        if gain.mean() < 3 * gain.std() / len(points) ** 0.5:
            warnings.warn(
                f"{self.names[0]} and {self.names[1]} agree at the same points no better than at different ones: look "
                "whether they show the same points in the same order, unless the sample is a single crystal.",
                ScanWarning,
                stacklevel=4,
            )


@dataclass(frozen=True)
class ExposurePairs:
    """Pairs of noisy and clean patterns as they were measured; the last tenth of the points is held out.

    Attributes
    ----------
    exposures : sequence of Exposures
    settings : PairSettings
        Its `window`, `sizes` and `neighbours`.
    network : Network

    Raises
    ------
    ScanError
        If the network has no mask and patterns do not fill its window.
    """

    exposures: Sequence[Exposures]
    settings: PairSettings
    network: Network

    def __post_init__(self) -> None:
        side = self.settings.window
        for one in self.exposures:
            height, width = working_size(one.noisy.shape[1:], self.settings.sizes)
            if not self.network.with_mask and min(height, width) < side:
                raise ScanError(
                    f"{one.names[0]} has patterns that {self.network.name} sees with {width}x{height} pixels, less "
                    f"than its window of {side}: give [pairs] a smaller window, or larger sizes."
                )

    @property
    def trained_on(self) -> str:
        """How many points of which scans."""
        return ", ".join(
            f"{len(_training_points(len(one.noisy)))} points of {one.names[0]}, with {one.names[1]} as their target"
            for one in self.exposures
        )

    @property
    def held_out(self) -> str:
        """That the last tenth of the points is."""
        return "the last tenth of the points"

    @property
    def noise(self) -> str:
        """That of the fast exposures."""
        return f"that of {', '.join(one.names[0] for one in self.exposures)}"

    def training(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs of all points but the last tenth."""
        return self._drawn(_training_points, count, seed)

    def validation(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs of the last tenth of the points."""
        return self._drawn(_held_out_points, count, seed)

    def _drawn(self, points_of: Callable[[int], NDArray[np.int64]], count: int, seed: Sequence[int]) -> Batch:
        random = np.random.default_rng(list(seed))
        points = [points_of(len(one.noisy)) for one in self.exposures]
        ends = np.cumsum([len(numbers) for numbers in points])
        pairs = []
        for place in random.integers(ends[-1], size=count):
            which = int(np.searchsorted(ends, place, "right"))
            pairs.append(self._pair(self.exposures[which], int(points[which][place - ends[which]]), random))
        return stack_pairs(pairs)

    def _pair(self, exposures: Exposures, point: int, random: np.random.Generator) -> Pair:
        with_neighbours = random.random() < self.settings.neighbours
        images = exposures.images(point, with_neighbours, random)
        size = working_size(exposures.noisy.shape[1:], self.settings.sizes)
        (pattern, average, clean), inside = prepare(images, exposures.screen, self.network.normalisation, size)
        target = compressed(clean, inside) if self.network.normalisation == "background" else clean * inside
        rows, columns = place_window(size, self.settings.window, random)[0]
        return Pair(*(_cut(image, rows, columns) for image in (pattern, average, inside, target)))


def _training_points(n: int) -> NDArray[np.int64]:
    return np.arange(n - n // HELD_OUT)


def _held_out_points(n: int) -> NDArray[np.int64]:
    return np.arange(n - n // HELD_OUT, n)


def _cut(image: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
    """A part of an image; what lies beyond its edge is 0."""
    height, width = image.shape
    top, left = max(rows.start, 0), max(columns.start, 0)
    part = image[top : min(rows.stop, height), left : min(columns.stop, width)]
    before = top - rows.start, left - columns.start
    whole = rows.stop - rows.start, columns.stop - columns.start
    return np.pad(part, [(b, w - b - p) for b, w, p in zip(before, whole, part.shape, strict=True)])


def _check_alike(pair: ScanPair, noisy: Scan, clean: Scan) -> None:
    if noisy.n != clean.n:
        raise ScanError(
            f"{pair.noisy} has {noisy.n} patterns and {pair.clean} has {clean.n}: two exposures of the same points are "
            "needed."
        )
    if (noisy.height, noisy.width) != (clean.height, clean.width):
        raise ScanError(
            f"{pair.noisy} has patterns of {noisy.width}x{noisy.height} pixels and {pair.clean} of "
            f"{clean.width}x{clean.height}: bring them to one size first."
        )
    if noisy.n < HELD_OUT:
        raise ScanError(
            f"{pair.noisy} has {noisy.n} patterns, and {HELD_OUT} are the least to train on: one of them is held out."
        )


def _light(mean: Image, screen: Mask | None) -> Image:
    """A mean pattern's smooth brightness: its logarithm, fitted by a polynomial inside the screen."""
    height, width = mean.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([x**i * y**j for i in range(ORDER + 1) for j in range(ORDER + 1 - i)], axis=-1)
    inside = np.ones(mean.shape, bool) if screen is None else screen
    # Kept from the logarithm of nothing, and what lies outside the screen from growing without bound.
    logarithm = np.log(np.maximum(mean, max(float(mean.mean()), 1e-6) * 1e-3))
    fit = terms @ np.linalg.lstsq(terms[inside], logarithm[inside], rcond=None)[0]
    return np.exp(np.clip(fit, logarithm[inside].min(), logarithm[inside].max())).astype(np.float32)


def _indexable(path: str, scan: Scan) -> NDArray[Any]:
    """Patterns that can be had one by one: a map of the file as it is, a folder of images read as a whole."""
    if isinstance(scan.patterns, np.ndarray):
        return scan.patterns
    needed = scan.n * scan.height * scan.width * scan.pixel_type.itemsize
    free: Any = psutil.virtual_memory().available
    if needed > SHARE_OF_MEMORY * free:
        raise ScanError(
            f"{path} takes {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: put its images into a "
            "file with `napari-kikuchi pack`, which need not be read as a whole."
        )
    return np.asarray(scan.patterns)
