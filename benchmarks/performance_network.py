"""The default network against what the machine can do, and over several workers, for performance.py."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures import Figure, rates, textured
from simulated import write
from treatments import LARGER

__all__ = ["network", "seen_by", "workers"]

SIDES = {60: 400, 120: 400, 236: 400, 480: 100}
# Large enough that a processor is at its best.
PRODUCT = 3072
# So many that the start of processes, which is never twice the same, is little beside the difference.
FEW_MANY = (600, 6000)


def network() -> list[Figure]:
    """Patterns a second of the shipped networks, and without their arithmetic, and what the machine can do."""
    from napari_kikuchi.autoencoder.denoiser import DenoisingModel, open_model, trained_network
    from napari_kikuchi.autoencoder.devices import policy_here, precision
    from napari_kikuchi.autoencoder.networks import macs_per_pixel

    model, larger = open_model(), open_model(LARGER)
    idle = DenoisingModel(model.card, lambda size: lambda inputs: inputs[..., 0], model.values_per_pixel)
    figures = []
    for side, n in SIDES.items():
        patterns = textured((n, side, side)) / np.float32(255)
        ways = {
            "whole": (n, lambda patterns=patterns: model.predict(patterns)),
            "larger": (n, lambda patterns=patterns: larger.predict(patterns)),
            "all but the network": (n, lambda patterns=patterns: idle.predict(patterns)),
        }
        seen = seen_by(model, patterns[:1])
        size = seen.shape[1], seen.shape[2]
        with precision(policy_here()):
            flop = 2 * macs_per_pixel(trained_network(model.card.name, size)) * size[0] * size[1]
        figures += [
            *rates("network", side, ways, rounds=3),
            Figure("network", "arithmetic", side, flop / 1e9, "GFLOP a pattern", flop / 1e9, flop / 1e9),
        ]
    return [*figures, *(product(kind) for kind in ("float32", "bfloat16"))]


def seen_by(model: Any, patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network sees of patterns, as one batch."""
    from napari_kikuchi.autoencoder.denoiser import DenoisingModel

    seen = []

    def look(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(inputs)
        return inputs[..., 0]

    DenoisingModel(model.card, lambda size: look).predict(patterns, batch=len(patterns))
    return seen[0]


def product(kind: str) -> Figure:
    """The machine's rate of multiplying matrices, by the faster of the two ways that TensorFlow has."""
    import tensorflow as tf

    matrix: Any = tf.cast(tf.random.normal((PRODUCT, PRODUCT)), kind)
    multiply = tf.function(lambda a: tf.matmul(a, a))
    found = {}
    for way in (matrix, matrix[None]):
        multiply(way)
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            multiply(way).numpy()
            seconds.append(time.perf_counter() - started)
        found[float(np.median(seconds))] = seconds
    value, slowest, fastest = (2e-9 * PRODUCT**3 / of(found[min(found)]) for of in (np.median, max, min))
    return Figure("network", f"matrix product, {kind}", 0, float(value), "GFLOP/s", slowest, fastest)


def workers(side: int = 236) -> list[Figure]:
    """The default network by the command line, in one process and spread over one and two of its workers.

    Of two runs with few and with many patterns, the difference: so that the start of processes does not count.
    """
    figures = []
    with tempfile.TemporaryDirectory() as name:
        files = {n: write(Path(name) / f"{n}.up2", textured((n, side, side), np.uint16), None) for n in FEW_MANY}
        for way, more in {"no workers": [], "1 worker": ["--workers", "1"], "2 workers": ["--workers", "2"]}.items():
            few, many = (_denoised(files[n], more) for n in files)
            rate = (FEW_MANY[1] - FEW_MANY[0]) / (many - few)
            figures.append(Figure("workers", way, side, rate, "patterns/s", rate, rate))
    return figures


def _denoised(source: Path, more: list[str]) -> float:
    """Seconds that the command line takes for a file."""
    target = source.with_name("out.up2")
    command = [sys.executable, "-m", "napari_kikuchi", "denoise", "--overwrite", "--neighbours", "none", *more]
    started = time.perf_counter()
    subprocess.run([*command, str(source), str(target)], check=True, capture_output=True)
    return time.perf_counter() - started
