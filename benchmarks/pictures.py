"""Make the picture of docs/quality.md: patterns raw, averaged, denoised and as they are without noise, good and bad.

    python benchmarks/pictures.py [--model MODEL]

The points are not picked by how they look: the one in the middle of the largest grain of a small map, the first of the
map beside a grain boundary, and the first pattern of pure noise.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_kikuchi as nk
from indexing import Judge
from napari_kikuchi.autoencoder.projection import MasterPattern
from scores import boundaries
from simulated import Dataset, camera, grain_map, pure_noise, write
from treatments import Treatment, treatments

HERE = Path(__file__).parent
SIZE, SIDE, GRAINS = 120, 14, 10
COLUMNS = {"raw": "raw", "average": "3x3 average", "ours": "denoised", "ours 3x3": "denoised, 3x3 neighbours"}


@dataclass(frozen=True)
class Line:
    """One line of the picture: a point of a dataset, at a level."""

    name: str
    dataset: Dataset
    point: int
    electrons: float


def lines(master: MasterPattern) -> list[Line]:
    """What the picture shows, from top to bottom."""
    grains = grain_map(master, SIZE, SIDE, GRAINS)
    inside = _middle(grains.grains.reshape(SIDE, SIDE))
    beside = int(np.flatnonzero(boundaries(grains))[0])
    levels = [Line(f"inside a grain, {electrons:g} e", grains, inside, electrons) for electrons in (8.0, 4.0, 2.0)]
    noise = Line("pure noise, 4 e", pure_noise(SIZE, SIDE), 0, 4.0)
    return [*levels, Line("beside a boundary, 4 e", grains, beside, 4.0), noise]


def _middle(grains: NDArray[np.int64]) -> int:
    """The point of the largest grain that is nearest to that grain's centre."""
    largest = np.bincount(grains.ravel()).argmax()
    places = np.argwhere(grains == largest)
    row, column = places[np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()]
    return int(row * grains.shape[1] + column)


def treated(line: Line, shown: list[Treatment]) -> list[NDArray[np.uint16]]:
    """The line's pattern after each treatment."""
    patterns = []
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "raw.up2", camera(line.dataset.intensity, line.electrons), line.dataset.grid)
        for number, treatment in enumerate(shown):
            target = Path(folder) / f"treated-{number}.up2"
            treatment(source, target)
            patterns.append(np.array(nk.open_scan(target).patterns[line.point]))
    return patterns


def draw(found: list[tuple[Line, list[NDArray[np.uint16]]]], names: list[str], judge: Judge, path: Path) -> None:
    """All lines, each pattern with its error below; names of the treatments above."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    heads = [*names, "without noise"]
    figure, axes = plt.subplots(len(found), len(heads), figsize=(9.6, 2.15 * len(found)), layout="constrained")
    for (line, patterns), row in zip(found, axes, strict=True):
        errors = judge.index(np.stack(patterns), np.repeat(line.dataset.rotations[[line.point]], len(patterns), axis=0))
        has_bands = float(np.ptp(line.dataset.signals[line.point])) > 0
        for axis, pattern, error in zip(row, patterns, errors.errors, strict=False):
            _show(axis, pattern, (f"{error:.2f}°" if error < 5 else "wrong") if has_bands else "")
        _show(row[-1], line.dataset.signals[line.point], "" if has_bands else "nothing")
        row[0].set_ylabel(line.name, fontsize=9)
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _show(axis: Any, pattern: NDArray[Any], below: str) -> None:
    low, high = np.percentile(pattern, (0.5, 99.5))
    axis.imshow(pattern, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axis.set_xlabel(below, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name or path of a model; the shipped default without it")
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs" / "images" / "quality-patterns.png")
    options = parser.parse_args()
    known = treatments(options.model, None)
    master = MasterPattern.load(HERE / "nickel.npz")
    shown = {name: known[kind] for kind, name in COLUMNS.items() if kind in known}
    found = [(line, treated(line, list(shown.values()))) for line in lines(master)]
    draw(found, list(shown), Judge(master, SIZE), options.output)


if __name__ == "__main__":
    main()
