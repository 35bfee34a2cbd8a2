"""What steps learn from a whole scan before they work on its blocks. Reads some of its patterns, spread evenly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .processing.similarity import Similarity
from .scan import Grid, Scan
from .step import Mask, Patterns

__all__ = ["mean_pattern", "screen_of", "similarity_of"]

# Pixels of the patterns read at a time: 16 MiB as float32.
SAMPLE_PIXELS = 2**22
# Points of the map whose right and lower neighbours are compared with them: the share of neighbours in the same grain
# is then known to about 3%.
COMPARED = 300
# Patterns whose mean shows the edge of the screen: it is sharp, so that few are enough.
SAMPLED_FOR_SCREEN = 100


def mean_pattern(scan: Scan, most: int) -> Patterns:
    """Mean of up to `most` patterns, shape (height, width), in 0..1. Which ones depends on their number alone."""
    from .processing.background import static_background

    points = np.unique(np.linspace(0, scan.n - 1, min(scan.n, most)).round().astype(int))
    return static_background(pattern for block in _read(scan, points) for pattern in block)


def screen_of(scan: Scan) -> Mask:
    """The lit part of the detector, from the mean of up to 100 raw patterns; None where nothing is in shadow."""
    from .processing.mask import find_screen

    return find_screen(mean_pattern(scan, SAMPLED_FOR_SCREEN))


def similarity_of(scan: Scan, grid: Grid, mask: Mask) -> Similarity:
    """How patterns of the same crystal correlate in a scan, and unrelated ones.

    Parameters
    ----------
    scan : Scan
        With the patterns that are to be compared.
    grid : Grid
        Its complete square map.
    mask : array of bool, shape (height, width), or None
        True where the detector sees something.
    """
    from .processing.similarity import band_features, learn_similarity

    numbers = np.arange(grid.size).reshape(grid.shape)
    beside = np.concatenate(
        [
            _spread(np.stack([numbers[:, :-1].ravel(), numbers[:, 1:].ravel()], axis=1)),
            _spread(np.stack([numbers[:-1].ravel(), numbers[1:].ravel()], axis=1)),
        ]
    )
    points, places = np.unique(beside, return_inverse=True)
    features = np.concatenate([band_features(block, mask) for block in _read(scan, points)])
    return learn_similarity(features, places.reshape(beside.shape))


def _spread(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return pairs[np.unique(np.linspace(0, max(len(pairs) - 1, 0), min(len(pairs), COMPARED)).round().astype(int))]


def _read(scan: Scan, points: NDArray[np.int64]) -> Iterator[Patterns]:
    from .processing.rescale import from_levels

    length = max(1, SAMPLE_PIXELS // (scan.height * scan.width))
    for start in range(0, len(points), length):
        yield from_levels(np.asarray(scan.patterns[points[start : start + length]]))
