"""Dynamical master patterns, and what a detector sees of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .structures import Site

__all__ = ["Detector", "MasterPattern", "random_rotation"]


@dataclass(frozen=True)
class Detector:
    """A flat screen in front of the sample.

    Attributes
    ----------
    height, width : int
        Size, pixels.
    centre : (x, y)
        Pattern centre: x from the left in widths, y from the top in heights.
    distance : float
        From the sample, in heights of the detector (Bruker's convention).
    """

    height: int
    width: int
    centre: tuple[float, float] = (0.5, 0.3)
    distance: float = 0.6

    def directions(self, window: tuple[slice, slice] | None = None) -> NDArray[np.float32]:
        """Unit vectors from the sample to the pixels: x to the right, y up, z towards the detector.

        Parameters
        ----------
        window : (rows, columns) as slices, optional
            The part of the detector wanted; may reach beyond its edge. Without it, all of it.

        Returns
        -------
        array, shape (3, height, width), float32
        """
        rows, columns = window or (slice(0, self.height), slice(0, self.width))
        x = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - self.centre[0] * self.width)
        y = np.float32(self.centre[1] * self.height - 0.5) - np.arange(rows.start, rows.stop, dtype=np.float32)
        vectors = np.empty((3, y.size, x.size), np.float32)
        vectors[0], vectors[1], vectors[2] = x[None, :], y[:, None], np.float32(self.distance * self.height)
        return vectors / np.sqrt(np.square(vectors).sum(axis=0))


@dataclass(frozen=True)
class MasterPattern:
    """Kikuchi intensity in every direction of a crystal.

    Attributes
    ----------
    name : str
        Of the file, without its ending.
    hemispheres : array, shape (1 or 2, side, side), float32, in 0..1
        Square equal-area (Lambert, Roşca 2010) projection of the northern and, for crystals without inversion
        symmetry, the southern hemisphere; z through the centre, x along the columns, y along the rows.
    space_group : int
        Number in the International Tables.
    lattice : (a, c)
        In ångström.
    voltage : float, optional
        Of the beam, kV.
    sites : tuple of Site
        The atoms, where they are known.
    """

    name: str
    hemispheres: NDArray[np.float32] = field(repr=False)
    space_group: int
    lattice: tuple[float, float]
    voltage: float | None = None
    sites: tuple[Site, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> MasterPattern:
        """Read a master pattern.

        Parameters
        ----------
        path : path to an `.npz` file, or to an EBSD master pattern of EMsoft (`.h5`)
            What is in them is told in `master_patterns.read_master_pattern`.

        Raises
        ------
        ScanError
            If the file is missing or holds something else.
        """
        from .master_patterns import read_master_pattern

        return read_master_pattern(Path(path))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write an `.npz` file that `load` reads, with 16 bits a pixel.

        Parameters
        ----------
        path : path to a file
            It appears under this name only when it is whole.
        overwrite : bool
            Replace an existing file.

        Raises
        ------
        ScanError
            If the name is taken, or the file cannot be written.
        """
        from .master_patterns import write_master_pattern

        write_master_pattern(self, Path(path), overwrite)

    def intensity(self, directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Intensity in given directions, interpolated linearly.

        Parameters
        ----------
        directions : array, shape (3, height, width), float32
            Unit vectors in the crystal's Cartesian frame.

        Returns
        -------
        array, shape (height, width), float32, in 0..1
        """
        from ..opencv import cv2

        side = self.hemispheres.shape[1]
        column, row = _lambert_square(directions)
        half = np.float32((side - 1) / 2)
        column, row = (column + 1) * half, (row + 1) * half
        seen = cv2.remap(self.hemispheres[0], column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if len(self.hemispheres) == 2:
            south = cv2.remap(self.hemispheres[1], column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            seen = np.where(directions[2] < 0, south, seen)
        return np.asarray(seen, dtype=np.float32)

    def project(
        self, rotation: NDArray[np.float64], detector: Detector, window: tuple[slice, slice] | None = None
    ) -> NDArray[np.float32]:
        """The noise-free pattern on a detector.

        Parameters
        ----------
        rotation : array, shape (3, 3)
            Turns the detector's frame into the crystal's.
        detector : Detector
        window : (rows, columns) as slices, optional
            The part of the detector wanted.

        Returns
        -------
        array, shape (height, width), float32, in 0..1
        """
        directions = detector.directions(window)
        turned = (rotation.astype(np.float32) @ directions.reshape(3, -1)).reshape(directions.shape)
        if len(self.hemispheres) == 1:
            # Inversion symmetry: the southern hemisphere is the northern one seen through the origin.
            turned *= np.where(turned[2] < 0, np.float32(-1), np.float32(1))
        return self.intensity(turned)


def _lambert_square(directions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Place of directions in the square equal-area projection of their hemisphere, each coordinate in -1..1.

    Roşca, "New uniform grids on the sphere", Astronomy & Astrophysics 520, A63 (2010), equation 10.
    """
    x, y = directions[0], directions[1]
    radius = np.sqrt(np.maximum(1 - np.abs(directions[2]), 0))
    wide = np.abs(x) >= np.abs(y)
    major, minor = np.where(wide, x, y), np.where(wide, y, x)
    along = np.copysign(radius, major)
    ratio = minor / np.where(major == 0, 1, major)
    across = along * np.arctan(ratio) * np.float32(4 / np.pi)
    return np.where(wide, along, across), np.where(wide, across, along)


def random_rotation(random: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix, uniform over all orientations (from a normalised Gaussian quaternion)."""
    w, x, y, z = (q := random.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
