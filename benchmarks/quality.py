"""Judge treatments of noisy patterns by indexing them: how many orientations come out right, and how well.

    python benchmarks/quality.py [--quick] [--resume] [--model MODEL] [--published MODEL]
    python benchmarks/quality.py --data map --sizes 120 --electrons 8 4 --treatments raw average ours

Simulated patterns of phases that the network under test never saw are written as UP2, run through the command line,
read back and indexed with PyEBSDIndex, with one setting for all. Without --data, --sizes, --electrons, --phases and
--treatments, the cases are those of `default_cases`; with any of these, every combination. Each row is written to the
results as soon as it is there, and --resume keeps those that the same command and weights would give again.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import structural_similarity

import napari_kikuchi as nk
from indexing import Indexed, Judge
from napari_kikuchi.autoencoder.projection import MasterPattern
from napari_kikuchi.processing.background import dynamic_background
from simulated import READ_NOISE, Dataset, camera, grain_map, pure_noise, random_points, write
from treatments import Treatment, treatments

HERE = Path(__file__).parent
CLEAN = float("inf")
MAIN = ("raw", "average", "nlpar", "ours", "ours 3x3", "ours 5x5")
SINGLE = ("raw", "clahe", "background", "ours", "clahe, ours", "ours, clahe", "published")
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


@dataclass(frozen=True)
class Row:
    """One treatment of one dataset at one level. Shares are in 0..1, errors in degrees, NaN where there is none.

    Attributes
    ----------
    phase, size, data, electrons, treatment, points
        What was judged.
    digest : str
        Of the command and the weights.
    within2, within2_low, within2_high, within5, within5_low, within5_high : float
        Share of points this near to the truth, in degrees, and 95% intervals, resampled by grain.
    at_boundaries : float
        Share within 2 degrees of those points of a map that have a neighbour in another grain.
    median_right : float
        Median error of the points within 2 degrees.
    median_common, median_common_raw, common : float, float, int
        Median error, treated and raw, on the points within 2 degrees both raw and treated, and their number.
    median, p90 : float
        Median and 90th percentile of the error over all points.
    threshold : float
        Confidence that 1% of raw patterns of pure noise exceed, at this size and level.
    confident, confident_wrong : float
        Share above it, and share above it and more than 5 degrees off.
    psnr, ssim : float
        Peak signal to noise ratio, dB, and structural similarity of the bands, as `similarity` takes them.
    patterns_per_second : float
        From file to file.
    """

    phase: str
    size: int
    data: str
    electrons: float
    treatment: str
    points: int
    digest: str
    within2: float
    within2_low: float
    within2_high: float
    within5: float
    within5_low: float
    within5_high: float
    at_boundaries: float
    median_right: float
    median_common: float
    median_common_raw: float
    common: int
    median: float
    p90: float
    threshold: float
    confident: float
    confident_wrong: float
    psnr: float
    ssim: float
    patterns_per_second: float

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one key replace each other."""
        return self.phase, self.size, self.data, self.electrons, self.treatment, self.points, self.digest


