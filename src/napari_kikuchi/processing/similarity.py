"""Which neighbours on the map show the same crystal: averages that stop at grain boundaries, also in noise.

Two noisy patterns are compared by the correlation of their band-pass filtered copies. Bands are a few hundredths of a
pattern wide, and counting noise is white, so that nearly all that tells patterns apart lies in this range: at four
electrons a pixel, comparing the patterns pixel by pixel tells same from different in two pairs of three, and so in
nineteen of twenty.

What correlation means "the same" depends on the scan's counts and contrast. It is learnt from the scan itself, and the
weight of a neighbour is the probability that it is of the same crystal. So nothing has to be tuned, and where noise
hides all differences it becomes a plain average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .background import as_block, dynamic_background
from .neighbours import Part, as_map, window_parts

__all__ = ["Similarity", "average_similar", "band_features", "learn_similarity", "similar_weights"]

Patterns = NDArray[np.float32]
Mask = NDArray[np.bool_] | None
Weight = NDArray[np.float32]

# Standard deviations of the two Gaussians of the band-pass, in widths of the pattern: between the width of a band and
# that of the slow changes of the background. Tried on nickel at 2 to 8 electrons: 1/60 and 1/80 for the finer one do
# alike, twice as wide or none at all does worse.
_FINE, _BROAD = 1 / 80, 1 / 15
# Patterns are compared at this many pixels across: more would be blurred anyway.
_SIDE = 60
_CLIP = 5.0
# With fewer patterns, their mean still holds the bands of each.
_FEW = 50
# On simulated nickel at 2 and 4 electrons, a third round still improves on the second, and a fourth does not.
_ROUNDS = 3
# Of neighbours beside each other, how many are of the same crystal where the scan does not tell.
_SHARE = 0.8


@dataclass(frozen=True)
class Similarity:
    """How patterns of a scan correlate.

    Attributes
    ----------
    unrelated : (mean, standard deviation)
        Of the correlation of patterns that have nothing to do with each other.
    related : float
        Mean correlation of two patterns of the same crystal.
    share : float
        Of neighbours beside each other, those of the same crystal, 0..1.
    common : array, shape (k,), float32
        What the features of all patterns share: that is the detector, not the crystal.
    """

    unrelated: tuple[float, float]
    related: float
    share: float
    common: NDArray[np.float32]

    def probability(
        self, correlation: NDArray[np.floating], related: float | NDArray[np.floating], apart: float
    ) -> NDArray[np.float32]:
        """That two patterns are of the same crystal, or averages of them.

        Parameters
        ----------
        correlation : array
            Of their features.
        related : float or array
            What it is on average if they are.
        apart : float
            Distance on the map, steps.
        """
        mean, spread = self.unrelated
        share = float(np.clip(self.share**apart, 0.02, 0.98))
        return _posterior((correlation - mean) / spread, (related - mean) / spread, share).astype(np.float32)


def band_features(patterns: Patterns, mask: Mask = None) -> Patterns:
    """Patterns reduced to what tells one orientation from another.

    Each is divided by its background (blurred by a fifteenth of the width), cut off at five standard deviations,
    blurred by an eightieth of the width and reduced to about 60 pixels across.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
        In any unit.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something.

    Returns
    -------
    array, shape (n, k), float32
        Of zero mean and unit length; all 0 for a pattern without contrast.
    """
    from ..opencv import cv2

    patterns = as_block(patterns, mask)
    height, width = patterns.shape[1:]
    step = max(1, round(max(height, width) / _SIDE))
    inside = np.ones((height, width), bool) if mask is None else mask
    background = dynamic_background(patterns, width * _BROAD, mask)
    floor = np.maximum(np.abs(background[:, inside]).mean(axis=1) * 0.1, np.finfo(np.float32).tiny)[:, None, None]
    flat = np.where(inside, patterns - background, 0) / np.maximum(background, floor)
    flat /= np.maximum(np.sqrt(np.square(flat[:, inside]).mean(axis=1)), 1e-12)[:, None, None]
    flat = np.clip(flat, -_CLIP, _CLIP).astype(np.float32)
    # After the blur, pixels left out say nothing that their neighbours do not.
    small = [cv2.GaussianBlur(one, (0, 0), width * _FINE)[step // 2 :: step, step // 2 :: step].ravel() for one in flat]
    features = np.stack(small) if small else np.zeros((0, 0), np.float32)
    return _unit(features)


def learn_similarity(features: NDArray[np.float32], pairs: NDArray[np.int64]) -> Similarity:
    """Learn from a sample of a scan how patterns of the same crystal correlate, and unrelated ones.

    How unrelated patterns correlate is seen by turning one of a pair by half a turn: the noise stays what it was, and
    the bands of no crystal stay, whether the map has thousands of grains or two. The correlations of neighbours are
    taken to be a mixture of two Gaussians of equal width, of which that of the unrelated ones is then known; the other
    one's mean and share are found by expectation maximisation.

    Parameters
    ----------
    features : array, shape (n, k), float32
        As `band_features` gives them.
    pairs : array of int, shape (p, 2)
        Numbers of patterns that lie beside each other on the map.
    """
    nothing = np.zeros(features.shape[1], np.float32)
    if not len(pairs):
        return Similarity((0.0, 1.0), 0.0, 0.5, nothing)
    common = features.mean(axis=0) if len(features) >= _FEW else nothing
    features = _unit(features - common)
    one, other = features[pairs[:, 0]], features[pairs[:, 1]]
    unrelated = np.einsum("ij,ij->i", one, other[:, ::-1], dtype=np.float64)
    beside = np.einsum("ij,ij->i", one, other, dtype=np.float64)
    mean = float(np.median(unrelated))
    lower, upper = np.percentile(unrelated, (25, 75))
    spread = max(float(upper - lower) / 1.349, 1e-6)
    scores = (beside - mean) / spread
    separation, share = max(float(np.percentile(scores, 75)), 0.5), _SHARE
    for _ in range(100):
        same = _posterior(scores, separation, share)
        separation = max(float((same * scores).sum() / max(same.sum(), 1e-9)), 0.1)
        # The less the two kinds differ, the less can be learnt of how many there are of each.
        trust = separation**2 / (1 + separation**2)
        share = float(np.clip(trust * same.mean() + (1 - trust) * _SHARE, 0.2, 0.98))
    return Similarity((mean, spread), mean + separation * spread, share, common)


def average_similar(
    patterns: Patterns,
    shape: tuple[int, int],
    window: int,
    similarity: Similarity,
    mask: Mask = None,
) -> Patterns:
    """Average each pattern with those neighbours on a square map that show the same crystal.

    Parameters
    ----------
    patterns : array, shape (rows * columns, height, width), float32
        In scanning order.
    shape : (int, int)
        Rows and columns of the map.
    window : int
        Rows and columns that are averaged, an odd number.
    similarity : Similarity
        Learnt from the scan.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something; other pixels come back unchanged.

    Returns
    -------
    array, shape (rows * columns, height, width), float32
        Weighted by `similar_weights`. What a pattern becomes hangs on the patterns in its window alone.

    Raises
    ------
    ScanError
        If the patterns do not fill the map, or the window is even.
    """
    on_map = as_map(patterns, shape)
    features = _unit(band_features(patterns, mask) - similarity.common).reshape(*shape, -1)
    weights = similar_weights(features, window, similarity)
    total = on_map.copy()
    counts = np.ones(shape, dtype=np.float32)
    for (here, there, _), weight in zip(_neighbours(shape, window), weights, strict=True):
        total[here] += weight[here][..., None, None] * on_map[there]
        counts += weight
    total /= counts[..., None, None]
    averaged = total.reshape(patterns.shape)
    return averaged if mask is None else np.where(mask, averaged, patterns)


def similar_weights(features: Patterns, window: int, similarity: Similarity) -> list[Weight]:
    """How much each neighbour counts, where the pattern itself counts 1: how likely it is to be of the same crystal.

    Found in rounds. In the first, each neighbour is compared with the pattern; in the next ones, with the pattern's
    average with all other neighbours, weighted as the round before says, which has far less noise. At two electrons a
    pixel, where the first round tells hardly anything, they still find most grain boundaries.

    Parameters
    ----------
    features : array, shape (rows, columns, k), float32
        As `band_features` gives them, less what they have in common, of zero mean and unit length.
    window : int
        Rows and columns, an odd number.
    similarity : Similarity

    Returns
    -------
    list of arrays, shape (rows, columns), float32
        For each neighbour in the window, row by row, without the middle; 0 where the map has ended.

    Raises
    ------
    ScanError
        If the window is even.
    """
    shape = features.shape[0], features.shape[1]
    neighbours = _neighbours(shape, window)
    weights = [np.zeros(shape, dtype=np.float32) for _ in neighbours]
    for _ in range(_ROUNDS):
        weights = _compared(features, neighbours, weights, similarity)
    return weights


def _compared(
    features: Patterns, neighbours: list[tuple[Part, Part, float]], weights: list[Weight], similarity: Similarity
) -> list[Weight]:
    """How likely each neighbour is to be of the same crystal, by the pattern's average with the others."""
    average = features.copy()
    for (here, there, _), weight in zip(neighbours, weights, strict=True):
        average[here] += weight[here][..., None] * features[there]
    length = np.einsum("ijk,ijk->ij", average, average)
    every = np.stack([np.ones_like(weights[0]), *weights])
    total, squares = every.sum(axis=0), np.square(every).sum(axis=0)
    signal = max(similarity.related - similarity.unrelated[0], 0.0)
    found = []
    for (here, there, apart), weight in zip(neighbours, weights, strict=True):
        own = weight[here]
        product = np.einsum("ijk,ijk->ij", average[here], features[there])
        # The average without this neighbour: what it brought in itself proves nothing.
        correlation = (product - own) / np.sqrt(np.maximum(length[here] - 2 * own * product + own**2, 1e-6))
        counts, noise = total[here] - own, squares[here] - own**2
        expected = signal * counts / np.sqrt(np.maximum(signal * counts**2 + (1 - signal) * noise, 1e-6))
        likely = np.zeros_like(weight)
        likely[here] = similarity.probability(correlation, similarity.unrelated[0] + expected, apart)
        found.append(likely)
    return found


def _neighbours(shape: tuple[int, int], window: int) -> list[tuple[Part, Part, float]]:
    """For each neighbour in a window: which points have one, which points these are, and how far away."""
    places = window_parts(shape, window)
    return [(here, there, float(np.hypot(down, right))) for down, right, here, there in places if down or right]


def _posterior(
    scores: NDArray[np.floating], separation: float | NDArray[np.floating], share: float
) -> NDArray[np.floating]:
    """Of which of two Gaussians of unit width, at 0 and at the separation, scores are: how likely of the second."""
    odds = separation * (scores - separation / 2) + np.log(share / (1 - share))
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit length for each row."""
    centred = features - features.mean(axis=-1, keepdims=True)
    length = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    return np.asarray(centred / np.where(length > 1e-9, length, 1), dtype=np.float32)
