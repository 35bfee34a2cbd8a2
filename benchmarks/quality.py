"""Judge treatments of noisy patterns by indexing them: how many orientations come out right, and how well.

    python benchmarks/quality.py [--quick] [--resume] [--busy] [--model MODEL] [--published MODEL]
    python benchmarks/quality.py --data map --sizes 120 --electrons 8 4 --treatments raw average ours

Simulated patterns of phases that the network under test never saw are written as UP2, run through the command line,
read back and indexed with PyEBSDIndex, with one setting for all. Without --data, --sizes, --electrons, --phases and
--treatments, the cases are those of `default_cases`; with any of these, every combination. Each row is written to the
results as soon as it is there, and --resume keeps those that the same command and weights would give again. The tables
and plots of docs/quality.md are made from the results by report.py.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import napari_kikuchi as nk
from indexing import Indexed, Judge
from napari_kikuchi.autoencoder.projection import MasterPattern
from rows import Results, Row
from scores import boundaries, resampled_share, similarity
from simulated import READ_NOISE, Dataset, camera, grain_map, pure_noise, random_points, write
from treatments import Treatment, treatments

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "quality.csv"
CLEAN = float("inf")
MAIN = ("raw", "average", "nlpar", "ours", "ours 3x3", "ours 5x5")
ON_MAP = (*MAIN, "similar", "published", "larger", "larger 3x3", "larger 5x5")
SINGLE = (
    "raw",
    "clahe",
    "background",
    "ours",
    "ours careful",
    "clahe, ours",
    "ours, clahe",
    "published",
    "larger",
    "larger careful",
)
ON_NOISE = ("raw", "background", "average", "ours", "ours 5x5", "larger", "larger careful", "larger 5x5")
# Rows and columns of the map of grains, and of the noise from which its threshold of confidence is taken.
SIDE = 40
# Rows and columns of the map of noise that is itself the question: a share of 1% is then known to 0.25%.
NOISE_SIDE = 80
# Patterns of each row that PSNR and SSIM are taken from, spread evenly: their mean needs no more.
COMPARED = 200


@dataclass(frozen=True)
class Case:
    """One dataset, at some levels and under some treatments."""

    phase: str
    size: int
    data: str
    electrons: tuple[float, ...]
    treatments: tuple[str, ...]
    points: int = 500


def judged(case: Case, known: dict[str, Treatment], results: Results, busy: bool = False) -> Iterator[Row]:
    """The rows of a case, those that are in the results already and those that are found now; no speeds if busy."""
    chosen = [known[name] for name in case.treatments if name in known]
    chosen = [treatment for treatment in chosen if case.data != "points" or not treatment.needs_map]
    points = {"points": case.points, "map": SIDE**2, "noise": NOISE_SIDE**2}[case.data]
    for electrons in case.electrons:
        level = case.phase, case.size, case.data, electrons
        wanted = [Row(*level, treatment.name, points, treatment.digest) for treatment in chosen]
        missing = [row for row in wanted if row not in results]
        if missing:
            for row in _level(_dataset(case), electrons, missing, known):
                results.add(replace(row, patterns_per_second=np.nan) if busy else row)
        yield from (results.rows[row.key] for row in wanted)


def _level(dataset: Dataset, electrons: float, wanted: list[Row], known: dict[str, Treatment]) -> Iterator[Row]:
    """The rows of one level that are wanted."""
    pixels = camera(dataset.intensity, electrons)
    phase, size = wanted[0].phase, wanted[0].size
    judge = _judge(phase, size)
    raw = judge.index(pixels, dataset.rotations)
    threshold = _exceeded(raw) if wanted[0].data == "noise" else _threshold(phase, size, electrons)
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "raw.up2", pixels, dataset.grid)
        for number, row in enumerate(wanted):
            treatment, target = known[row.treatment], Path(folder) / f"treated-{number}.up2"
            seconds = treatment(source, target)
            treated = np.array(nk.open_scan(target).patterns)
            target.unlink()
            found = raw if treatment.name == "raw" else judge.index(treated, dataset.rotations)
            row = replace(
                row,
                judge_error=judge.clean_error,
                threshold=threshold,
                confident=float(np.mean(found.confidences > threshold)),
                patterns_per_second=len(treated) / seconds if treatment.name != "raw" else np.nan,
            )
            if row.data != "noise":
                row = _compared(_indexed(row, dataset, raw, found), dataset, treated, treatment.keeps_background)
            yield row


def _indexed(row: Row, dataset: Dataset, raw: Indexed, found: Indexed) -> Row:
    right, errors = found.errors < 2, found.errors
    common = right & (raw.errors < 2)
    within2, within5 = (resampled_share(errors < limit, dataset.grains) for limit in (2, 5))
    return replace(
        row,
        within2=within2[0],
        within2_low=within2[1],
        within2_high=within2[2],
        within5=within5[0],
        within5_low=within5[1],
        within5_high=within5[2],
        at_boundaries=_mean(right[boundaries(dataset)]),
        median_right=_median(errors[right]),
        median_common=_median(errors[common]),
        median_common_raw=_median(raw.errors[common]),
        common=int(common.sum()),
        median=_median(errors),
        p90=float(np.percentile(errors, 90)),
        confident_wrong=float(np.mean((found.confidences > row.threshold) & (errors > 5))),
    )


def _compared(row: Row, dataset: Dataset, treated: NDArray[np.uint16], keeps_background: bool) -> Row:
    every = max(len(treated) // COMPARED, 1)
    background = dataset.background if keeps_background else np.ones_like(dataset.background)
    psnr, ssim = similarity(treated[::every], dataset.signals[::every], background)
    return replace(row, psnr=psnr, ssim=ssim)


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


@lru_cache
def _master(phase: str) -> MasterPattern:
    return MasterPattern.load(HERE / f"{phase}.npz" if "/" not in phase else phase)


@lru_cache
def _judge(phase: str, size: int) -> Judge:
    judge = Judge(_master(phase), size)
    print(f"{phase}, {size}x{size}: median error on clean patterns {judge.clean_error:.3f} degrees")
    return judge


@lru_cache(maxsize=1)
def _dataset(case: Case) -> Dataset:
    if case.data == "noise":
        return pure_noise(case.size, NOISE_SIDE)
    if case.data == "map":
        return grain_map(_master(case.phase), case.size, SIDE)
    return random_points(_master(case.phase), case.points, case.size)


@lru_cache
def _threshold(phase: str, size: int, electrons: float) -> float:
    """Confidence that 1% of raw patterns of pure noise exceed; none for clean patterns."""
    if np.isinf(electrons):
        return float("nan")
    noise = pure_noise(size, SIDE)
    found = _judge(phase, size).index(camera(noise.intensity, electrons), noise.rotations)
    return _exceeded(found)


def _exceeded(noise: Indexed) -> float:
    """The confidence that 1% exceed."""
    return float(np.quantile(noise.confidences, 0.99))


def default_cases() -> list[Case]:
    """What the published tables are made of."""
    others = (
        ("nickel", 60, (60.0, 18.0)),
        ("nickel", 236, (4.0, 2.0)),
        ("zinc", 120, (18.0, 8.0, 4.0)),
        ("tantalum-carbide", 120, (18.0, 8.0, 4.0)),
    )
    return [
        Case("nickel", 120, "points", (CLEAN, 400.0, 60.0, 18.0, 8.0, 4.0, 2.0), SINGLE),
        Case("nickel", 120, "map", (CLEAN, 18.0, 8.0, 4.0, 2.0), ON_MAP),
        # Where averaging begins to blur more than it brings: what `--neighbours auto` goes by.
        Case("nickel", 120, "map", (400.0, 60.0), ("raw", "ours", "ours 3x3")),
        Case("nickel", 120, "noise", (8.0, 2.0), ON_NOISE),
        *(Case(phase, size, "points", electrons, ("raw", "ours", "larger"), 300) for phase, size, electrons in others),
        *(Case(phase, size, "map", electrons[-1:], (*MAIN, "larger 5x5")) for phase, size, electrons in others),
    ]


def quick_cases() -> list[Case]:
    """The main rows, in a few minutes."""
    return [
        Case("nickel", 120, "points", (CLEAN, 8.0, 4.0), ("raw", "ours"), 300),
        Case("nickel", 120, "map", (4.0,), MAIN[:-1]),
        Case("nickel", 120, "noise", (4.0,), ("raw", "ours")),
    ]


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Every combination of what was asked for; the default or quick cases if nothing was."""
    if not _is_choice(options):
        return quick_cases() if options.quick else default_cases()
    return [
        Case(
            phase,
            size,
            data,
            tuple(options.electrons or (18.0, 8.0, 4.0, 2.0)),
            tuple(options.treatments or dict.fromkeys((*ON_MAP, *SINGLE))),
            options.points,
        )
        for phase in options.phases or ["nickel"]
        for size in options.sizes or [120]
        for data in options.data or ["points", "map"]
    ]


