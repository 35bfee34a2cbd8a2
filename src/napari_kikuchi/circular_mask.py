"""The detector mask of a recipe: the circle of a round screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .learning import screen_of
from .scan import Scan, ScanError
from .step import parameter

__all__ = ["CircularMask", "find_mask"]


@dataclass(frozen=True)
class CircularMask:
    """The circle of the detector's screen; pixels outside take no part and come out as they went in.

    Attributes
    ----------
    x, y : float
        Centre, in widths from the left edge and heights from the top edge.
    radius : float
        In widths.

    Raises
    ------
    ScanError
        If the radius is not positive.
    """

    x: float = parameter(
        0.5,
        label="Centre x",
        unit="widths",
        min=-1.0,
        max=2.0,
        step=0.005,
        help="Centre of the screen's circle, in widths of the pattern from its left edge.",
    )
    y: float = parameter(
        0.5,
        label="Centre y",
        unit="heights",
        min=-1.0,
        max=2.0,
        step=0.005,
        help="Centre of the screen's circle, in heights of the pattern from its top edge.",
    )
    radius: float = parameter(
        0.5,
        label="Radius",
        unit="widths",
        min=0.01,
        max=3.0,
        step=0.005,
        help="Radius of the circle, in widths: pixels outside take no part, and come out as they went in.",
    )

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ScanError(f"The radius of a circular mask is {self.radius}, where a positive number was expected.")

    def inside(self, height: int, width: int) -> NDArray[np.bool_]:
        """True for the pixels whose centre the circle holds, shape (height, width).

        Raises
        ------
        ScanError
            If that is none.
        """
        rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
        apart = (columns - self.x * width) ** 2 + ((rows - self.y * height) ** 2)[:, None]
        inside: NDArray[np.bool_] = apart <= (self.radius * width) ** 2
        if not inside.any():
            raise ScanError(f"The mask {self} holds no pixel of a pattern of {height}x{width}.")
        return inside


def find_mask(scan: Scan) -> CircularMask:
    """The mask for the shadow around a round screen, as the mean of up to 100 patterns shows it.

    Raises
    ------
    ScanError
        If nothing lies in shadow, or what does is not what is left around a circle.
    """
    from .processing.mask import fit_circle

    screen = screen_of(scan)
    if screen is None:
        raise ScanError("The mean of the patterns shows no shadow around the screen: no mask is needed.")
    circle = fit_circle(screen)
    if circle is None:
        raise ScanError(
            "The lit part of the detector is not a circle: set the mask by hand. Networks find and leave out such a "
            "shadow by themselves."
        )
    x, y, radius = circle
    return CircularMask(round(x / scan.width, 3), round(y / scan.height, 3), round(radius / scan.width, 3))
