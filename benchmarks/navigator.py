"""How soon the navigator shows a map, when the map is whole, and how long the window stands still meanwhile.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/navigator.py
    python benchmarks/navigator.py --docs

The first opens the navigator on scans of noise in the real window and writes results/navigator.csv beside this file;
the second makes the section of docs/navigating.md from it. Nothing else may run meanwhile. What patterns show changes
no time. The scans have just been written, so that they are read from memory: a slow disk adds its own time.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, QTimer

import napari_kikuchi as nk
from gui import GAP, TICK, Clock
from page import write_section

RESULTS = Path(__file__).parent / "results" / "navigator.csv"
PAGE = Path(__file__).parent.parent / "docs" / "navigating.md"
SCANS = [(250, 400, 60), (100, 100, 240)]
MAPS = ["Image quality", "Virtual backscatter"]
BLOCK = 500


@dataclass(frozen=True)
class Growth:
    """How a map of so many patterns of size x size pixels grew: seconds, and the longest standstill in milliseconds."""

    what: str
    patterns: int
    size: int
    coarse: float
    whole: float
    gap: float


def make_scan(path: Path, rows: int, columns: int, size: int) -> Path:
    """A scan of noise, the same block of patterns again and again."""
    random = np.random.default_rng(0)
    block = random.integers(0, 256, (BLOCK, size, size)).astype(np.uint8)
    patterns = np.tile(block, (rows * columns // BLOCK, 1, 1))
    return nk.save_scan(path, nk.Scan(patterns, nk.Grid(rows, columns), (0.1, 0.1)))


def grow(viewer: napari.Viewer, of: str) -> Growth:
    """Open the navigator on the layer of a viewer, and let a map grow until it is whole."""
    clock, loop = Clock(), QEventLoop()
    dock: Any = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Navigator")[1]
    wait(lambda: dock.maps[0].growing.known > 0)
    dock.of.value = next(choice for choice in MAPS if choice != of)
    rest(loop, 1000)
    dock._known.clear()
    drawn: list[float] = []
    show = dock.canvas.show_picture

    def show_and_note(pixels: NDArray[np.uint8]) -> None:
        show(pixels)
        dock.canvas.repaint()
        if not drawn and np.isfinite(dock.maps[0].growing.picture).all():
            drawn.append(time.perf_counter())

    dock.canvas.show_picture = show_and_note
    clock.restart()
    began = time.perf_counter()
    dock.of.value = of
    wait(lambda: not dock.busy)
    whole, gap = time.perf_counter() - began, clock.gap()
    scan = dock.maps[0].scan
    viewer.window.remove_dock_widget(dock.native)
    return Growth(of.lower(), scan.n, scan.width, drawn[0] - began, whole, gap)


def wait(done: Callable[[], bool]) -> None:
    """Let the window live until something has happened."""
    loop = QEventLoop()
    while not done():
        rest(loop, 10)


def rest(loop: QEventLoop, milliseconds: int) -> None:
    """Let the window live for a time."""
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def measure() -> list[Growth]:
    """Every map of every scan."""
    found = []
    for rows, columns, size in SCANS:
        with tempfile.TemporaryDirectory() as folder:
            path = make_scan(Path(folder) / "scan.up1", rows, columns, size)
            viewer = napari.Viewer()
            viewer.window.resize(1366, 768)
            viewer.open(str(path), plugin="napari-kikuchi")
            rest(QEventLoop(), 2000)
            found += [grow(viewer, of) for of in MAPS]
            viewer.close()
    return found


def table(growths: list[Growth]) -> str:
    """The growths as a table."""
    head = "| map | patterns | pixels | coarse map, s | whole map, s | standstill, ms |\n|---|---|---|---|---|---|"
    lines = [
        f"| {one.what} | {one.patterns:,} | {one.size}x{one.size} | {one.coarse:.1f} | {one.whole:.1f} "
        f"| {one.gap:.0f} |"
        for one in growths
    ]
    return "\n".join([head, *lines])


def document() -> None:
    """Write the section of docs/navigating.md."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}
    growths = [Growth(**{spec.name: kinds[str(spec.type)](row[spec.name]) for spec in fields(Growth)}) for row in rows]
    text = (
        "## How fast the navigator is\n\n"
        f"Measured in the real window (`benchmarks/navigator.py`), {rows[0]['machine']}, on scans that are read from "
        "memory. The coarse map has a value at every point; *standstill* is the longest time in which the window "
        f"answered nothing while the map grew, measured every {TICK} ms; {GAP} ms were asked for.\n\n{table(growths)}"
    )
    write_section("navigator", text, PAGE)


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", action="store_true", help="write the section of docs/navigating.md from the results")
    if parser.parse_args().docs:
        document()
        return
    growths = measure()
    print(table(growths))
    machine = f"{os.cpu_count()} cores ({platform.machine()}), no graphics card"
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*(spec.name for spec in fields(Growth)), "machine"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(one), "machine": machine} for one in growths)


if __name__ == "__main__":
    main()
