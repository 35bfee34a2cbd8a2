"""Share of simulated patterns that PyEBSDIndex indexes rightly, raw and denoised, at few electrons per pixel.

    python benchmarks/first_figure.py [--master MASTER.npz] [--model NAME] [--points 300] [--size 120]

Without --master, on the nickel beside this file: ebsdsim 0.2.4, 20 kV, smallest spacing 0.055 nm, half-width 160. Any
other master pattern has to be of a cubic phase that the model was not trained on, as nickel is for the shipped one.
Every pattern has its own random orientation. One setting of the indexer serves all treatments, and its error on clean
patterns is stated first.
"""

from __future__ import annotations

import argparse
import time
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyebsdindex import ebsd_index, tripletvote

from napari_kikuchi.autoencoder.simulation import (
    Detector,
    MasterPattern,
    broad_background,
    expose,
    kikuchi_signal,
    random_rotation,
)

CENTRE, DISTANCE = (0.48, 0.30), 0.62
READ_NOISE = {400.0: 4.0, 60.0: 4.0, 18.0: 3.0, 8.0: 3.0, 4.0: 2.5, 2.0: 2.0}
CUBIC_GROUPS = {225: "FCC", 229: "BCC"}
Patterns = NDArray[np.float32]
Matrices = NDArray[np.float64]


def points(master: MasterPattern, n: int, size: int, seed: int) -> tuple[Matrices, Patterns, Patterns]:
    """Random rotations (detector to crystal), the noise-free signals, and the intensity that they cause.

    The intensity is `bg * (1 + 0.22 * (2 c - 1))`: the signal c between 0 and 1, about 5.6% root mean square.
    """
    random = np.random.default_rng(seed)
    detector = Detector(size, size, CENTRE, DISTANCE)
    background = broad_background((size, size), (0.53, 0.42), 0.45, 0.3)
    rotations = np.stack([random_rotation(random) for _ in range(n)])
    signals = np.stack([kikuchi_signal(master.project(rotation, detector)) for rotation in rotations])
    return rotations, signals, background * (1 + np.float32(0.22) * (2 * signals - 1))


def measured(intensity: Patterns, electrons: float, seed: int) -> Patterns:
    """Patterns as a 16-bit camera stores them: counted, with an offset of four times the read-out noise."""
    random = np.random.default_rng([seed, int(electrons)])
    noise = READ_NOISE[electrons]
    counts = np.stack([expose(pattern, electrons, noise, random) for pattern in intensity]) + 4 * noise
    return (np.clip(np.rint(counts * (65535 / counts.max())), 0, 65535) / 65535).astype(np.float32)


class Judge:
    """PyEBSDIndex with one setting, and the fixed rotation between its frame and ours."""

    def __init__(self, master: MasterPattern, size: int) -> None:
        kind = CUBIC_GROUPS[master.space_group]
        centre = (CENTRE[0], CENTRE[1], DISTANCE)
        self.indexer = ebsd_index.EBSDIndexer(
            phaselist=[tripletvote.addphase(libtype=kind)],
            vendor="BRUKER",
            PC=centre,
            sampleTilt=70.0,
            camElev=0.0,
            nRho=90,
            nTheta=180,
            tSigma=2.0,
            rSigma=2.0,
            rhoMaskFrac=0.1,
            nBands=9,
            patDim=(size, size),
        )
        self.frame: Matrices = np.eye(3)

    def orientations(self, patterns: Patterns) -> tuple[Matrices, NDArray[np.float64]]:
        """Rotation matrices and confidences, shapes (n, 3, 3) and (n,)."""
        data, _ = self.indexer.index_pats(patsin=np.ascontiguousarray(patterns, np.float32))[:2]
        return matrices(data[-1]["quat"]), data[-1]["cm"].astype(np.float64)

    def calibrate(self, truth: Matrices, clean: Patterns) -> None:
        """Find the frame from clean patterns: the one rotation that most of them agree on (then its mean)."""
        found, _ = self.orientations(clean)
        turns = np.einsum("nji,sjk,nkl->nsil", truth, CUBIC, found)
        candidates = turns[:8].reshape(-1, 3, 3)
        agreeing = [np.sum(angles(candidate, turns).min(axis=1) < 2) for candidate in candidates]
        frame = candidates[int(np.argmax(agreeing))]
        for _ in range(2):
            off = angles(frame, turns)
            nearest = turns[np.arange(len(turns)), off.argmin(axis=1)][off.min(axis=1) < 1]
            u, _, v = np.linalg.svd(nearest.sum(axis=0))
            frame = u @ v
        self.frame = frame

    def errors(self, truth: Matrices, patterns: Patterns) -> NDArray[np.float64]:
        """Angle to the true orientation under the crystal's symmetry, degrees, shape (n,)."""
        found, _ = self.orientations(patterns)
        return angles(self.frame, np.einsum("nji,sjk,nkl->nsil", truth, CUBIC, found)).min(axis=1)


