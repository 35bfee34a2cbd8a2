"""How sharp a pattern is, in one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["image_quality"]

# Pixels transformed at a time: 4 MiB as float32, so that the working memory stays small however many patterns come.
BLOCK_PIXELS = 2**20


def image_quality(patterns: Any) -> NDArray[np.float64]:
    """Image quality Q of each pattern: how far its Fourier spectrum lies towards low frequencies.

    Q = 1 - J / J_max, where J is the mean of k² + l² over all frequencies (k, l) of the pattern, weighted with the
    magnitude of its Fourier transform, and J_max the same mean with equal weights. White noise has Q near 0; broad,
    sharp bands bring it towards 1. The pattern is brought to zero mean and unit deviation first, so that neither its
    brightness nor its contrast has a say.

    Q measures smoothness: blurring raises it. It ranks patterns of one scan, and does not say whether they index
    better.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        Of any integer or floating point type; a memory map or a dask array is read a block at a time.

    Returns
    -------
    array, shape (n,), float64
        At most 1; 0 for a flat pattern, which has no spectrum.

    References
    ----------
    N. C. Krieger Lassen, "Automated Determination of Crystal Orientations from Electron Backscattering Patterns",
    PhD thesis, Technical University of Denmark (1994).
    """
    n, height, width = patterns.shape
    distances = _squared_frequencies(height, width)
    length = max(1, BLOCK_PIXELS // (height * width))
    quality = np.empty(n)
    for start in range(0, n, length):
        block = np.asarray(patterns[start : start + length]).astype(np.float32)
        quality[start : start + len(block)] = _quality(block, distances)
    return quality


def _quality(patterns: NDArray[np.float32], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    means = patterns.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    deviations = patterns.std(axis=(1, 2), keepdims=True, dtype=np.float64)
    flat = deviations <= np.finfo(np.float32).eps * np.abs(means)
    normalised = np.where(flat, 0, (patterns - means) / np.where(flat, 1, deviations)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft2(normalised))
    # The transform of a real image is symmetric: the columns that `rfft2` leaves out count through their mirror images.
    twice = np.full(spectrum.shape[-1], 2.0)
    twice[0] = 1
    if patterns.shape[-1] % 2 == 0:
        twice[-1] = 1
    total = np.einsum("nkl,l->n", spectrum, twice)
    moment = np.einsum("nkl,kl->n", spectrum, distances * twice)
    mean_distance = (distances * twice).sum() / (patterns.shape[1] * patterns.shape[2])
    empty = flat[:, 0, 0]
    return np.where(empty, 0.0, 1 - moment / np.where(empty, 1, total * mean_distance))


def _squared_frequencies(height: int, width: int) -> NDArray[np.float64]:
    """k² + l² in cycles per pattern, shape (height, width // 2 + 1)."""
    rows = np.fft.fftfreq(height) * height
    columns = np.fft.rfftfreq(width) * width
    return rows[:, None] ** 2 + columns**2
