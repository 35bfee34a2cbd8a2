"""How fast the window answers: from a knob or a slider to the drawn preview, and how long the window stands still.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/gui.py [--repeats N]
    python benchmarks/gui.py --docs

The first drives the real window over a map of 32x32 patterns of 240x240 pixels and writes results/gui.csv beside this
file; the second makes the section of docs/napari.md from it. Nothing else may run meanwhile.

The patterns are the packaged silicon pattern, binned, turned four ways and counted at 8 electrons per pixel, so that
neighbours are alike as in a map: their content changes no time, but the noise makes the network look at neighbours.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, QTimer

import napari_kikuchi as nk
from page import write_section

RESULTS = Path(__file__).parent / "results" / "gui.csv"
PAGE = Path(__file__).parent.parent / "docs" / "napari.md"
MAP, SIZE, ELECTRONS = 32, 240, 8.0
# Milliseconds: what is asked of the window, and between two looks at the clock.
CLASSICAL, NETWORK, GAP, TICK = 100, 300, 200, 2


@dataclass(frozen=True)
class Answer:
    """How long it took from turning a knob to the drawn preview, in milliseconds.

    The gap is the longest that the window did not answer meanwhile, the collection the longest of Python's garbage
    collections, and the bar what the slowest may take, 0 for none.
    """

    what: str
    turns: int
    median: float
    slowest: float
    gap: float
    collection: float
    bar: float


class Clock:
    """Notes the longest time between two ticks of a timer of the event loop, and the longest garbage collection."""

    def __init__(self) -> None:
        self._timer = QTimer(interval=TICK)
        self._timer.timeout.connect(self._tick)
        self._last = time.perf_counter()
        self._gap = self._collection = 0.0
        self._began = self._last
        gc.callbacks.append(self._collected)
        self._timer.start()

    def restart(self) -> None:
        """Begin anew."""
        self._last, self._gap, self._collection = time.perf_counter(), 0.0, 0.0

    def gap(self) -> float:
        """The longest so far, in milliseconds."""
        return 1000 * max(self._gap, time.perf_counter() - self._last)

    def collection(self) -> float:
        """The longest so far, in milliseconds: all threads stand still meanwhile."""
        return 1000 * self._collection

    def _collected(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            self._collection = max(self._collection, now - self._began)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gap, self._last = max(self._gap, now - self._last), now


class Bench:
    """The window with its recipe dock, and a way to wait until the preview is drawn."""

    def __init__(self, path: Path) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1366, 768)
        self.viewer.open(str(path), plugin="napari-kikuchi")
        self.dock: Any = self.viewer.window.add_plugin_dock_widget("napari-kikuchi", "Recipe")[1]
        self.clock = Clock()
        self._loop = QEventLoop()
        show = self.dock.before_after.show_patterns

        def show_and_tell(*patterns: NDArray[Any]) -> None:
            show(*patterns)
            self.dock.before_after.repaint()
            self._loop.quit()

        self.dock.before_after.show_patterns = show_and_tell

    def rest(self, milliseconds: int) -> None:
        """Let the window draw what is left."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def answer(self, turn: Callable[[], Any]) -> float:
        """Milliseconds from a turn of a knob to the drawn preview."""
        began = time.perf_counter()
        turn()
        while True:
            self._loop.exec()
            if not self.dock._latest.busy:
                return 1000 * (time.perf_counter() - began)

    def answers(self, what: str, turns: list[Callable[[], Any]], bar: float) -> Answer:
        """Turn a knob again and again, with a rest after each."""
        times = []
        self.clock.restart()
        for turn in turns:
            times.append(self.answer(turn))
            self.rest(50)
        return Answer(what, len(turns), median(times), max(times), self.clock.gap(), self.clock.collection(), bar)

    def show(self, *steps: Any) -> None:
        """Put a recipe into the dock and wait for its preview."""
        self.answer(lambda: self.dock.show_recipe(nk.Recipe(steps)))
        self.rest(500)

    def knob(self, card: int, name: str) -> Any:
        """The widget of a step's parameter."""
        return self.dock.steps.cards[card].editor[name]

    def turns_of(self, card: int, name: str, values: Any) -> list[Callable[[], Any]]:
        """Setting a parameter to one value after the other."""
        knob = self.knob(card, name)
        return [lambda value=value: setattr(knob, "value", value) for value in values]

    def moves(self, count: int) -> list[Callable[[], Any]]:
        """Moving the column's slider, each time to another pattern."""
        return [lambda place=place: self.viewer.dims.set_current_step(1, place) for place in range(1, count + 1)]