def cubic_rotations() -> Matrices:
    """The 24 rotations of a cube, shape (24, 3, 3)."""
    signed = [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    return np.stack([matrix for matrix in signed if np.linalg.det(matrix) > 0])


CUBIC = cubic_rotations()


def matrices(quaternions: NDArray[np.float64]) -> Matrices:
    """Rotation matrices of the indexer's quaternions, which turn sample into crystal coordinates."""
    # Where nothing was found, the indexer gives zeros: any rotation will do, since it is wrong anyway.
    quaternions = np.where(np.any(quaternions != 0, axis=1, keepdims=True), quaternions, [1.0, 0, 0, 0])
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def angles(one: Matrices, many: Matrices) -> NDArray[np.float64]:
    """Angles between rotations, degrees."""
    traces = np.einsum("ij,...ij->...", one, many)
    return np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))


def row(label: str, errors: NDArray[np.float64], note: str = "") -> str:
    """One line of the table: share within 2 and 5 degrees, with its standard error, and the median of the former."""
    right = errors < 2
    spread = 100 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    median = np.median(errors[right]) if right.any() else np.nan
    return f"{label:<24}{100 * right.mean():6.1f} ±{spread:3.1f}{100 * (errors < 5).mean():8.1f}{median:8.2f}  {note}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    nickel = Path(__file__).parent / "nickel.npz"
    parser.add_argument("--master", type=Path, default=nickel, help="master pattern (.npz) of a phase not trained on")
    parser.add_argument("--model", default=None, help="name or path of a model; the shipped default without it")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--size", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--electrons", type=float, nargs="+", default=[400.0, 18.0, 8.0, 4.0])
    options = parser.parse_args()

    from napari_kikuchi.autoencoder.model import DEFAULT_MODEL, load_model

    model: Any = load_model(options.model or DEFAULT_MODEL, trust=True)
    master = MasterPattern.load(options.master)
    truth, clean, intensity = points(master, options.points, options.size, options.seed)
    judge = Judge(master, options.size)
    judge.calibrate(truth, clean)
    print(
        f"{master.name}, {options.points} random orientations, {options.size}x{options.size}; model {model.card.name}"
    )
    print(f"{'':<24}{'<2 deg, %':>11}{'<5, %':>8}{'median':>8}")
    print(row("clean", judge.errors(truth, clean)))
    print(row("clean, denoised", judge.errors(truth, model.predict(clean))))
    for electrons in options.electrons:
        raw = measured(intensity, electrons, options.seed)
        print(row(f"{electrons:g} e, raw", judge.errors(truth, raw)))
        started = time.perf_counter()
        denoised = model.predict(raw)
        speed = len(raw) / (time.perf_counter() - started)
        print(row(f"{electrons:g} e, denoised", judge.errors(truth, denoised), f"{speed:.0f} patterns/s"))


if __name__ == "__main__":
    main()
