"""How patterns of the same crystal correlate in a scan, and unrelated ones: learnt from the scan itself.

Two noisy patterns are compared by the correlation of their band-pass filtered copies. Bands are a few hundredths of a
pattern wide, and counting noise is white, so that nearly all that tells patterns apart lies in this range: at four
electrons a pixel, comparing the patterns pixel by pixel tells same from different in two pairs of three, and so in
nineteen of twenty.

What correlation means "the same" depends on the scan's counts and contrast. As it is learnt from the scan, nothing has
to be tuned. Which neighbours are averaged by it, `same_crystal` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .background import as_block, dynamic_background

__all__ = ["Similarity", "band_features", "learn_similarity", "probability", "unit_length"]

Patterns = NDArray[np.float32]
Mask = NDArray[np.bool_] | None

# Standard deviations of the two Gaussians of the band-pass, in widths of the pattern: between the width of a band and
# that of the slow changes of the background. Tried on nickel at 2 to 8 electrons: 1/60 and 1/80 for the finer one do
# alike, twice as wide or none at all does worse.
_FINE, _BROAD = 1 / 80, 1 / 15
# Patterns are compared at this many pixels across: more would be blurred anyway.
_SIDE = 60
_CLIP = 5.0
_AT_A_TIME = 64
# With fewer patterns, their mean still holds the bands of each.
_FEW = 50
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

    def evidence(self, correlation: NDArray[np.floating]) -> NDArray[np.float32]:
        """That two patterns are of the same crystal, from the correlation of their features, as logarithm of odds."""
        mean, spread = self.unrelated
        scores = (np.asarray(correlation, dtype=np.float32) - np.float32(mean)) / np.float32(spread)
        return _log_odds(scores, np.float32((self.related - mean) / spread))

    def before(self, apart: float) -> float:
        """The logarithm of the odds that two points are of the same crystal, before their patterns are looked at.

        Parameters
        ----------
        apart : float
            Distance on the map, steps.
        """
        share = float(np.clip(self.share**apart, 0.02, 0.98))
        return float(np.log(share / (1 - share)))


def band_features(patterns: Patterns, mask: Mask = None) -> Patterns:
    """Patterns reduced to what tells one orientation from another.

    Each is averaged to about 60 pixels across, divided by its background (blurred by a fifteenth of the width), cut off
    at five standard deviations and blurred by an eightieth of the width.

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
    patterns = as_block(patterns, mask)
    # Some at a time: what is computed on the way then stays in the processor's cache, and takes no memory to speak of.
    parts = [_features(patterns[start : start + _AT_A_TIME], mask) for start in range(0, len(patterns), _AT_A_TIME)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _features(patterns: Patterns, mask: Mask) -> Patterns:
    """Of some patterns; see `band_features`."""
    from ..opencv import cv2

    patterns, inside = _reduced(patterns, mask)
    width = patterns.shape[2]
    background = dynamic_background(patterns, width * _BROAD, None if inside.all() else inside)
    floor = np.maximum(np.abs(background[:, inside]).mean(axis=1) * 0.1, np.finfo(np.float32).tiny)[:, None, None]
    flat = np.where(inside, patterns - background, 0) / np.maximum(background, floor)
    flat /= np.maximum(np.sqrt(np.square(flat[:, inside]).mean(axis=1)), 1e-12)[:, None, None]
    flat = np.clip(flat, -_CLIP, _CLIP).astype(np.float32)
    return unit_length(np.stack([cv2.GaussianBlur(one, (0, 0), width * _FINE).ravel() for one in flat]))


def _reduced(patterns: Patterns, mask: Mask) -> tuple[Patterns, NDArray[np.bool_]]:
    """Patterns averaged, inside the mask, to the size at which they are compared, and the mask at that size."""
    from ..opencv import cv2

    height, width = patterns.shape[1:]
    step = max(1, round(max(height, width) / _SIDE))
    size = -(-width // step), -(-height // step)
    lit = np.ones((height, width), np.float32) if mask is None else mask.astype(np.float32)
    share = cv2.resize(lit, size, interpolation=cv2.INTER_AREA)
    inside = share > 0.5 if (share > 0.5).any() else np.ones_like(share, bool)
    if step == 1:
        return patterns, inside
    small = np.empty((len(patterns), size[1], size[0]), np.float32)
    for one, pattern in zip(small, patterns, strict=True):
        cv2.resize(pattern * lit if mask is not None else pattern, size, dst=one, interpolation=cv2.INTER_AREA)
    return small / np.maximum(share, 0.5), inside


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
    features = unit_length(features - common)
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


def _log_odds(scores: NDArray[np.floating], separation: Any) -> Any:
    """Of which of two Gaussians of unit width, at 0 and at the separation, scores are: odds of the second, as log."""
    return separation * (scores - separation / 2)


def _posterior(scores: NDArray[np.floating], separation: float, share: float) -> NDArray[np.floating]:
    """How likely scores are of the second of the two, if that share of all is."""
    return probability(_log_odds(scores, separation) + np.log(share / (1 - share)))


def probability(log_odds: NDArray[np.floating]) -> NDArray[np.floating]:
    """From the logarithm of odds to a probability, 0..1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def unit_length(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit length for each row."""
    centred = features - features.mean(axis=-1, keepdims=True)
    length = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    return np.asarray(centred / np.where(length > 1e-9, length, 1), dtype=np.float32)