class Results:
    """The rows of a CSV file, which is written anew at each row so that it is always whole.

    Parameters
    ----------
    path : Path
    resume : bool
        Go on with the rows that are there, instead of starting afresh.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self.rows = {row.key: row for row in read_rows(path)} if resume and path.exists() else {}

    def add(self, row: Row) -> None:
        """Keep a row, and write all to the file."""
        self.rows[row.key] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(
                {name: _text(value) for name, value in asdict(kept).items()} for kept in self.rows.values()
            )
        part.replace(self.path)


def read_rows(path: Path) -> list[Row]:
    """The rows of a results file."""
    kinds = {"float": float, "int": int, "str": str}
    with path.open(newline="") as file:
        return [
            Row(**{field.name: kinds[str(field.type)](line[field.name]) for field in fields(Row)})
            for line in csv.DictReader(file)
        ]


def _text(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, float) else value


def judged(case: Case, known: dict[str, Treatment], results: Results) -> Iterator[Row]:
    """The rows of a case, those that are in the results already and those that are found now."""
    chosen = [known[name] for name in case.treatments if name in known]
    chosen = [treatment for treatment in chosen if case.data != "points" or not treatment.needs_map]
    dataset = _dataset(case)
    for electrons in case.electrons:
        blank = _blank(case, electrons, len(dataset.rotations))
        wanted = [replace(blank, treatment=treatment.name, digest=treatment.digest) for treatment in chosen]
        if not all(row.key in results.rows for row in wanted):
            for row in _level(dataset, electrons, wanted, known, results):
                results.add(row)
        yield from (results.rows[row.key] for row in wanted)


def _level(
    dataset: Dataset, electrons: float, wanted: list[Row], known: dict[str, Treatment], results: Results
) -> Iterator[Row]:
    """The rows of one level that are wanted and not there yet."""
    pixels = camera(dataset.intensity, electrons)
    judge = _judge(wanted[0].phase, wanted[0].size)
    threshold = _threshold(wanted[0].phase, wanted[0].size, electrons)
    raw = judge.index(pixels, dataset.rotations)
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "raw.up2", pixels, dataset.grid)
        for row in wanted:
            if row.key in results.rows:
                continue
            target = Path(folder) / "treated.up2"
            seconds = known[row.treatment](source, target)
            treated = np.asarray(nk.open_scan(target).patterns)
            found = raw if row.treatment == "raw" else judge.index(treated, dataset.rotations)
            target.unlink()
            yield _measured(replace(row, threshold=threshold), dataset, raw, found, treated, seconds)


def _measured(
    row: Row, dataset: Dataset, raw: Indexed, found: Indexed, treated: NDArray[np.uint16], seconds: float
) -> Row:
    confident = found.confidences > row.threshold
    row = replace(row, confident=float(confident.mean()), patterns_per_second=len(treated) / seconds)
    if row.data == "noise":
        return row
    right, errors = found.errors < 2, found.errors
    common = right & (raw.errors < 2)
    within2, within5 = (resampled_share(errors < limit, dataset.grains) for limit in (2, 5))
    psnr, ssim = similarity(
        treated[:: len(treated) // COMPARED or 1], dataset.signals[:: len(treated) // COMPARED or 1]
    )
    return replace(
        row,
        **dict(zip(("within2", "within2_low", "within2_high"), within2, strict=True)),
        **dict(zip(("within5", "within5_low", "within5_high"), within5, strict=True)),
        at_boundaries=_mean(right[boundaries(dataset)]),
        median_right=_median(errors[right]),
        median_common=_median(errors[common]),
        median_common_raw=_median(raw.errors[common]),
        common=int(common.sum()),
        median=_median(errors),
        p90=float(np.percentile(errors, 90)),
        confident_wrong=float(np.mean(confident & (errors > 5))),
        psnr=psnr,
        ssim=ssim,
    )


def resampled_share(right: NDArray[np.bool_], grains: NDArray[np.int64]) -> tuple[float, float, float]:
    """Share of right points, with the 95% interval of 2000 resamplings of whole grains.

    Points of a grain are not independent: they share their orientation, and with it how hard they are to index.
    """
    of_grain = np.bincount(grains)
    right_of_grain = np.bincount(grains, weights=right)
    random = np.random.default_rng(1)
    drawn = random.multinomial(len(of_grain), np.full(len(of_grain), 1 / len(of_grain)), size=2000)
    shares = (drawn @ right_of_grain) / (drawn @ of_grain)
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(right.mean()), float(low), float(high)


def boundaries(dataset: Dataset) -> NDArray[np.bool_]:
    """Points of a map with a neighbour, diagonal ones too, in another grain; none without a map. Shape (n,)."""
    if dataset.grid is None:
        return np.zeros(len(dataset.grains), bool)
    grains = np.pad(dataset.grains.reshape(dataset.grid.shape), 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(grains, (3, 3))
    return (around != around[..., 1:2, 1:2]).any(axis=(2, 3)).ravel()


def similarity(patterns: NDArray[np.uint16], signals: NDArray[np.float32]) -> tuple[float, float]:
    """Mean PSNR, dB, and mean SSIM of the bands, to noise-free signals in 0..1.

    Slow changes, a blur by an eighth of the width, are taken out of both, since some treatments keep the background and
    others do not; then scale and offset are fitted to each pattern. SSIM with a Gaussian window of 1.5 pixels (Wang et
    al. 2004, doi 10.1109/TIP.2003.819861).
    """
    psnr, ssim = [], []
    for pattern, signal in zip(_bands(patterns / np.float32(65535)), _bands(signals), strict=True):
        centred = pattern - pattern.mean()
        scale = (centred * signal).sum() / max((centred**2).sum(), 1e-12)
        fitted = scale * centred + signal.mean()
        psnr.append(-10 * np.log10(max(np.mean((fitted - signal) ** 2), 1e-12)))
        ssim.append(structural_similarity(fitted, signal, data_range=1.0, gaussian_weights=True, sigma=1.5))
    return float(np.mean(psnr)), float(np.mean(ssim))


def _bands(patterns: NDArray[np.float32]) -> NDArray[np.float64]:
    return (patterns - dynamic_background(patterns, patterns.shape[2] / 8)).astype(np.float64)


def _blank(case: Case, electrons: float, points: int) -> Row:
    nothing = {field.name: float("nan") for field in fields(Row)}
    told = {"phase": case.phase, "size": case.size, "data": case.data, "electrons": electrons, "points": points}
    return Row(**{**nothing, **told, "treatment": "", "digest": "", "common": 0})  # type: ignore[arg-type]


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


@lru_cache(maxsize=2)
def _dataset(case: Case) -> Dataset:
    if case.data == "noise":
        return pure_noise(case.size)
    if case.data == "map":
        return grain_map(_master(case.phase), case.size)
    return random_points(_master(case.phase), case.points, case.size)


@lru_cache
def _threshold(phase: str, size: int, electrons: float) -> float:
    """Confidence that 1% of raw patterns of pure noise exceed; none for clean patterns."""
    if np.isinf(electrons):
        return float("nan")
    noise = pure_noise(size)
    found = _judge(phase, size).index(camera(noise.intensity, electrons), noise.rotations)
    return float(np.quantile(found.confidences, 0.99))


def default_cases() -> list[Case]:
    """What the published tables are made of."""
    others = [
        Case(phase, size, data, electrons, MAIN if data == "map" else ("raw", "ours"), points=300)
        for phase, size, electrons in (
            ("nickel", 60, (60.0, 18.0)),
            ("nickel", 236, (4.0, 2.0)),
            ("zinc", 120, (8.0, 4.0)),
            ("tantalum-carbide", 120, (8.0, 4.0)),
        )
        for data in ("points", "map")
    ]
    return [
        Case("nickel", 120, "points", (CLEAN, 400.0, 60.0, 18.0, 8.0, 4.0, 2.0), SINGLE),
        Case("nickel", 120, "map", (CLEAN, 18.0, 8.0, 4.0, 2.0), MAIN),
        Case("nickel", 120, "noise", (8.0, 4.0, 2.0), (*MAIN, "clahe", "published")),
        *others,
    ]


def quick_cases() -> list[Case]:
    """The main rows, in a few minutes."""
    return [
        Case("nickel", 120, "points", (CLEAN, 8.0, 4.0), ("raw", "ours"), points=300),
        Case("nickel", 120, "map", (4.0,), MAIN),
        Case("nickel", 120, "noise", (4.0,), ("raw", "ours", "ours 3x3")),
    ]


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Every combination of what was asked for; the default or quick cases if nothing was."""
    asked = options.data, options.sizes, options.electrons, options.phases, options.treatments
    if not any(asked):
        cases = quick_cases() if options.quick else default_cases()
        return [case for case in cases if (HERE / f"{case.phase}.npz").exists()]
    return [
        Case(
            phase,
            size,
            data,
            tuple(options.electrons or (18.0, 8.0, 4.0, 2.0)),
            tuple(options.treatments or dict.fromkeys((*MAIN, *SINGLE))),
            options.points,
        )
        for phase in options.phases or ["nickel"]
        for size in options.sizes or [120]
        for data in options.data or ["points", "map"]
    ]


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
    results = Results(options.output, options.resume)
    console = Console(width=160)
    for case in chosen_cases(options):
        rows = list(judged(case, known, results))
        console.print(table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the main rows only, in a few minutes")
    parser.add_argument("--resume", action="store_true", help="keep rows that are there already")
    parser.add_argument("--data", nargs="+", choices=("points", "map", "noise"))
    parser.add_argument("--sizes", nargs="+", type=int, help="pixels")
    parser.add_argument("--electrons", nargs="+", type=float, choices=(CLEAN, *READ_NOISE), help="mean; inf is clean")
    parser.add_argument("--phases", nargs="+", help="names of the .npz files beside this script, or paths of others")
    parser.add_argument("--treatments", nargs="+", choices=list(dict.fromkeys((*MAIN, *SINGLE))))
    parser.add_argument("--model", help="model under test, by name or path; the shipped default without it")
    parser.add_argument("--published", help="the published network's weights, as a model file")
    parser.add_argument("--points", type=int, default=500, help="random orientations, for a chosen combination")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "quality.csv")
    return parser


if __name__ == "__main__":
    main()
