"""Simulated EBSD data whose truth is known: random points, a map of grains, and patterns of nothing.

All are projected from a dynamical master pattern on one detector, and measured by a camera of few electrons. Seeds are
fixed, so that every treatment and every run sees the same patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.projection import Detector, MasterPattern, random_rotation
from napari_kikuchi.autoencoder.simulation import broad_background, expose, kikuchi_signal

CENTRE, DISTANCE = (0.48, 0.30), 0.62
# Standard deviation of the read-out, electrons, at each mean number of electrons a pixel.
READ_NOISE = {400.0: 4.0, 60.0: 4.0, 18.0: 3.0, 8.0: 3.0, 4.0: 2.5, 2.0: 2.0}
# With a signal between 0 and 1, this makes bands of 5.6% root mean square.
CONTRAST = np.float32(0.22)
SEED = 7
Matrices = NDArray[np.float64]
Patterns = NDArray[np.float32]
Pixels = NDArray[np.uint16]


@dataclass(frozen=True)
class Dataset:
    """Patterns before the camera, and the truth about them.

    Attributes
    ----------
    rotations : array, shape (n, 3, 3)
        From the detector's frame to the crystal's.
    grains : array of int, shape (n,)
        Number of the grain that each point belongs to.
    signals : array, shape (n, height, width), float32, in 0..1
        The bands without background and noise.
    background : array, shape (height, width), float32
        What all patterns have below their bands.
    intensity : array, shape (n, height, width), float32
        What reaches the camera: `bg * (1 + 0.22 * (2 c - 1))` with the signal c and the background bg.
    grid : Grid or None
        The map, if the points lie on one.
    """

    rotations: Matrices
    grains: NDArray[np.int64]
    signals: Patterns
    background: Patterns
    intensity: Patterns
    grid: nk.Grid | None


def random_points(master: MasterPattern, n: int, size: int, seed: int = SEED) -> Dataset:
    """Points that know nothing of each other, each its own grain in a random orientation.

    Parameters
    ----------
    master : MasterPattern
    n : int
        Number of points.
    size : int
        Height and width of the patterns, pixels.
    seed : int
    """
    random = np.random.default_rng(seed)
    rotations = np.stack([random_rotation(random) for _ in range(n)])
    return _dataset(rotations, np.arange(n), _signals(master, rotations, size), None)


def grain_map(master: MasterPattern, size: int, side: int = 40, grains: int = 105, seed: int = SEED) -> Dataset:
    """A square map of grains, each with a smooth orientation gradient, and some with a subgrain boundary.

    Across a grain the orientation turns by 0.5 to 1.5 degrees about one axis. Three grains in ten have a subgrain
    boundary, a straight line at which the orientation steps by 0.5 to 2 degrees.

    Parameters
    ----------
    master : MasterPattern
    size : int
        Height and width of the patterns, pixels.
    side : int
        Rows and columns of the map.
    grains : int
        Seeds of the grains, Voronoi cells; a seed that lies in the way of others may get no point of the map.
    seed : int
    """
    random = np.random.default_rng([seed, side])
    points = np.stack(np.divmod(np.arange(side * side), side), axis=1).astype(float)
    seeds = random.uniform(-0.5, side - 0.5, (grains, 2))
    nearest = np.argmin(np.linalg.norm(points[:, None] - seeds, axis=2), axis=1)
    _, owners = np.unique(nearest, return_inverse=True)
    rotations = np.empty((len(points), 3, 3))
    for grain in range(owners.max() + 1):
        inside = owners == grain
        rotations[inside] = _grain_orientations(points[inside], random)
    return _dataset(rotations, owners.astype(np.int64), _signals(master, rotations, size), nk.Grid(side, side))


def pure_noise(size: int, side: int = 40) -> Dataset:
    """A map without a single band: the background alone, in which nothing should be found."""
    n = side * side
    signals = np.full((n, size, size), np.float32(0.5))
    return _dataset(np.tile(np.eye(3), (n, 1, 1)), np.arange(n), signals, nk.Grid(side, side))


def camera(intensity: Patterns, electrons: float, seed: int = SEED) -> Pixels:
    """Patterns as a camera stores them: electrons counted, with an offset of four times the read-out noise.

    Parameters
    ----------
    intensity : array, shape (n, height, width)
        In any unit.
    electrons : float
        Mean per pixel, one of `READ_NOISE`; infinity for a perfect camera.
    seed : int

    Returns
    -------
    array, shape (n, height, width), uint16
        The brightest pixel of all is 65535.
    """
    if np.isinf(electrons):
        return _digitised(intensity)
    random = np.random.default_rng([seed, int(electrons)])
    noise = READ_NOISE[electrons]
    return _digitised(np.stack([expose(pattern, electrons, noise, random) for pattern in intensity]) + 4 * noise)


def write(path: Path, pixels: Pixels, grid: nk.Grid | None) -> Path:
    """Write an UP2 file: with a header of version 3 that tells the map, where there is one."""
    return nk.save_scan(path, nk.Scan(pixels, grid, (1.0, 1.0) if grid else (0.0, 0.0)), overwrite=True)


def _grain_orientations(points: NDArray[np.float64], random: np.random.Generator) -> Matrices:
    """Rotations of one grain's points, given as (row, column), shape (n, 3, 3)."""
    base = random_rotation(random)
    along = points @ _unit_vector(2, random)
    extent = max(float(np.ptp(along)), 1.0)
    gradient = (along - along.mean()) / extent * random.uniform(0.5, 1.5)
    turns = Rotation.from_rotvec(gradient[:, None] * _unit_vector(3, random), degrees=True)
    has_subgrain = random.random() < 0.3
    beyond = (points - points.mean(axis=0)) @ _unit_vector(2, random) > 0
    step = random.uniform(0.5, 2.0) * _unit_vector(3, random)
    if has_subgrain:
        turns = Rotation.from_rotvec(beyond[:, None] * step, degrees=True) * turns
    return turns.as_matrix() @ base


def _unit_vector(dimensions: int, random: np.random.Generator) -> NDArray[np.float64]:
    vector = random.standard_normal(dimensions)
    return vector / np.linalg.norm(vector)


def _signals(master: MasterPattern, rotations: Matrices, size: int) -> Patterns:
    detector = Detector(size, size, CENTRE, DISTANCE)
    return np.stack([kikuchi_signal(master.project(rotation, detector)) for rotation in rotations])


def _dataset(rotations: Matrices, grains: NDArray[np.int64], signals: Patterns, grid: nk.Grid | None) -> Dataset:
    height, width = signals.shape[1:]
    background = broad_background((height, width), (0.53, 0.42), 0.45, 0.3)
    intensity = background * (1 + CONTRAST * (2 * signals - 1))
    return Dataset(rotations, grains, signals, background, intensity, grid)


def _digitised(counts: NDArray[Any]) -> Pixels:
    return np.clip(np.rint(counts * (65535 / counts.max())), 0, 65535).astype(np.uint16)
