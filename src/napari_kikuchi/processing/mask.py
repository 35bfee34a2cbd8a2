"""Which part of the detector sees: found from the patterns themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_screen", "fit_circle"]

# A pixel is dark if it has less than this share of what the smooth background, fitted to the lit ones, has there. The
# shadow of a mask has a third or less, dust on the screen three quarters or more.
_DARK = 0.55
# Smaller dark parts, as a share of all pixels, are taken for dust or dead pixels.
_SMALLEST = 0.002
_ROUNDS = 12

# How far the edge may lie from a circle, in widths: the margin that `find_screen` leaves, which is square.
_ROUND = 0.01
# Share of the edge that has to lie that near a circle.
_ARC = 0.6
# Share of the lit pixels that the circle has to hold; two dark corners alone lie on many circles.
_INSIDE = 0.98


def find_screen(mean: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Find the lit part of a detector on which a mask, or the edge of a round screen, throws a shadow.

    The background of Kikuchi patterns is close to a broad Gaussian, whose logarithm is quadratic. One is fitted to the
    pixels that are not dark, and pixels far below it are dark; this is repeated until it settles.

    Parameters
    ----------
    mean : array, shape (height, width)
        Mean of many patterns, or one pattern; not negative. More patterns see a fainter edge.

    Returns
    -------
    array of bool, shape (height, width), or None
        True where the detector sees, without a margin of one hundredth of the width along the edge, which is
        half in shadow. None where nothing is in shadow, or where the mean is not a positive intensity, so that
        nothing can be said.
    """
    from ..opencv import cv2

    smooth = cv2.medianBlur(np.asarray(mean, dtype=np.float32), 3)
    top = np.percentile(smooth, 99)
    if smooth.min() < 0 or top <= 0:
        return None
    height, width = smooth.shape
    # Kept from the logarithm of nothing; far below what counts as dark.
    logarithm = np.log(np.maximum(smooth, top * 1e-3)).ravel()
    y, x = (grid.ravel() for grid in np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    # The first guess leaves out all that is darker than the median; a screen covers more than half of a detector.
    lit = logarithm >= np.median(logarithm)
    for _ in range(_ROUNDS):
        fit = terms @ np.linalg.lstsq(terms[lit], logarithm[lit], rcond=None)[0]
        # The fit knows nothing of the pedestal under the Gaussian, and falls to nothing in far corners.
        fit = np.maximum(fit, np.percentile(logarithm[lit], 2))
        before, lit = lit, logarithm > fit + np.log(_DARK)
        if np.array_equal(before, lit):
            break
    dark = (~lit).reshape(height, width).astype(np.uint8)
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    if dark.mean() < _SMALLEST or dark.mean() > 0.5:
        return None
    margin = 2 * max(1, round(width / 100)) + 1
    return cv2.dilate(dark, np.ones((margin, margin), np.uint8)) == 0


def fit_circle(screen: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """The circle whose arc parts the lit from the dark.

    By least squares of the algebraic distance (Kåsa, 1976), fitted again without what lies far from it.

    Parameters
    ----------
    screen : array of bool, shape (height, width)
        True where the detector sees, as `find_screen` gives it.

    Returns
    -------
    (x, y, radius) or None
        In pixels from the left and the top edge of the pattern. None if the edge is no arc of a circle.
    """
    from ..opencv import cv2

    lit = screen.astype(np.uint8)
    # Lit pixels beside a dark one; what lies beside the end of the picture is no edge.
    edge = (lit == 1) & (cv2.erode(lit, np.ones((3, 3), np.uint8), borderValue=1) == 0)
    y, x = (places + 0.5 for places in np.nonzero(edge))
    if len(x) < 3:
        return None
    near = max(1.0, _ROUND * screen.shape[1])
    on = np.ones(len(x), dtype=bool)
    for _ in range(_ROUNDS):
        terms = np.stack([x[on], y[on], np.ones(on.sum())], axis=1)
        (a, b, c), _, rank, _ = np.linalg.lstsq(terms, x[on] ** 2 + y[on] ** 2, rcond=None)
        squared = c + a**2 / 4 + b**2 / 4
        if rank < 3 or squared <= 0:
            return None
        off = np.abs(np.hypot(x - a / 2, y - b / 2) - np.sqrt(squared))
        # What stands before the screen bites into the circle: the edge of that is left out of the next fit.
        before, on = on, off <= max(2 * np.median(off), near)
        if np.array_equal(before, on):
            break
    centre, radius = (float(a / 2), float(b / 2)), float(np.sqrt(squared))
    rows, columns = np.nonzero(screen)
    inside = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1]) <= radius + near
    if (off <= near).mean() < _ARC or inside.mean() < _INSIDE:
        return None
    return *centre, radius
