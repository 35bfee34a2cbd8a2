"""How fast everything is, and how much memory it takes, beside other programs that do the same.

    python benchmarks/performance.py [--parts steps network ...] [--kikuchipy PYTHON]
    python benchmarks/performance.py --docs

Writes results/performance.csv beside this file; with --parts, the other parts' figures stay as they are. --docs makes
docs/performance.md and its plots from the results. --kikuchipy names a Python interpreter that has kikuchipy, which is
then compared with. Start it under a screen (xvfb-run) to measure napari too. Nothing else may run meanwhile; the part
`memory` needs 25 GB of free disk.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from figures import Figure
from napari_kikuchi.autoencoder.model import device_summary
from performance_files import access, file_to_file, images, memory, opening
from performance_network import network, workers
from performance_page import document
from performance_steps import neighbours, steps
from speed import load, save, this_machine

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "performance.csv"


def parts(options: argparse.Namespace, display: str) -> dict[str, Callable[[], list[Figure]]]:
    """What is measured, by the name of its part of the page."""
    return {
        "opening": lambda: opening(display),
        "random access": access,
        "steps": lambda: [*steps(120, options.kikuchipy), *steps(236, options.kikuchipy)],
        "similar neighbours": neighbours,
        "network": network,
        "file to file": file_to_file,
        "workers": workers,
        "images": images,
        "memory": memory,
    }


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", help="measure these alone")
    parser.add_argument("--kikuchipy", type=Path, metavar="PYTHON", help="an interpreter that has kikuchipy")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md from the results")
    options = parser.parse_args()
    if options.docs:
        document(load(RESULTS))
        return
    # Beside a display the network would run in another process, and patterns go there by pipe.
    display = os.environ.pop("DISPLAY", "")
    known = parts(options, display)
    wanted = options.parts or list(known)
    machine = asdict(this_machine()) | {"device": device_summary()}
    kept = [row for row in load(RESULTS) if row["part"] not in wanted] if RESULTS.exists() else []
    for part in wanted:
        for figure in known[part]():
            print(f"{figure.part:<20}{figure.way:<56}{figure.pixels:>4} px{figure.value:>12.4g} {figure.unit}")
            kept.append(asdict(figure) | machine)
        order = list(known)
        save(RESULTS, sorted(kept, key=lambda row: order.index(row["part"])))


if __name__ == "__main__":
    main()
