"""What a network sees of a pattern: the same code in training and in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..processing.background import dynamic_background
from ..processing.rescale import stretch
from .card import Normalisation

__all__ = ["BACKGROUND_WIDTHS", "CLIP", "normalise", "prepare", "resize", "standardise", "working_size"]

BACKGROUND_WIDTHS = 1 / 8
"""Standard deviation of the background's Gaussian, in widths of a pattern."""

CLIP = 5.0
"""Normalised patterns are cut off at this many standard deviations, so that a hot pixel is only a bright one."""

# A background is divided out where it nowhere falls below this share of the pattern's root mean square. A pattern whose
# background was subtracted before has one around 0, by which nothing can be divided.
_POSITIVE = 0.02


def prepare(
    patterns: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    normalisation: Normalisation,
    size: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Patterns as a network sees them.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    mask : array of bool, shape (height, width), or None
        True where the detector sees something.
    normalisation : {"background", "stretched", "unit"}
        See `card.ModelCard`.
    size : (height, width)
        At which it sees them.

    Returns
    -------
    patterns : array, shape (n, *size), float32
    inside : array of bool, shape size
        The mask at that size.
    """
    inside = np.ones(patterns.shape[1:], bool) if mask is None else mask
    if normalisation == "background":
        patterns = normalise(patterns, mask)
    elif normalisation == "stretched":
        patterns = stretch(patterns, mask)
    if size == patterns.shape[1:]:
        return patterns, inside
    patterns = np.stack([resize(pattern, size) for pattern in patterns])
    inside = resize(inside.astype(np.float32), size) > 0.5
    if normalisation == "background" and inside.any():
        # Averaging and interpolating both smooth the noise.
        patterns = standardise(patterns, inside)
    return patterns, inside


def working_size(size: tuple[int, int], sides: tuple[int, int]) -> tuple[int, int]:
    """Size at which a network sees patterns that are larger or smaller than those it knows: changed by a whole factor.

    Parameters
    ----------
    size : (height, width)
        Of the patterns, pixels.
    sides : (smallest, largest)
        Longer side of the patterns that the network knows.
    """
    (height, width), (smallest, largest) = size, sides
    longer = max(height, width, 1)
    if longer < smallest:
        factor = -(-smallest // longer)
        return height * factor, width * factor
    factor = -(-longer // largest)
    return -(-height // factor), -(-width // factor)


def resize(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """An image at another size (height, width): averaged on the way down, interpolated on the way up."""
    from ..opencv import cv2

    shrinks = size[0] < image.shape[0] or size[1] < image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=how), dtype=np.float32)


def normalise(
    patterns: NDArray[np.float32],
    mask: NDArray[np.bool_] | None = None,
    size: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    """Remove the background of each pattern inside the mask, and bring it to zero mean and unit contrast.

    The background (Gaussian, an eighth of the width) is divided out. Where it is not clearly positive, as in
    patterns from which a background was subtracted already, it is subtracted instead.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
        In any unit; values may be negative.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something.
    size : (height, width), optional
        Size of the detector, where `patterns` are windows of a larger one.

    Returns
    -------
    array, shape (n, height, width), float32
        In standard deviations, cut off at +-5; 0 outside the mask, and everywhere in a pattern without contrast.
    """
    patterns = np.asarray(patterns, dtype=np.float32)
    result = np.zeros_like(patterns)
    if mask is not None and not mask.any():
        return result
    sigma = (patterns.shape[2] if size is None else size[1]) * BACKGROUND_WIDTHS
    # One by one, so that all that is made of a pattern on the way stays in the processor's cache.
    for pattern, out in zip(patterns, result, strict=True):
        out[...] = _without_background(pattern, sigma, mask)
        _standardise_one(out, mask)
    return result


def _without_background(
    pattern: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    from ..opencv import cv2

    seen = None if mask is None else mask.view(np.uint8)
    count = pattern.size if mask is None else np.count_nonzero(mask)
    # OpenCV adds up in float64, so that what a pattern becomes hangs on the pattern alone.
    scale = cv2.norm(pattern, cv2.NORM_L2, mask=seen) / count**0.5
    scaled = pattern * np.float32(1 / scale) if scale > 0 else pattern
    background = dynamic_background(scaled[None], sigma, mask)[0]
    if cv2.minMaxLoc(background, mask=seen)[0] > _POSITIVE:
        return scaled / np.maximum(background, _POSITIVE, out=background)
    return scaled - background


def standardise(patterns: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bring patterns to zero mean and unit contrast inside the mask, cut off at +-5, and to 0 outside.

    Parameters
    ----------
    patterns : array, shape (n, height, width), float32
    inside : array of bool, shape (height, width)
        Not empty.
    """
    result = np.array(patterns, dtype=np.float32)
    for pattern in result:
        _standardise_one(pattern, inside)
    return result


def _standardise_one(pattern: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> None:
    """The same in place, for one pattern."""
    from ..opencv import cv2

    seen = None if mask is None else mask.view(np.uint8)
    # Twice: what the first pass cuts off, hot pixels, no longer counts in the contrast of the second.
    for _ in range(2):
        (mean,), (deviation,) = (found[0] for found in cv2.meanStdDev(pattern, mask=seen))
        if deviation < 1e-6:
            pattern[...] = 0
            return
        pattern -= np.float32(mean)
        pattern *= np.float32(1 / deviation)
        np.clip(pattern, -CLIP, CLIP, out=pattern)
    if mask is not None:
        pattern[~mask] = 0
