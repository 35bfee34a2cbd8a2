"""Turn the judge's results into the tables, plots and figures in words of docs/quality.md.

    python benchmarks/report.py [--results benchmarks/results/quality.csv] [--published "what it was trained on"]

What is written lies between the markers `<!-- quality:begin -->` and `<!-- quality:end -->`; the rest stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from page import PAGE, write_section
from rows import Row, read_rows

HERE = Path(__file__).parent
CLEAN = float("inf")
NAMES = {
    "raw": "raw",
    "clahe": "CLAHE",
    "background": "background removed, static and dynamic",
    "average": "3x3 neighbour average",
    "similar": "5x5 average by similarity",
    "nlpar": "NLPAR",
    "published": "published network",
    "ours": "denoised",
    "ours careful": "denoised with --careful",
    "clahe, ours": "CLAHE, then denoised",
    "ours, clahe": "denoised, then CLAHE",
    "ours 3x3": "denoised with 3x3 neighbours",
    "ours 5x5": "denoised with 5x5 neighbours",
    "larger": "by kikuchi-unet-large",
    "larger careful": "by kikuchi-unet-large with --careful",
    "larger 3x3": "by kikuchi-unet-large with 3x3 neighbours",
    "larger 5x5": "by kikuchi-unet-large with 5x5 neighbours",
}
# Name and colour in plots; mostly of the palette of Okabe and Ito, which the colour-blind can tell apart too.
LINES = {
    "raw": ("raw", "#333333"),
    "clahe": ("CLAHE", "#CC79A7"),
    "background": ("background removed", "#999999"),
    "average": ("3x3 average", "#56B4E9"),
    "similar": ("5x5 average by similarity", "#009E73"),
    "nlpar": ("NLPAR", "#0072B2"),
    "published": ("published network", "#000000"),
    "ours": ("denoised", "#E69F00"),
    "larger careful": ("large, --careful", "#882255"),
    "ours 3x3": ("denoised, 3x3", "#D55E00"),
    "ours 5x5": ("denoised, 5x5", "#7F3B08"),
}


class Found:
    """Results, looked up by what was judged.

    Parameters
    ----------
    rows : iterable of Row
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {(row.phase, row.size, row.data, row.electrons, row.treatment): row for row in rows}

    def some(self, phase: str, size: int, data: str) -> list[Row]:
        """All rows of a dataset."""
        return [row for row in self.rows.values() if (row.phase, row.size, row.data) == (phase, size, data)]

    def told(self, data: str, electrons: float, treatment: str, field: str = "within2", form: str = ".0%") -> str:
        """One number of nickel at 120 pixels, to stand in a sentence; a dash where it was not judged."""
        row = self.rows.get(("nickel", 120, data, electrons, treatment))
        return "–" if row is None else format(getattr(row, field), form)


def document(found: Found, published: str) -> str:
    """The generated part of docs/quality.md."""
    names = NAMES | {"published": f"published network, {published}"}
    points, grains, noise = (found.some("nickel", 120, data) for data in ("points", "map", "noise"))
    parts = [
        judge_errors(found),
        "### Random orientations\n",
        f"{_count(points)} points, nickel, 120x120 pixels. Share within 2 degrees of the truth, in percent, with 95% "
        "intervals:\n",
        by_level(points, names, share),
        "Median error in degrees on the points that are within 2 degrees both raw and treated, in brackets that of the "
        "raw patterns on the same points; a dash where they are fewer than ten:\n",
        by_level(points, names, common_error),
        details(points, names, (18.0, 8.0, 4.0)),
        "### A map\n",
        f"{_count(grains)} points in 105 grains, nickel, 120x120 pixels. Share within 2 degrees of the truth, in "
        "percent, with 95% intervals from resampling whole grains:\n",
        by_level(grains, names, share),
        "Median error in degrees on the points within 2 degrees both raw and treated:\n",
        by_level(grains, names, common_error),
        details(grains, names, (8.0, 4.0, 2.0)),
        "![Share indexed within 2 degrees against electrons a pixel](images/quality-shares.png)\n",
        "### Pure noise\n",
        "Share of patterns without any bands that come out confident, in percent. By the choice of the threshold it is "
        f"1% of the raw ones; {_count(noise)} patterns, 95% intervals, to which the threshold adds as much again:\n",
        by_level(noise, names, confident_share),
        "### Other sizes and phases\n",
        "Share within 2 degrees, in percent. Zinc is hexagonal, tantalum carbide has a heavy and a light element; no "
        "network was trained on either, or chosen by it:\n",
        *(others(found, names, data) for data in ("points", "map")),
        "### When not to denoise\n",
        *when_not(found),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    rules = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rules, *lines)) + "\n"


