"""Shares with their uncertainty, and likeness to a noise-free pattern."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from simulated import Dataset


def resampled_share(right: NDArray[np.bool_], grains: NDArray[np.int64]) -> tuple[float, float, float]:
    """Share of right points, with the 95% interval of 2000 resamplings of whole grains.

    Points of a grain are not independent: they share their orientation, and with it how hard they are to index.
    """
    of_grain = np.bincount(grains)
    right_of_grain = np.bincount(grains, weights=right)
    random = np.random.default_rng(1)
    drawn = random.multinomial(len(of_grain), np.full(len(of_grain), 1 / len(of_grain)), size=2000)
    shares = (drawn @ right_of_grain) / (drawn @ of_grain)
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(right.mean()), float(low), float(high)


def boundaries(dataset: Dataset) -> NDArray[np.bool_]:
    """Points of a map with a neighbour, diagonal ones too, in another grain; none without a map. Shape (n,)."""
    if dataset.grid is None:
        return np.zeros(len(dataset.grains), bool)
    grains = np.pad(dataset.grains.reshape(dataset.grid.shape), 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(grains, (3, 3))
    return (around != around[..., 1:2, 1:2]).any(axis=(2, 3)).ravel()


def similarity(
    patterns: NDArray[np.uint16], signals: NDArray[np.float32], background: NDArray[np.float32]
) -> tuple[float, float]:
    """Mean PSNR, dB, and mean SSIM, to noise-free signals in 0..1.

    Patterns are divided by the background that is still in them, and brought to the signal by the scale and the offset,
    before and after that division, that fit each best. SSIM with a Gaussian window of 1.5 pixels (Wang et al. 2004,
    doi 10.1109/TIP.2003.819861).

    Parameters
    ----------
    patterns : array, shape (n, height, width), uint16
    signals : array, shape (n, height, width), float32
    background : array, shape (height, width), float32
        Ones if the treatment took it away.
    """
    psnr, ssim = [], []
    shade = 1 / background.astype(np.float64).ravel()
    for pattern, signal in zip(patterns, signals.astype(np.float64), strict=True):
        terms = np.stack([pattern.ravel() / 65535 * shade, shade, np.ones_like(shade)], axis=1)
        weights = np.linalg.lstsq(terms, signal.ravel(), rcond=None)[0]
        fitted = (terms @ weights).reshape(signal.shape)
        psnr.append(-10 * np.log10(max(np.mean((fitted - signal) ** 2), 1e-12)))
        ssim.append(structural_similarity(fitted, signal, data_range=1.0, gaussian_weights=True, sigma=1.5))
    return float(np.mean(psnr)), float(np.mean(ssim))
