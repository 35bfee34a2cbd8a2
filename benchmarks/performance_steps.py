"""The classical steps beside other programs that do the same, for performance.py."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import napari_kikuchi as nk
from figures import Figure, rate_figure, rates, textured
from napari_kikuchi.autoencoder.projection import MasterPattern
from simulated import camera, grain_map, write
from treatments import nlpar

__all__ = ["neighbours", "steps"]

HERE = Path(__file__).parent
ROWS, COLUMNS = 16, 24
NAMES = {"clahe": "CLAHE", "static": "static background", "dynamic": "dynamic background", "average": "3x3 average"}


def steps(pixels: int, kikuchipy: Path | None) -> list[Figure]:
    """CLAHE, backgrounds and neighbour average of 8-bit patterns, from array to array."""
    patterns = textured((ROWS, COLUMNS, pixels, pixels))
    n = ROWS * COLUMNS
    # kikuchipy is given the background, too.
    background = patterns.mean(axis=(0, 1)).astype(patterns.dtype)
    divide: Callable[..., Any] = partial(nk.remove_background, patterns)
    ways = {
        "CLAHE, bare OpenCV": (n, lambda: _opencv(patterns)),
        "CLAHE, ours": (n, lambda: nk.clahe(patterns)),
        "static background, ours": (n, lambda: divide(static="divide", dynamic="none", background=background)),
        "dynamic background, ours": (n, lambda: divide(static="none", dynamic="divide")),
        "3x3 average, ours": (n, lambda: nk.average_neighbours(patterns)),
    }
    figures = rates("steps", pixels, ways)
    if kikuchipy is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "patterns.npy"
            np.save(file, patterns)
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            command = [str(kikuchipy), str(HERE / "kikuchipy_side.py"), str(file)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        found = json.loads(done.stdout.splitlines()[-1])
        for step, seconds in found["seconds"].items():
            count = found["few"] if step == "clahe" else n
            figures.append(rate_figure("steps", f"{NAMES[step]}, kikuchipy", pixels, count, seconds))
    return figures


def _opencv(patterns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from napari_kikuchi.opencv import cv2

    equaliser = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8))
    result = np.empty_like(patterns)
    for pattern, out in zip(
        patterns.reshape(-1, *patterns.shape[2:]), result.reshape(-1, *patterns.shape[2:]), strict=True
    ):
        equaliser.apply(pattern, out)
    return result


def neighbours(pixels: int = 120) -> list[Figure]:
    """Averages with neighbours that are alike, from file to file: PyEBSDIndex' NLPAR and ours."""
    points = grain_map(MasterPattern.load(HERE / "nickel.npz"), pixels)
    noisy = camera(points.intensity, 8.0)
    with tempfile.TemporaryDirectory() as name:
        source, target = write(Path(name) / "map.up2", noisy, points.grid), Path(name) / "out.up2"

        def ours(window: int) -> None:
            recipe = nk.Recipe([nk.NeighbourAverage(window, "similar")])
            nk.process_file(source, target, recipe, overwrite=True)

        ways = {
            "NLPAR of PyEBSDIndex, 7x7, with its search for lambda": (len(noisy), lambda: nlpar(source, target)),
            "similar, 3x3, ours": (len(noisy), lambda: ours(3)),
            "similar, 5x5, ours": (len(noisy), lambda: ours(5)),
            "similar, 7x7, ours": (len(noisy), lambda: ours(7)),
        }
        return rates("similar neighbours", pixels, ways, rounds=3)
