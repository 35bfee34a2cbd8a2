"""What the benchmarks of speed and memory have in common: a figure, and how it is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_kikuchi as nk
from simulated import write

__all__ = ["Figure", "child", "gigabytes_file", "peak_memory", "rates", "textured"]

ROUNDS = 5
MIB = 2**20


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    part : str
        Of the page.
    way : str
        What was done, and by what.
    pixels : int
        Side of the patterns.
    value : float
        The median of the rounds.
    unit : str
    slowest, fastest : float
        Of the rounds; the value itself where there was one.
    """

    part: str
    way: str
    pixels: int
    value: float
    unit: str
    slowest: float
    fastest: float


def rates(part: str, pixels: int, ways: dict[str, tuple[int, Callable[[], Any]]], rounds: int = ROUNDS) -> list[Figure]:
    """Patterns a second of several ways: all in turn, so that a disturbance hits all, once for nothing first.

    Parameters
    ----------
    part, pixels
        As in `Figure`.
    ways : dict
        By name: how many patterns, and what processes them.
    rounds : int
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, (_, run) in ways.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return [rate_figure(part, name, pixels, ways[name][0], spent) for name, spent in seconds.items()]


def rate_figure(part: str, way: str, pixels: int, patterns: int, seconds: list[float]) -> Figure:
    """Patterns a second from the times of some rounds."""
    value, slowest, fastest = (patterns / float(of(seconds)) for of in (np.median, max, min))
    return Figure(part, way, pixels, value, "patterns/s", slowest, fastest)


def textured(shape: tuple[int, ...], pixel_type: type[np.unsignedinteger[Any]] = np.uint8) -> NDArray[Any]:
    """Patterns without meaning, for steps whose time does not hang on it: a background, some waves, and noise."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[: shape[-2], : shape[-1]] / shape[-1]
    background = np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) / 0.3) * (1 + 0.1 * np.sin(40 * x + 25 * y))
    few = background * random.normal(1, 0.1, (16, *shape[-2:]))
    top = np.iinfo(pixel_type).max
    return np.resize(np.clip(0.6 * top * few, 0, top).astype(pixel_type), shape)


def gigabytes_file(path: Path, gigabytes: float, side: int = 240) -> Path:
    """An UP2 file of that size with 200 columns of points; all patterns but the first row take no room on the disk."""
    rows = int(gigabytes * 1e9 / (2 * side * side) / 200)
    write(path, textured((200, side, side), np.uint16), nk.Grid(1, 200))
    with path.open("r+b") as file:
        offset = path.stat().st_size - 200 * 2 * side * side
        head = bytearray(file.read(offset))
        # The number of rows in a header of version 3.
        head[21:25] = rows.to_bytes(4, "little")
        file.seek(0)
        file.write(head)
        file.truncate(offset + rows * 200 * 2 * side * side)
    return path


def child(code: str, *arguments: str, environment: dict[str, str] | None = None) -> Any:
    """Run Python code in a process of its own, and read the JSON that its last line prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"A part of the benchmark failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory(command: list[str], seconds: float = np.inf) -> tuple[float, float]:
    """The largest anonymous memory of a command, MiB, read 20 times a second, and how long it ran.

    Ended after `seconds`, if it is not at its end before. Pages of mapped files, which the system takes back when it
    needs them, are not counted.
    """
    started, largest = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None and time.perf_counter() - started < seconds:
        lines = [line for line in status.read_text().splitlines() if line.startswith("RssAnon")]
        if lines:
            largest = max(largest, int(lines[0].split()[1]) / 1024)
        time.sleep(0.05)
    process.terminate()
    if process.wait() > 0:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {process.returncode}.")
    return largest, time.perf_counter() - started