def make_scan(path: Path) -> Path:
    """The map of 32x32 patterns, as a file."""
    random = np.random.default_rng(0)
    silicon = np.asarray(nk.open_scan(nk.sample_path("silicon")).patterns[0], dtype=np.float64)
    binned = silicon.reshape(SIZE, 2, SIZE, 2).mean((1, 3))
    turned = [binned, binned[::-1], binned[:, ::-1], binned.T]
    rows, columns = np.mgrid[:MAP, :MAP] * 2 // MAP
    expected = np.stack([turned[kind] for kind in (2 * rows + columns).ravel()]) / binned.mean() * ELECTRONS
    levels = np.clip(random.poisson(expected) * (128 / ELECTRONS), 0, 255).astype(np.uint8)
    return nk.save_scan(path, nk.Scan(levels, nk.Grid(MAP, MAP), (0.1, 0.1)))


def measure(repeats: int) -> list[Answer]:
    """All answers of the window, in the order of what is learnt and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(make_scan(Path(folder) / "scan.up1"))
        bench.rest(2000)
        found = [*classical(bench, repeats), *network(bench, repeats)]
        bench.viewer.close()
    return found


def classical(bench: Bench, repeats: int) -> list[Answer]:
    """CLAHE and backgrounds."""
    clips, sigmas = np.linspace(1, 6, repeats).round(2), np.linspace(0.05, 0.3, repeats).round(3)
    bench.show(nk.Clahe())
    found = [
        bench.answers("CLAHE: clip limit", bench.turns_of(0, "clip_limit", clips), CLASSICAL),
        bench.answers("CLAHE: slider", bench.moves(min(repeats, MAP - 1)), CLASSICAL),
    ]
    bench.show(nk.DynamicBackground())
    found.append(bench.answers("dynamic background: sigma", bench.turns_of(0, "sigma", sigmas), CLASSICAL))
    add = [lambda: bench.dock.show_recipe(nk.Recipe([nk.StaticBackground(), nk.DynamicBackground(), nk.Clahe()]))]
    found.append(bench.answers("static background of 1000 patterns, learnt once", add, 0))
    knob = bench.turns_of(2, "clip_limit", clips)
    found.append(bench.answers("both backgrounds and CLAHE: clip limit", knob, CLASSICAL))
    found.append(bench.answers("both backgrounds and CLAHE: slider", bench.moves(min(repeats, MAP - 1)), CLASSICAL))
    return found


def network(bench: Bench, repeats: int) -> list[Answer]:
    """The default network, loaded and then used."""
    load = [lambda: bench.dock.show_recipe(nk.Recipe([nk.Autoencoder(neighbours="none")]))]
    found = [bench.answers("network: loading TensorFlow in its process", load, 0)]
    for neighbours in ("none", "3x3", "5x5"):
        bench.show(nk.Autoencoder(neighbours=neighbours))
        moves = bench.moves(min(repeats, MAP - 1))
        found.append(bench.answers(f"network, neighbours {neighbours}: slider", moves, NETWORK))
    bench.show(nk.Autoencoder(), nk.Clahe())
    turns = bench.turns_of(1, "clip_limit", np.linspace(1, 6, repeats).round(2))
    found.append(bench.answers("network, then CLAHE: clip limit", turns, NETWORK))
    return found


def table(answers: list[Answer]) -> str:
    """The answers as a table."""
    head = (
        "| what is turned | median, ms | slowest, ms | asked for, ms | standstill, ms | garbage collection, ms |\n"
        "|---|---|---|---|---|---|"
    )
    lines = [
        f"| {one.what} | {one.median:.0f} | {one.slowest:.0f} | {f'{one.bar:.0f}' if one.bar else ''} | {one.gap:.0f} "
        f"| {one.collection:.0f} |"
        for one in answers
    ]
    return "\n".join([head, *lines])


def document() -> None:
    """Write the section of docs/napari.md."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answers = [Answer(row["what"], int(row["turns"]), *(float(row[key]) for key in NUMBERS)) for row in rows]
    machine = rows[0]["machine"]
    text = (
        f"Measured in the real window (`benchmarks/gui.py`) on patterns of 240x240 pixels, {machine}: from the turn of "
        "a knob, or the move of a slider, to the drawn preview. *Standstill* is the longest time in which the window "
        f"answered nothing, measured every {TICK} ms; {GAP} ms were asked for. *Garbage collection* is Python's own: "
        "once in some hundred turns it goes through all that napari holds, and everything waits for it.\n\n"
        f"{table(answers)}"
    )
    write_section("gui", text, PAGE)


NUMBERS = [spec.name for spec in fields(Answer)][2:]


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="turns of each knob")
    parser.add_argument("--docs", action="store_true", help="write the section of docs/napari.md from the results")
    options = parser.parse_args()
    if options.docs:
        document()
        return
    machine = f"{os.cpu_count()} cores ({platform.machine()}), no graphics card"
    answers = measure(options.repeats)
    print(table(answers))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*(spec.name for spec in fields(Answer)), "machine"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(one), "machine": machine} for one in answers)


if __name__ == "__main__":
    main()
