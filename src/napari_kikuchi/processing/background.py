"""Backgrounds of Kikuchi patterns: estimated, and divided out or subtracted.

Everything here takes and returns arrays, works on each pattern by itself, and leaves masked-out pixels alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .rescale import from_levels

__all__ = [
    "Operation",
    "as_background",
    "as_block",
    "check_size",
    "dynamic_background",
    "remove_dynamic_background",
    "remove_static_background",
    "static_background",
]

Operation = Literal["divide", "subtract"]

# A Gaussian wider than this is applied to a smaller copy of the pattern: the copy then still has at least four pixels
# per sigma, so that what is lost lies far below the counting noise, and time no longer grows with sigma.
_FINE_SIGMA = 8.0
# Below this share of the mean, a divisor is taken to be no background but an unlit part of the detector.
_DARK = 0.02


def dynamic_background(
    patterns: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Blur each pattern with a Gaussian: what is left is its background.

    Inside a mask the convolution is normalised (Knutsson and Westin, 1993): the blurred pattern is divided by the
    blurred mask, so that masked-out pixels take no part. At the rim of a pattern without a mask the pattern is
    continued by reflection.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
        Patterns in any unit.
    sigma : float
        Standard deviation of the Gaussian, pixels, above 0. An eighth of the width is usual.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something. Without it, everywhere.

    Returns
    -------
    array, shape (n, height, width), float32
        The background; 0 at pixels so far outside the mask that nothing reaches them.

    Raises
    ------
    ScanError
        If sigma is not above 0, or the shapes do not fit.
    """
    patterns = as_block(patterns, mask)
    if not sigma > 0:
        raise ScanError(f"The dynamic background needs a sigma above 0 pixels, not {sigma}.")
    if mask is None:
        return np.stack([_blur(pattern, sigma) for pattern in patterns]) if len(patterns) else patterns.copy()
    seen = mask.astype(np.float32)
    weight = _blur(seen, sigma)
    reached = weight > 1e-4
    weight = np.where(reached, weight, 1).astype(np.float32)
    background = np.empty_like(patterns)
    for pattern, out in zip(patterns, background, strict=True):
        out[...] = np.where(reached, _blur(pattern * seen, sigma) / weight, 0)
    return background


