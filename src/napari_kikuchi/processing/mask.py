"""Which part of the detector sees: found from the patterns themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_screen"]

# A pixel is dark if it has less than this share of what the smooth background, fitted to the lit ones, has there. The
# shadow of a mask has a third or less, dust on the screen three quarters or more.
_DARK = 0.55
# Smaller dark parts, as a share of all pixels, are taken for dust or dead pixels.
_SMALLEST = 0.002
_ROUNDS = 12


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
