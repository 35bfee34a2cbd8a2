"""Opening, reading, writing and memory, for performance.py."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import napari_kikuchi as nk
from figures import Figure, child, gigabytes_file, peak_memory, rates, textured
from napari_kikuchi.pipeline import process_to_file
from simulated import write

__all__ = ["access", "file_to_file", "images", "memory", "opening"]

SIDE = 240
OPENED_GB, ACCESSED = 10.0, 1000
MEMORY_GB = (1.0, 5.0, 20.0)
# A network on 20 GB takes longer than a benchmark may; its memory is at its height long before.
DENOISED_GB, DENOISED_SECONDS = (1.0, 20.0), 60.0
IMAGES = 1000

_OPEN = """
import json, sys, time
from pathlib import Path
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return [int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")][0]
import numpy as np
before, started = anonymous(), time.perf_counter()
import napari_kikuchi as nk
scan = nk.open_scan(sys.argv[1])
np.asarray(scan.patterns[0]).mean()
print(json.dumps([time.perf_counter() - started, anonymous() - before]))
"""

_SHOW = """
import json, sys, time
from pathlib import Path
import napari
from qtpy.QtWidgets import QApplication
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return [int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")][0]
viewer = napari.Viewer()
# What napari and OpenGL load with the first image is not this file's doing.
viewer.add_image(__import__("numpy").zeros((9, 9)))
viewer.window.screenshot(flash=False)
viewer.layers.clear()
before, started = anonymous(), time.perf_counter()
viewer.open(sys.argv[1], plugin="napari-kikuchi")
viewer.window.screenshot(flash=False)
print(json.dumps([time.perf_counter() - started, anonymous() - before]))
viewer.close()
QApplication.processEvents()
"""


@contextmanager
def _large_file(gigabytes: float) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield gigabytes_file(Path(folder) / "scan.up2", gigabytes, SIDE)


def opening(display: str) -> list[Figure]:
    """Open 10 GB and look at the first pattern: in a script, with its imports, and in napari if there is a screen."""
    ways = {"in a script": _OPEN} | ({"in napari's window": _SHOW} if display else {})
    figures = []
    with _large_file(OPENED_GB) as path:
        for way, code in ways.items():
            found = [child(code, str(path), environment={"DISPLAY": display}) for _ in range(3)]
            seconds, memory = zip(*found, strict=True)
            figures += [
                Figure("opening", way, SIDE, float(np.median(seconds)), "s", max(seconds), min(seconds)),
                Figure("opening", way, SIDE, float(np.median(memory)), "MiB added", max(memory), min(memory)),
            ]
    return figures


def access() -> list[Figure]:
    """Read patterns at random places of a scan of 10 GB, which lies in the memory of the system."""
    order = np.random.default_rng(1).integers(0, 80_000, ACCESSED)
    with _large_file(OPENED_GB) as path:
        scan = nk.open_scan(path)

        def read() -> None:
            for number in order:
                np.array(scan.patterns[number])

        return rates("random access", SIDE, {"one pattern after the other": (ACCESSED, read)})


def images(side: int = SIDE) -> list[Figure]:
    """Export a scan to a folder of PNG images, and pack it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = nk.open_scan(write(folder / "scan.up2", textured((IMAGES, side, side), np.uint16), None))
        ways = {
            "export to PNG": (IMAGES, lambda: nk.export_images(scan, folder / "images", overwrite=True)),
            "pack": (IMAGES, lambda: nk.pack_images(folder / "images", folder / "packed.up2", overwrite=True)),
        }
        return rates("images", side, ways, rounds=3)


def file_to_file(n: int = 2400, side: int = 236) -> list[Figure]:
    """The default network from file to file, and alone on what lies in memory as it sees it, in the same blocks."""
    from napari_kikuchi.autoencoder.denoiser import open_model
    from napari_kikuchi.pipeline.blocks import cut_anyhow
    from performance_network import seen_by

    pixels = textured((n, side, side), np.uint16)
    recipe = nk.Recipe([nk.Autoencoder(neighbours="none")])
    with tempfile.TemporaryDirectory() as name:
        scan = nk.open_scan(write(Path(name) / "scan.up2", pixels, None))
        model = open_model()
        seen = seen_by(model, (pixels[:75] / np.float32(65535)).astype(np.float32))
        network = model.network(seen.shape[1:3])
        length = next(iter(cut_anyhow(scan, 0))).size

        def alone() -> None:
            for start in range(0, n, length):
                network(np.resize(seen, (min(length, n - start), *seen.shape[1:])))

        def whole() -> None:
            for _ in process_to_file(scan, Path(name) / "out.up2", recipe, overwrite=True):
                pass

        return rates("file to file", side, {"the network alone": (n, alone), "from file to file": (n, whole)}, rounds=3)


def memory() -> list[Figure]:
    """The largest anonymous memory of the command line against the size of the file."""
    figures = []
    command = [sys.executable, "-m", "napari_kikuchi"]
    os.environ.pop("DISPLAY", None)
    for gigabytes in MEMORY_GB:
        with _large_file(gigabytes) as path:
            target = str(path.with_name("out.up2"))
            peak, _ = peak_memory([*command, "clahe", str(path), target])
            figures.append(Figure("memory", f"clahe, {gigabytes:g} GB", SIDE, peak, "MiB", peak, peak))
            if gigabytes in DENOISED_GB:
                denoise = [*command, "denoise", "--overwrite", "--neighbours", "none", str(path), target]
                peak, _ = peak_memory(denoise, DENOISED_SECONDS)
                figures.append(Figure("memory", f"denoise, {gigabytes:g} GB", SIDE, peak, "MiB", peak, peak))
    return figures
