"""How good a pattern is, in numbers that say what they measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .background import dynamic_background

__all__ = ["FIGURES", "contrast", "correlation", "image_quality", "noise_share"]

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


def noise_share(patterns: Any) -> NDArray[np.float64]:
    """Noise of each pattern, as a share of its standard deviation.

    The noise is estimated from the mean magnitude of the second difference in both directions, which smooth structures
    leave out: sqrt(pi / 2) / 6 * mean |I * N|, with N = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]]. White noise alone has a
    share near 1. Noise that a filter or a network has smoothed is not seen.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        Of any integer or floating point type, 3x3 pixels or more.

    Returns
    -------
    array, shape (n,), float64
        0 for a flat pattern.

    References
    ----------
    J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64 (1996) 300-302.
    """
    floats = np.asarray(patterns).astype(np.float32)
    across = floats[:, :, :-2] - 2 * floats[:, :, 1:-1] + floats[:, :, 2:]
    both = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    noise = np.sqrt(np.pi / 2) / 6 * np.abs(both).mean(axis=(1, 2), dtype=np.float64)
    deviation = floats.std(axis=(1, 2), dtype=np.float64)
    return np.where(deviation > 0, noise / np.where(deviation > 0, deviation, 1), 0.0)


def contrast(patterns: Any) -> NDArray[np.float64]:
    """Root mean square contrast of each pattern, after its background is divided out.

    The background is the pattern blurred by a Gaussian of an eighth of its width. What is left is bands and noise.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        Of any integer or floating point type, not negative.

    Returns
    -------
    array, shape (n,), float64
        Standard deviation of pattern / background; 0 for a flat pattern.

    References
    ----------
    E. Peli, "Contrast in complex images", Journal of the Optical Society of America A 7 (1990) 2032-2040.
    """
    floats = np.asarray(patterns).astype(np.float32)
    background = dynamic_background(floats, floats.shape[-1] / 8)
    ratio = np.divide(floats, background, out=np.ones_like(floats), where=background > 0)
    return ratio.std(axis=(1, 2), dtype=np.float64)


def correlation(patterns: Any, others: Any) -> NDArray[np.float64]:
    """Correlation coefficient of each pattern with its counterpart: 1 if they differ in brightness and contrast only.

    Parameters
    ----------
    patterns, others : array-like, shape (n, height, width)
        Of any integer or floating point type.

    Returns
    -------
    array, shape (n,), float64
        -1 to 1; 0 where one is flat.
    """
    first, second = (np.asarray(block).reshape(len(block), -1).astype(np.float64) for block in (patterns, others))
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    product = np.einsum("nk,nk->n", first, second)
    length = np.sqrt(np.einsum("nk,nk->n", first, first) * np.einsum("nk,nk->n", second, second))
    return np.where(length > 0, product / np.where(length > 0, length, 1), 0.0)


FIGURES: dict[str, Callable[[Any], NDArray[np.float64]]] = {
    "image quality Q": image_quality,
    "noise share": noise_share,
    "contrast": contrast,
}
"""What is told of a pattern, by name."""


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
