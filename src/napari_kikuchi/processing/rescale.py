"""The ways in and out of a recipe: pixel levels to floats in 0..1, and back by one rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PERCENTILES", "from_levels", "quantise", "stretch", "to_levels"]

# Of the pixels inside the mask. Wide enough to keep the zone axes, narrow enough that a hot pixel does not decide.
PERCENTILES = (0.1, 99.9)


def from_levels(patterns: NDArray[Any]) -> NDArray[np.float32]:
    """Divide by the pixel type's maximum; floating point patterns are taken as they are.

    Parameters
    ----------
    patterns : array, shape (n, height, width)
        Any integer or floating point type.

    Returns
    -------
    array, shape (n, height, width), float32
        In 0..1 for unsigned integers. The caller's own array is never returned, so it may be written to.
    """
    floats = np.array(patterns, dtype=np.float32)
    if np.issubdtype(patterns.dtype, np.integer):
        floats /= np.float32(np.iinfo(patterns.dtype).max)
    return floats


def to_levels(patterns: NDArray[np.float32], pixel_type: np.dtype[Any]) -> NDArray[Any]:
    """Lay 0..1 over the levels of a pixel type: rounded, values outside brought to the nearest end.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    pixel_type : numpy dtype
        An integer type, or a floating point type, to which nothing but the type changes.
    """
    if not np.issubdtype(pixel_type, np.integer):
        return patterns.astype(pixel_type, copy=False)
    top = np.iinfo(pixel_type).max
    levels = np.empty(patterns.shape, dtype=pixel_type)
    # One by one, so that all that is made of a pattern on the way stays in the processor's cache.
    for pattern, out in zip(patterns, levels, strict=True):
        scaled = pattern * np.float32(top)
        out[...] = np.clip(np.rint(scaled, out=scaled), 0, top, out=scaled)
    return levels


def quantise(patterns: NDArray[np.float32], levels: int) -> NDArray[np.float32]:
    """Round to `levels` equally spaced values in 0..1, as storing in a file does."""
    top = np.float32(levels - 1)
    return np.clip(np.rint(patterns * top), 0, top).astype(np.float32) / top


def stretch(patterns: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Stretch each pattern to 0..1 between its 0.1 and 99.9 percentiles.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    mask : array of bool, shape (height, width), or None
        True where the detector sees; other pixels take no part in the percentiles.

    Returns
    -------
    array, shape (n, height, width), float32
        In 0..1: the few pixels beyond the percentiles come to the ends. A flat pattern comes out as 0.5 everywhere.
    """
    n = len(patterns)
    inside = patterns.reshape(n, -1) if mask is None else patterns[:, mask]
    stretched = np.full(patterns.shape, 0.5, dtype=np.float32)
    for pattern, values, out in zip(patterns, inside, stretched, strict=True):
        dark, bright = (_percentile(values, percentile) for percentile in PERCENTILES) if values.size else (0, 0)
        if bright > dark:
            np.subtract(pattern, dark, out=out)
            out /= bright - dark
            np.clip(out, 0, 1, out=out)
    return stretched


def _percentile(values: NDArray[np.float32], percentile: float) -> np.float32:
    """As `numpy.percentile` with its linear interpolation, to the bit, and many times as fast.

    Parameters
    ----------
    values : array, shape (n,), float32
        n at least 1.
    percentile : float
        0 to 100.
    """
    place = (len(values) - 1) * (percentile / 100)
    below = min(int(place), len(values) - 2)
    if below < 0:
        return values[0]
    sorted_there = np.partition(values, below)
    a, b = sorted_there[below], sorted_there[below + 1 :].min()
    share, apart = np.float64(place - below), b - a
    return np.float32(a + apart * share if share < 0.5 else b - apart * (1 - share))