def by_level(rows: list[Row], names: dict[str, str], cell: Callable[[Row], str]) -> str:
    """Treatments down, electrons across; nothing without rows."""
    if not rows:
        return ""
    levels = sorted({row.electrons for row in rows}, reverse=True)
    cells = {(row.treatment, row.electrons): cell(row) for row in rows}
    kinds = [kind for kind in names if any(row.treatment == kind for row in rows)]
    head = ["treatment", *(_level(level) for level in levels)]
    return table(head, ([names[kind], *(cells.get((kind, level), "–") for level in levels)] for kind in kinds))


def details(rows: list[Row], names: dict[str, str], levels: Sequence[float]) -> str:
    """Everything else, treatments down within each level; nothing without rows."""
    if not rows:
        return ""
    at_edges = any(np.isfinite(row.at_boundaries) for row in rows)
    head = [
        "electrons",
        "treatment",
        "< 5°, %",
        "90th percentile, °",
        "confident and wrong, %",
        "PSNR, dB",
        "SSIM",
        "patterns/s",
    ]
    chosen = [
        row for level in levels for kind in names for row in rows if (row.electrons, row.treatment) == (level, kind)
    ]
    lines = []
    for row in chosen:
        speed = "" if np.isnan(row.patterns_per_second) else f"{row.patterns_per_second:.0f}"
        line = [f"{row.electrons:g}", names[row.treatment], f"{100 * row.within5:.1f}", f"{row.p90:.1f}"]
        line += [f"{100 * row.confident_wrong:.1f}", f"{row.psnr:.1f}", f"{row.ssim:.2f}", speed]
        lines.append([*line, f"{100 * row.at_boundaries:.1f}"] if at_edges else line)
    return table([*head, "< 2° at grain boundaries, %"] if at_edges else head, lines)


def others(found: Found, names: dict[str, str], data: str) -> str:
    """One kind of data of other sizes and phases: treatments down, datasets across; nothing without rows."""
    rows = [row for row in found.rows.values() if row.data == data and (row.phase, row.size) != ("nickel", 120)]
    if not rows:
        return ""
    datasets = sorted({(row.phase, row.size, row.electrons) for row in rows}, key=lambda of: (of[0], of[1], -of[2]))
    cells = {(row.treatment, row.phase, row.size, row.electrons): share(row) for row in rows}
    kinds = [kind for kind in names if any(row.treatment == kind for row in rows)]
    head = [data, *(f"{phase}, {size}x{size}, {electrons:g} e" for phase, size, electrons in datasets)]
    return table(head, ([names[kind], *(cells.get((kind, *of), "–") for of in datasets)] for kind in kinds))


def judge_errors(found: Found) -> str:
    """How well the indexer itself does without noise."""
    errors = {(row.phase, row.size): row.judge_error for row in found.rows.values()}
    told = ", ".join(f"{phase} {size}x{size} {error:.3f}" for (phase, size), error in sorted(errors.items()))
    return f"Without background and noise the indexer's own median error, in degrees, is: {told}.\n"


def when_not(found: Found) -> list[str]:
    """Where denoising brings nothing, or harm, with the numbers that say so."""
    told = found.told
    return [
        f"- **When the raw patterns index.** At 60 electrons {told('points', 60.0, 'raw')} of the raw points come out "
        f"right and {told('points', 60.0, 'ours')} of the denoised ones. Without noise the median error goes "
        f"from {told('points', CLEAN, 'raw', 'median', '.3f')}° to "
        f"{told('points', CLEAN, 'ours', 'median', '.3f')}°.",
        "- **One pattern at a time, where there is a map.** On the map at 4 electrons, the plain average of 3x3 "
        f"neighbours gets {told('map', 4.0, 'average')} right, NLPAR {told('map', 4.0, 'nlpar')}, the network without "
        f"neighbours {told('map', 4.0, 'ours')}, and with 3x3 neighbours {told('map', 4.0, 'ours 3x3')}.",
        "- **With neighbours, where grains are as small as the window.** Of the points beside a grain boundary, "
        f"{told('map', 4.0, 'ours 3x3', 'at_boundaries')} are right at 4 electrons with 3x3 neighbours and "
        f"{told('map', 4.0, 'ours 5x5', 'at_boundaries')} with 5x5, of all points {told('map', 4.0, 'ours 3x3')} and "
        f"{told('map', 4.0, 'ours 5x5')}.",
        "- **Where there may be no pattern at all.** Of pure noise at 2 electrons, "
        f"{told('noise', 2.0, 'ours', 'confident', '.1%')} comes out confident denoised one by one and "
        f"{told('noise', 2.0, 'ours 5x5', 'confident', '.1%')} with 5x5 neighbours, and 1% of the raw patterns. That "
        "is no more, but what the network draws there looks like a pattern, where the raw one looks like noise. By "
        f"kikuchi-unet-large it is {told('noise', 2.0, 'larger', 'confident', '.1%')} one by one and "
        f"{told('noise', 2.0, 'larger 5x5', 'confident', '.1%')} with 5x5 neighbours: a little more than raw.",
        "- **Where intensities carry meaning, or for strain.** Each pattern is stretched on its own; for strain, see "
        "below, and `--careful`.\n",
        "All of this was measured on simulated patterns: no dead pixels, no drift, no deformation but the gradients "
        "above, and a pattern centre that is known. On a real scan, try a few hundred points first.\n",
    ]