def _is_choice(options: argparse.Namespace) -> bool:
    return any((options.data, options.sizes, options.electrons, options.phases, options.treatments))


def table(rows: list[Row]) -> Table:
    """Rows of one dataset, to print."""
    first = rows[0]
    shown = Table(
        title=f"{first.phase}, {first.data} ({first.points}), {first.size}x{first.size}", title_justify="left"
    )
    for heading in ("e", "treatment", "< 2 deg, %", "95%", "< 5", "edges", "median", "common (raw)", "p90"):
        shown.add_column(heading, justify="left" if heading == "treatment" else "right")
    for heading in ("conf.", "c. wrong", "PSNR", "SSIM", "1/s"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            "clean" if np.isinf(row.electrons) else f"{row.electrons:g}",
            row.treatment,
            f"{100 * row.within2:.1f}",
            f"{100 * row.within2_low:.0f}..{100 * row.within2_high:.0f}",
            f"{100 * row.within5:.1f}",
            f"{100 * row.at_boundaries:.1f}",
            f"{row.median_right:.2f}",
            f"{row.median_common:.2f} ({row.median_common_raw:.2f})",
            f"{row.p90:.1f}",
            f"{100 * row.confident:.1f}",
            f"{100 * row.confident_wrong:.1f}",
            f"{row.psnr:.1f}",
            f"{row.ssim:.3f}",
            f"{row.patterns_per_second:.0f}",
        )
    return shown


