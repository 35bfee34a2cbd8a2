"""What a pattern says in one number, of which the map of a scan is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .quality import image_quality

__all__ = ["MEASURES", "Measure", "Region", "measure", "region_intensity"]

Measure = Literal["image-quality", "mean-intensity", "virtual-backscatter"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

# Fractions that are added up may end beyond 1 by their rounding.
_SLACK = 1e-9


@dataclass(frozen=True)
class Region:
    """A rectangle of the detector, in fractions of its width and height.

    Attributes
    ----------
    x, y : float
        Left and upper edge, 0 to 1, from the upper left corner of the pattern.
    width, height : float
        Above 0; the rectangle may not reach beyond the detector.

    Raises
    ------
    ScanError
        If it is empty or not wholly on the detector.
    """

    x: float = 0.3
    y: float = 0.7
    width: float = 0.4
    height: float = 0.25

    def __post_init__(self) -> None:
        for start, length in ((self.x, self.width), (self.y, self.height)):
            if not (0 <= start < 1 and 0 < length <= 1 - start + _SLACK):
                raise ScanError(
                    f"A region of the detector lies within 0 to 1 and is not empty: x {self.x:g}, y {self.y:g}, "
                    f"width {self.width:g}, height {self.height:g} is not such a one."
                )

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the pixels inside, for patterns of a size: one at least."""
        return _between(self.y, self.height, height), _between(self.x, self.width, width)


def measure(patterns: Any, of: Measure, region: Region) -> NDArray[np.float64]:
    """One number for each pattern.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        Of any integer or floating point type.
    of : "image-quality", "mean-intensity" or "virtual-backscatter"
        Image quality Q (`napari_kikuchi.processing.quality.image_quality`), the mean over the whole detector, or the
        mean over `region`.
    region : Region
        Of a virtual backscatter image; the others do not look at it.

    Returns
    -------
    array, shape (n,), float64
        Means are in the patterns' own levels.

    Raises
    ------
    ScanError
        If there is no such measure.
    """
    if of == "image-quality":
        return image_quality(patterns)
    if of == "mean-intensity":
        return region_intensity(patterns, Region(0, 0, 1, 1))
    if of == "virtual-backscatter":
        return region_intensity(patterns, region)
    raise ScanError(f"There is no map of {of!r}: choose one of {', '.join(MEASURES)}.")


def region_intensity(patterns: Any, region: Region) -> NDArray[np.float64]:
    """Mean intensity in a region of the detector: of all patterns, the image that a detector in its place would see.

    Where on the screen the region lies decides which contrast the image has: orientation, topography or atomic number.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
    region : Region

    Returns
    -------
    array, shape (n,), float64

    References
    ----------
    S. I. Wright, M. M. Nowell, R. de Kloe, P. Camus, T. Rampton, "Electron imaging with an EBSD detector",
    Ultramicroscopy 148 (2015) 132-145.
    """
    rows, columns = region.pixels(*patterns.shape[1:])
    return np.asarray(patterns[:, rows, columns]).mean(axis=(1, 2), dtype=np.float64)


def _between(start: float, length: float, pixels: int) -> slice:
    first = min(round(start * pixels), pixels - 1)
    return slice(first, max(first + 1, round((start + length) * pixels)))