def remove_dynamic_background(
    patterns: NDArray[np.float32],
    sigma: float,
    operation: Operation = "divide",
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Divide each pattern by its own Gaussian background, or subtract it.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    sigma : float
        Standard deviation of the Gaussian, pixels, above 0.
    operation : {"divide", "subtract"}
        Dividing undoes a background that scales the Kikuchi signal, as that of the screen and the scattering do; the
        result lies around 1. Subtracting leaves values around 0.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something; other pixels come back unchanged.

    Returns
    -------
    array, shape (n, height, width), float32

    Raises
    ------
    ScanError
        If sigma or the operation is not one of these, or the shapes do not fit.
    """
    patterns = as_block(patterns, mask)
    return _apply(patterns, dynamic_background(patterns, sigma, mask), operation, mask)


def static_background(patterns: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The background common to a scan: the mean of patterns sampled from it.

    Parameters
    ----------
    patterns : iterable of arrays, each of shape (height, width)
        A sample from many grains, so that their bands average out; or an array, shape (n, height, width). They are
        summed one by one in float64, so that not all of them have to be in memory.

    Returns
    -------
    array, shape (height, width), float32

    Raises
    ------
    ScanError
        If there is no pattern.
    """
    total: NDArray[np.float64] = np.zeros((), dtype=np.float64)
    n = 0
    for pattern in patterns:
        total = total + pattern
        n += 1
    if not n:
        raise ScanError("A static background is the mean of patterns, and none were given.")
    return np.asarray(total / n, dtype=np.float32)


def as_background(background: NDArray[Any]) -> NDArray[np.float32]:
    """A user's own background in the unit of patterns: fractions of the full range.

    Parameters
    ----------
    background : array, shape (height, width)
        Of an unsigned integer type, whose maximum is the full range, or floating point in 0..1.

    Returns
    -------
    array, shape (height, width), float32
        In 0..1.

    Raises
    ------
    ScanError
        If it is no image of such values.
    """
    image = np.asarray(background)
    if image.ndim != 2 or image.size == 0 or image.dtype.kind not in "uf":
        raise ScanError(
            "A static background is an image (height, width) of unsigned integers or floating point numbers, not an "
            f"array of shape {image.shape} and type {image.dtype}."
        )
    floats = from_levels(image)
    low, high = float(floats.min()), float(floats.max())
    if not (low >= 0 and high <= 1):
        raise ScanError(
            "A floating point background holds fractions of the pixel type's full range, 0 to 1; this one goes from "
            f"{low:g} to {high:g}: divide it by 255 for 8-bit patterns, by 65535 for 16-bit ones."
        )
    return floats


def check_size(background: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuse a background that is not of the patterns' shape (height, width).

    Raises
    ------
    ScanError
        If it is of another one.
    """
    if background.shape != shape:
        raise ScanError(
            f"The static background is {_size(background.shape)} and the patterns are {_size(shape)} pixels; "
            "give a background of the patterns' size."
        )


def remove_static_background(
    patterns: NDArray[np.float32],
    background: NDArray[np.float32],
    operation: Operation = "divide",
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Divide patterns by one background, or subtract it.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    background : array, shape (height, width)
        In the patterns' unit.
    operation : {"divide", "subtract"}
        As in `remove_dynamic_background`.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something; other pixels come back unchanged.

    Returns
    -------
    array, shape (n, height, width), float32

    Raises
    ------
    ScanError
        If the operation is unknown, or the shapes do not fit.
    """
    patterns = as_block(patterns, mask)
    check_size(background, patterns.shape[1:])
    return _apply(patterns, background.astype(np.float32)[None], operation, mask)


def _apply(
    patterns: NDArray[np.float32],
    background: NDArray[np.float32],
    operation: str,
    mask: NDArray[np.bool_] | None,
) -> NDArray[np.float32]:
    if operation == "subtract":
        result = patterns - background
    elif operation == "divide":
        result = patterns / _divisor(background, mask)
    else:
        raise ScanError(f"A background is removed by 'divide' or 'subtract', not by {operation!r}.")
    return result if mask is None else np.where(mask, result, patterns)


def _divisor(background: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The background, kept from 0 so that an unlit corner becomes dark and not infinitely bright."""
    # In C order, since otherwise the order of the sums, and so their last bits, would depend on the number of patterns.
    inside = background if mask is None else np.ascontiguousarray(background[:, mask])
    level = np.abs(inside).reshape(len(background), -1).mean(axis=1, dtype=np.float64) if inside.size else 0
    floor = np.maximum(np.broadcast_to(level, len(background)) * _DARK, np.finfo(np.float32).tiny)
    return np.maximum(background, floor[:, None, None].astype(np.float32))


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    from ..opencv import cv2

    height, width = image.shape
    factor = min(int(sigma / (_FINE_SIGMA / 2)), min(height, width) // 8) if sigma > _FINE_SIGMA else 1
    if factor <= 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)
    small_size = (-(-width // factor), -(-height // factor))
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    sigmas = sigma * small_size[0] / width, sigma * small_size[1] / height
    # Averaging over the coarse pixels and interpolating between them each blur a little themselves.
    narrowed = [float(np.sqrt(max(s * s - 1 / 12 - 1 / 6, 0.25))) for s in sigmas]
    blurred = cv2.GaussianBlur(small, (0, 0), narrowed[0], sigmaY=narrowed[1], borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def as_block(patterns: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The patterns as float32, once they and the mask are of shapes that fit.

    Parameters
    ----------
    patterns : array, shape (n, height, width)
    mask : array of bool, shape (height, width), or None

    Raises
    ------
    ScanError
        If they are of other shapes.
    """
    patterns = np.asarray(patterns, dtype=np.float32)
    if patterns.ndim != 3:
        raise ScanError(f"Patterns come as (n, height, width), not as an array of shape {patterns.shape}.")
    if mask is not None and mask.shape != patterns.shape[1:]:
        raise ScanError(
            f"The mask is {_size(mask.shape)} and the patterns are {_size(patterns.shape[1:])} pixels; "
            "give a mask of the patterns' size."
        )
    return patterns


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(extent) for extent in shape)