def main() -> None:
    """Judge the cases asked for, and print a table of each."""
    options = _parser().parse_args()
    known = treatments(options.model, options.published)
    is_published = not options.quick and not _is_choice(options)
    results = Results(options.output or (RESULTS if is_published else None), options.resume)
    console = Console(width=160)
    for case in chosen_cases(options):
        rows = list(judged(case, known, results, options.busy))
        console.print(table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the main rows only, in a few minutes")
    parser.add_argument("--resume", action="store_true", help="keep rows that the results hold already")
    parser.add_argument("--busy", action="store_true", help="leave out speeds: the machine does other work besides")
    parser.add_argument("--data", nargs="+", choices=("points", "map", "noise"))
    parser.add_argument("--sizes", nargs="+", type=int, help="pixels")
    parser.add_argument("--electrons", nargs="+", type=float, choices=(CLEAN, *READ_NOISE), help="mean; inf is clean")
    parser.add_argument("--phases", nargs="+", help="names of the .npz files beside this script, or paths of others")
    parser.add_argument("--treatments", nargs="+", choices=list(dict.fromkeys((*ON_MAP, *SINGLE))))
    parser.add_argument("--model", help="model under test, by name or path; the shipped default without it")
    parser.add_argument("--published", help="the published network's weights, as a model file")
    parser.add_argument("--points", type=int, default=500, help="random orientations, for a chosen combination")
    parser.add_argument("--output", type=Path, help=f"results file; {RESULTS.name} for the default cases, else none")
    return parser


if __name__ == "__main__":
    main()
