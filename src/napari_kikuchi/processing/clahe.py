"""Contrast-limited adaptive histogram equalisation (CLAHE) of Kikuchi patterns.

Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV (1994), 474-485, in the form that
OpenCV gives it (`cv2.createCLAHE`): the image, mirrored at its edges until the tiles divide it, gets one equalising
curve per tile, and each pixel follows the curves of the four nearest tile centres, weighted bilinearly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rescale import stretch

__all__ = ["clahe"]

LEVELS = 256


def clahe(
    patterns: NDArray[Any],
    clip_limit: float = 3.0,
    tiles: tuple[int, int] = (8, 8),
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Equalise each pattern's histogram tile by tile, with limited contrast.

    Patterns that lie on the 256 levels of an 8-bit file are equalised by OpenCV itself, to the bit. Deeper ones are
    stretched (`rescale.stretch`) and equalised with the same curves, taken on 256 levels but followed in between, so
    that they keep their depth: OpenCV would take 65,536 bins for a tile of a few hundred pixels, which is slow and
    empties the clip limit of its meaning.

    Parameters
    ----------
    patterns : array, shape (n, height, width)
        uint8, or floating point.
    clip_limit : float
        Highest count of a histogram bin, in multiples of the mean count; above it the excess is spread over all bins.
        1 leaves a pattern almost as it is, 40 equalises almost without limit.
    tiles : (int, int)
        Rows and columns of tiles.
    mask : array of bool, shape (height, width), or None
        True where the detector sees. Other pixels take no part and come out as they went in.

    Returns
    -------
    array, shape (n, height, width)
        Of the type that came in; floating point patterns in 0..1.
    """
    if patterns.dtype == np.uint8 and mask is None:
        return _opencv(patterns, clip_limit, tiles)
    if patterns.dtype == np.uint8:
        floats = clahe((patterns / np.float32(255)).astype(np.float32), clip_limit, tiles, mask)
        return np.rint(floats * 255).astype(np.uint8)
    equalised = np.empty(patterns.shape, dtype=np.float32)
    for i, pattern in enumerate(patterns):
        equalised[i] = _one(np.asarray(pattern, dtype=np.float32), clip_limit, tiles, mask)
    return equalised