def share(row: Row) -> str:
    """Share within 2 degrees, percent, and its interval."""
    return f"{100 * row.within2:.1f} ({100 * row.within2_low:.0f}–{100 * row.within2_high:.0f})"


def common_error(row: Row) -> str:
    """Median error on the points that raw and treated both index, and that of the raw ones."""
    if row.treatment == "raw":
        return f"{row.median_common:.2f}"
    return f"{row.median_common:.2f} ({row.median_common_raw:.2f})" if row.common >= 10 else "–"


def confident_share(row: Row) -> str:
    """Share of confident patterns, percent, with 1.96 standard errors of independent patterns."""
    error = np.sqrt(row.confident * (1 - row.confident) / row.points)
    return f"{100 * row.confident:.1f} ± {196 * error:.1f}"


def plot_shares(found: Found, path: Path) -> None:
    """Share within 2 degrees against electrons, for points and map, each line named at its left end."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharey=True)
    for axis, data, title in zip(axes, ("points", "map"), ("random orientations", "map"), strict=True):
        rows = [row for row in found.some("nickel", 120, data) if row.electrons <= 60]
        ends = {}
        for kind, (_, colour) in LINES.items():
            line = sorted((row.electrons, row) for row in rows if row.treatment == kind)
            if line:
                _draw(axis, line, colour)
                ends[kind] = line[0][0], 100 * line[0][1].within2
        _name_lines(axis, ends)
        levels = sorted({row.electrons for row in rows})
        axis.set(xscale="log", xlabel="electrons a pixel", title=f"nickel, 120x120, {title}")
        axis.set_xticks(levels, [f"{level:g}" for level in levels])
        axis.set_xticks([], minor=True)
        axis.set_xlim(min(levels, default=2) / 4, max(levels, default=60) * 1.1)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share within 2 degrees of the truth, %")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _draw(axis: Any, line: list[tuple[float, Row]], colour: str) -> None:
    electrons = [level for level, _ in line]
    shares = [100 * row.within2 for _, row in line]
    below = [100 * (row.within2 - row.within2_low) for _, row in line]
    above = [100 * (row.within2_high - row.within2) for _, row in line]
    axis.errorbar(electrons, shares, (below, above), color=colour, marker="o", markersize=4, capsize=2, linewidth=1.5)


def _name_lines(axis: Any, ends: dict[str, tuple[float, float]], apart: float = 4.5) -> None:
    """Names to the left of the lines' left ends, moved up where they would lie on each other."""
    height = -np.inf
    for kind, (electrons, end) in sorted(ends.items(), key=lambda item: item[1][1]):
        height = max(end, height + apart)
        name, colour = LINES[kind]
        axis.annotate(
            name,
            (electrons, end),
            xytext=(electrons / 1.25, height),
            fontsize=8,
            color=colour,
            ha="right",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (1, 0.5)},
        )


def _count(rows: list[Row]) -> int:
    return max((row.points for row in rows), default=0)


def _level(electrons: float) -> str:
    return "clean" if np.isinf(electrons) else f"{electrons:g} e"


def main() -> None:
    """Write the page's generated part and its plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "quality.csv")
    parser.add_argument("--published", default="", help="what the published network was trained on, for its label")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    found = Found(read_rows(options.results))
    write_section("quality", document(found, options.published), options.page)
    plot_shares(found, options.page.parent / "images" / "quality-shares.png")


if __name__ == "__main__":
    main()
