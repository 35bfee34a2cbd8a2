"""The judge: PyEBSDIndex with one setting for every treatment, and the angle to the true orientation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyebsdindex import ebsd_index, tripletvote
from scipy.spatial.transform import Rotation

from napari_kikuchi.autoencoder.projection import MasterPattern
from simulated import CENTRE, DISTANCE, Matrices, random_points

# Reflectors by lattice type, and the rotations that a crystal of this space group does not notice.
LATTICES = {225: ("FCC", "O"), 229: ("BCC", "O"), 194: ("HCP", "D6")}
CALIBRATION_POINTS, CALIBRATION_SEED = 150, 101


@dataclass(frozen=True)
class Indexed:
    """What the indexer made of patterns.

    Attributes
    ----------
    errors : array, shape (n,)
        Angle to the true orientation under the crystal's symmetry, degrees.
    confidences : array, shape (n,)
        The indexer's confidence, 0 to 1.
    """

    errors: NDArray[np.float64]
    confidences: NDArray[np.float64]


def make_indexer(phase: Any, size: int, centre: tuple[float, ...], bands: int = 9) -> Any:
    """PyEBSDIndex with the one setting that all is judged with.

    Parameters
    ----------
    phase
        As PyEBSDIndex makes it.
    size : int
        Height and width of the patterns, pixels.
    centre : (x, y, distance)
        Pattern centre in Bruker's convention.
    bands : int
        How many to look for.
    """
    return ebsd_index.EBSDIndexer(
        phaselist=[phase],
        vendor="BRUKER",
        PC=centre,
        sampleTilt=70.0,
        camElev=0.0,
        nRho=90,
        nTheta=180,
        tSigma=2.0,
        rSigma=2.0,
        rhoMaskFrac=0.1,
        nBands=bands,
        patDim=(size, size),
    )


def orientation_matrices(quaternions: NDArray[Any]) -> Matrices:
    """The indexer's quaternions as rotations, shape (n, 3, 3).

    Where nothing was found, it gives zeros: any rotation will do, since it is wrong anyway.
    """
    quaternions = np.where(np.any(quaternions != 0, axis=1, keepdims=True), quaternions, [1.0, 0, 0, 0])
    return np.asarray(Rotation.from_quat(quaternions, scalar_first=True).as_matrix())


class Judge:
    """PyEBSDIndex for one phase and size of patterns, calibrated on clean ones.

    Parameters
    ----------
    master : MasterPattern
        Of space group 194, 225 or 229.
    size : int
        Height and width of the patterns, pixels.

    Attributes
    ----------
    clean_error : float
        Median error on patterns without background and noise, degrees.
    """

    def __init__(self, master: MasterPattern, size: int) -> None:
        lattice, group = LATTICES[master.space_group]
        a, c = master.lattice
        gamma = 120.0 if lattice == "HCP" else 90.0
        self.symmetry: Matrices = Rotation.create_group(group).as_matrix()
        phase = tripletvote.addphase(libtype=lattice, latticeparameter=[a, a, c, 90.0, 90.0, gamma])
        self.indexer = make_indexer(phase, size, (*CENTRE, DISTANCE))
        self.clean_error = self._calibrate(master, size)

    def index(self, patterns: NDArray[Any], truth: Matrices) -> Indexed:
        """Index patterns whose true rotations, detector to crystal, are known.

        Parameters
        ----------
        patterns : array, shape (n, height, width)
        truth : array, shape (n, 3, 3)
        """
        found, confidences = self._orientations(patterns)
        return Indexed(angles(self.frame, self._turns(truth, self.axes @ found)).min(axis=1), confidences)

    def _orientations(self, patterns: NDArray[Any]) -> tuple[Matrices, NDArray[np.float64]]:
        data = self.indexer.index_pats(patsin=np.ascontiguousarray(patterns, np.float32))[0][-1]
        return orientation_matrices(data["quat"]), data["cm"].astype(np.float64)

    def _turns(self, truth: Matrices, found: Matrices) -> Matrices:
        """From the indexer's frame to ours, as each pattern has it for each of the crystal's rotations."""
        return np.einsum("nji,sjk,nkl->nsil", truth, self.symmetry, found, optimize=True)

    def _calibrate(self, master: MasterPattern, size: int) -> float:
        """Find the fixed rotation between the indexer's frame and ours, and how each lays its axes into the crystal.

        The x axis of a hexagonal crystal runs along a or across it, as one likes. The frame is the one rotation that
        most clean patterns agree on, and then the mean of those.
        """
        clean = random_points(master, CALIBRATION_POINTS, size, CALIBRATION_SEED)
        found, _ = self._orientations(clean.signals)
        best = -1
        for axes in Rotation.from_euler("z", [[0.0], [30.0]], degrees=True).as_matrix():
            turns = self._turns(clean.rotations, axes @ found)
            candidates = turns[:8].reshape(-1, 3, 3)
            agreeing = [int(np.sum(angles(candidate, turns).min(axis=1) < 2)) for candidate in candidates]
            if max(agreeing) > best:
                best, self.axes, self.frame = max(agreeing), axes, candidates[int(np.argmax(agreeing))]
        turns = self._turns(clean.rotations, self.axes @ found)
        for _ in range(2):
            off = angles(self.frame, turns)
            nearest = turns[np.arange(len(turns)), off.argmin(axis=1)][off.min(axis=1) < 1]
            self.frame = Rotation.from_matrix(nearest).mean().as_matrix()
        return float(np.median(angles(self.frame, turns).min(axis=1)))


def angles(one: Matrices, many: Matrices) -> NDArray[np.float64]:
    """Angles between one rotation, shape (3, 3), and many, shape (..., 3, 3), degrees."""
    traces = np.einsum("ij,...ij->...", one, many)
    return np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