def _one(
    pattern: NDArray[np.float32], clip_limit: float, tiles: tuple[int, int], mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    levels = _as_levels(pattern)
    if levels is not None and mask is None:
        return _opencv(levels[None], clip_limit, tiles)[0] / np.float32(LEVELS - 1)
    stretched = pattern if levels is not None else stretch(pattern[None], mask)[0]
    equalised = _equalise(stretched * np.float32(LEVELS - 1), clip_limit, tiles, mask) / np.float32(LEVELS - 1)
    return equalised if mask is None else np.where(mask, equalised, pattern)


def _as_levels(pattern: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """The pattern's 8-bit levels if it has no others, else None."""
    scaled = pattern * np.float32(LEVELS - 1)
    levels = np.rint(scaled)
    if np.abs(scaled - levels).max() > 1e-3 or levels.min() < 0 or levels.max() > LEVELS - 1:
        return None
    return levels.astype(np.uint8)


def _opencv(patterns: NDArray[np.uint8], clip_limit: float, tiles: tuple[int, int]) -> NDArray[np.uint8]:
    from ..opencv import cv2

    equaliser = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(tiles[1], tiles[0]))
    equalised = np.empty_like(patterns, order="C")
    for pattern, out in zip(np.ascontiguousarray(patterns), equalised, strict=True):
        equaliser.apply(pattern, out)
    return equalised


def _equalise(
    levels: NDArray[np.float32], clip_limit: float, tiles: tuple[int, int], mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Follow the tiles' curves at fractional levels: (height, width) float32 in 0..255, in and out."""
    curves = _curves(levels, clip_limit, tiles, mask)
    corners, weights = _neighbouring_tiles(levels.shape, tiles)
    floor = np.minimum(levels.astype(np.int32), LEVELS - 2)
    fraction = levels - floor
    flat = curves.ravel()
    equalised = np.zeros(levels.shape, dtype=np.float32)
    for corner, weight in zip(corners, weights, strict=True):
        at = corner * LEVELS + floor
        below = flat[at]
        equalised += weight * (below + fraction * (flat[at + 1] - below))
    return equalised


def _curves(
    levels: NDArray[np.float32], clip_limit: float, tiles: tuple[int, int], mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Equalising curve of each tile, shape (tile rows * tile columns, 256), float32 in 0..255."""
    padded = _padded_shape((levels.shape[0], levels.shape[1]), tiles)
    mirror = [(0, new - old) for new, old in zip(padded, levels.shape, strict=True)]
    rounded = np.pad(np.rint(levels).astype(np.int32), mirror, mode="reflect")
    n_tiles = tiles[0] * tiles[1]
    tile_row, tile_column = (np.arange(size) // (size // count) for size, count in zip(padded, tiles, strict=True))
    tile = tile_row[:, None] * tiles[1] + tile_column
    inside = slice(None) if mask is None else np.pad(mask, mirror, mode="reflect").ravel()
    bins = (tile * LEVELS + rounded).ravel()[inside]
    histograms = np.bincount(bins, minlength=n_tiles * LEVELS).reshape(n_tiles, LEVELS)
    area = histograms.sum(axis=1, keepdims=True)
    curves = np.cumsum(_clip(histograms, area, clip_limit), axis=1) * ((LEVELS - 1) / np.maximum(area, 1))
    empty = area[:, 0] == 0
    if empty.any():  # tiles wholly behind the mask lend no curve of their own to their neighbours
        curves[empty] = curves[~empty].mean(axis=0)
    return curves.astype(np.float32)


def _clip(histograms: NDArray[np.int64], area: NDArray[np.int64], clip_limit: float) -> NDArray[np.int64]:
    """Cut each histogram, shape (tiles, 256), at the limit and give the excess to all its bins.

    In whole counts, as OpenCV does: what does not go round once more is given out at equal intervals, from the darkest
    level upwards. On tiles of a few hundred pixels that is most of the excess, so doing it otherwise would make deep
    patterns look unlike 8-bit ones.
    """
    limit = np.maximum((clip_limit * area / LEVELS).astype(np.int64), 1)
    clipped = np.minimum(histograms, limit)
    each, left = np.divmod(area - clipped.sum(axis=1, keepdims=True), LEVELS)
    interval = np.maximum(LEVELS // np.maximum(left, 1), 1)
    level = np.arange(LEVELS)
    return clipped + each + ((level % interval == 0) & (level // interval < left))


@lru_cache(maxsize=8)
def _neighbouring_tiles(
    shape: tuple[int, int], tiles: tuple[int, int]
) -> tuple[tuple[NDArray[np.int64], ...], tuple[NDArray[np.float32], ...]]:
    """For each pixel the four nearest tiles' numbers and their bilinear weights, each (height, width)."""
    padded = _padded_shape(shape, tiles)
    along = [_along(*sizes) for sizes in zip(shape, padded, tiles, strict=True)]
    lower, upper, share = zip(*along, strict=True)
    corners, weights = [], []
    for row, row_weight in ((lower[0], 1 - share[0]), (upper[0], share[0])):
        for column, column_weight in ((lower[1], 1 - share[1]), (upper[1], share[1])):
            corners.append(row[:, None] * tiles[1] + column)
            weights.append((row_weight[:, None] * column_weight).astype(np.float32))
    return tuple(corners), tuple(weights)


def _along(size: int, padded: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Along one axis: the tile before, the tile after, and the share of the latter, each (size,)."""
    centre = np.arange(size) * (count / padded) - 0.5
    before = np.floor(centre).astype(np.int64)
    return np.clip(before, 0, count - 1), np.clip(before + 1, 0, count - 1), centre - before


def _padded_shape(shape: tuple[int, int], tiles: tuple[int, int]) -> tuple[int, int]:
    """The size that OpenCV mirrors an image to: where one axis is not divisible, the other grows too, even if it is."""
    if shape[0] % tiles[0] == 0 and shape[1] % tiles[1] == 0:
        return shape
    return shape[0] + tiles[0] - shape[0] % tiles[0], shape[1] + tiles[1] - shape[1] % tiles[1]
