"""A small crystal, so that these tests need no file from elsewhere."""

import json

import numpy as np
import pytest

from napari_kikuchi.autoencoder.projection import Detector, MasterPattern, random_rotation
from napari_kikuchi.autoencoder.simulation import broad_background, expose, kikuchi_signal


def band_master(path, seed=0, side=101, bands=12):
    """Write a kinematical sort of master pattern: great circles of a few degrees' width, some darker than others."""
    random = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, side)
    x, y = np.meshgrid(axis, axis)
    # The inverse of the square equal-area projection, after Roşca (2010).
    wide = np.abs(x) >= np.abs(y)
    major, minor = np.where(wide, x, y), np.where(wide, y, x)
    angle = np.pi / 4 * minor / np.where(major == 0, 1, major)
    z = 1 - major**2
    radius = np.sqrt(np.maximum(1 - z**2, 0)) * np.sign(major)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    directions = np.stack([np.where(wide, along, across), np.where(wide, across, along), z])
    pattern = np.zeros((side, side))
    for _ in range(bands):
        normal = random.standard_normal(3)
        distance = np.tensordot(normal / np.linalg.norm(normal), directions, 1)
        pattern += random.uniform(0.3, 1) / (1 + np.exp((np.abs(distance) - random.uniform(0.03, 0.07)) / 0.006))
    pattern = np.rint(65535 * pattern / pattern.max()).astype(np.uint16)[None]
    np.savez(
        path,
        pattern=pattern,
        projection="lambert",
        voltage_kv=20.0,
        space_group=225,
        a=4.0,
        c=4.0,
        sites=json.dumps([["Al", 0, 0, 0, 0.5]]),
    )
    return path


@pytest.fixture(scope="session")
def masters_folder(tmp_path_factory):
    """Two small master patterns, `one.npz` and `two.npz`."""
    folder = tmp_path_factory.mktemp("masters")
    band_master(folder / "one.npz", seed=1)
    band_master(folder / "two.npz", seed=2)
    return folder


@pytest.fixture(scope="session")
def master(masters_folder):
    """One of them, opened."""
    return MasterPattern.load(masters_folder / "one.npz")


@pytest.fixture(scope="session")
def exposures(master, write_up, tmp_path_factory):
    """A fast and a slow exposure, `fast.up2` and `slow.up2`, of a map of 10x10 points, 40x40 pixels; four grains."""
    random = np.random.default_rng(11)
    grains = [kikuchi_signal(master.project(random_rotation(random), Detector(40, 40))) for _ in range(4)]
    background = broad_background((40, 40), (0.5, 0.4), 0.5, 0.3)
    folder = tmp_path_factory.mktemp("exposures")
    paths = folder / "fast.up2", folder / "slow.up2"
    for path, electrons in zip(paths, (20.0, 2000.0), strict=True):
        patterns = [
            expose((1 + 0.3 * (grains[2 * (row // 5) + column // 5] - 0.5)) * background, electrons, 1.0, random)
            for row in range(10)
            for column in range(10)
        ]
        levels = np.clip(np.stack(patterns) * 30000 / electrons / 3, 0, 65535)
        write_up(path, levels, grid=(10, 10))
    return paths
