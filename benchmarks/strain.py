"""Shifts between simulated patterns of slightly strained and turned crystals, by cross-correlation, raw and denoised.

    python benchmarks/strain.py [--model NAME] [--pairs 200]
    python benchmarks/strain.py --docs

The first measures, and writes results/strain.csv beside this file; the second makes the section of docs/quality.md and
its picture from that. A pair is two patterns of one random orientation of nickel (benchmarks/nickel.npz), the second of
a crystal that was deformed, each with noise of its own. 20 regions of interest are cross-correlated as HR-EBSD does.

A uniform deformation F takes a lattice vector v to F v, and a lattice plane to that of the vectors so deformed. All
that a pattern shows, zone axes and the traces of planes, so moves from direction r to F r, and the deformed crystal
shows in direction r what the undeformed one shows in F^-1 r. Band widths, which follow the Bragg angle, are taken as
unchanged, as HR-EBSD takes them; so is the size of the cell, to which the method is blind. The true shift follows
exactly.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.model import DEFAULT_MODEL
from napari_kikuchi.autoencoder.simulation import (
    Detector,
    MasterPattern,
    broad_background,
    kikuchi_signal,
    random_rotation,
)
from page import write_section
from simulated import CENTRE, CONTRAST, DISTANCE, SEED, camera

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "strain.csv"
IMAGES = HERE.parent / "docs" / "images"
SIZE, REGION = 236, 64
CAREFUL = "denoised with --careful"
ELECTRONS = (400.0, 60.0, 18.0, 8.0)
STRAINS = (0.0005, 0.002)
LARGEST_ROTATION = 0.2
# Cycles in a region: slower changes are the background's and the window's, faster ones mostly noise.
BAND = (2.0, 12.0)
# A correlation whose peak lies further off than this, pixels, has found another peak.
LOST = 1.0
LONGEST, FINENESS, ROUNDS = 4, 10, 3
DETECTOR = Detector(SIZE, SIZE, CENTRE, DISTANCE)
Patterns = NDArray[Any]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """What was measured for one treatment at one dose.

    Attributes
    ----------
    electrons : float
        A pixel; infinite without noise.
    treatment : str
    pairs, shifts : int
        Pairs of patterns, and components of shifts (two a region) compared.
    lost : float
        Share of regions whose shift is off by more than a pixel. Slope and mean error are without them.
    slope, slope_error : float
        Of measured against true shift, and its standard error by resampling of pairs. 1 is without bias.
    mean_error : float
        Of measured minus true shift, pixels.
    scatter : float
        Robust standard deviation of shifts about the line, pixels.
    strain_error : float
        Robust standard deviation, 1e-4, of the error of the components of the strain that fits a pair's shifts.
    strain_spread : float
        Root mean square of the true components, 1e-4.
    """

    electrons: float
    treatment: str
    pairs: int
    shifts: int
    lost: float
    slope: float
    slope_error: float
    mean_error: float
    scatter: float
    strain_error: float
    strain_spread: float


def random_deformation(random: np.random.Generator) -> Array:
    """Deformation gradient, shape (3, 3): a strain of unchanged volume, then a rotation.

    The strain's largest principal value lies within STRAINS, the rotation is of up to 0.2 degrees about a random axis.
    """
    strain = random.standard_normal((3, 3))
    strain = strain + strain.T
    strain -= np.eye(3) * np.trace(strain) / 3
    strain *= random.uniform(*STRAINS) / np.abs(np.linalg.eigvalsh(strain)).max()
    axis = random.standard_normal(3)
    turn = axis / np.linalg.norm(axis) * random.uniform(0, LARGEST_ROTATION)
    return Rotation.from_rotvec(turn, degrees=True).as_matrix() @ (np.eye(3) + strain)


def deformed_pattern(master: MasterPattern, rotation: Array, deformation: Array) -> Patterns:
    """Noise-free pattern of a crystal, turned by the inverse of the rotation and then deformed, shape (236, 236)."""
    directions = np.linalg.inv(deformation) @ DETECTOR.directions().reshape(3, -1)
    crystal = rotation @ (directions / np.linalg.norm(directions, axis=0))
    crystal *= np.where(crystal[2] < 0, -1, 1)
    return kikuchi_signal(master.intensity(crystal.astype(np.float32).reshape(3, SIZE, SIZE)))


def region_centres() -> NDArray[np.int_]:
    """Row and column of the middles of 20 regions in 4 rows of 5, shape (20, 2)."""
    rows, columns = np.linspace(38, SIZE - 38, 4), np.linspace(38, SIZE - 38, 5)
    return np.array([(row, column) for row in rows for column in columns]).round().astype(int)


def rays(centres: NDArray[np.int_]) -> Array:
    """Vectors from the sample to the middles of regions, in pixels, shape (n, 3)."""
    x = centres[:, 1] + 0.5 - CENTRE[0] * SIZE
    y = CENTRE[1] * SIZE - 0.5 - centres[:, 0]
    return np.stack([x, y, np.full(len(centres), DISTANCE * SIZE)], axis=1)


def true_shifts(deformation: Array, centres: NDArray[np.int_]) -> Array:
    """How far what is seen at the regions' middles moves down and to the right, pixels, shape (n, 2)."""
    before = rays(centres)
    after = before @ deformation.T
    after *= (DISTANCE * SIZE) / after[:, 2:]
    return np.stack([before[:, 1] - after[:, 1], after[:, 0] - before[:, 0]], axis=1)


def band_passed(pattern: Patterns) -> Array:
    """The pattern without changes slower or faster than BAND, shape (236, 236)."""
    margin = REGION
    padded = np.pad(pattern.astype(np.float64), margin, mode="reflect")
    cycles = np.fft.fftfreq(len(padded)) * REGION
    radius = np.hypot(cycles[:, None], cycles[None, :])
    low, high = BAND
    weights = (1 - np.exp(-((radius / low) ** 4))) * np.exp(-((radius / high) ** 4))
    return np.fft.ifft2(np.fft.fft2(padded) * weights).real[margin:-margin, margin:-margin]


def region_shift(reference: Array, splines: Array, centre: NDArray[np.int_]) -> Array:
    """Shift of one region between filtered patterns, by cross-correlation: pixels down and to the right, shape (2,).

    Both regions fade towards their rim (Hann), which correlates too, and draws shifts towards 0 by 6%. So the region of
    the second pattern, given as cubic splines, is taken again where it was found, until nothing is left to draw.
    """
    window = np.hanning(REGION + 1)[:-1]
    grid = np.arange(REGION) - REGION // 2
    rows, columns = grid + centre[0], grid + centre[1]
    one = np.conj(np.fft.fft2(reference[np.ix_(rows, columns)] * np.outer(window, window)))
    shift = np.zeros(2)
    for _ in range(ROUNDS):
        places = np.meshgrid(rows + shift[0], columns + shift[1], indexing="ij")
        other = map_coordinates(splines, places, order=3, prefilter=False, mode="mirror")
        shift = np.clip(shift + peak(one * np.fft.fft2(other * np.outer(window, window))), -LONGEST, LONGEST)
    return shift


def peak(product: NDArray[np.complex128]) -> Array:
    """Where the correlation with this Fourier transform is highest: rows and columns from its origin, shape (2,)."""
    steps = np.arange(-LONGEST * FINENESS, LONGEST * FINENESS + 1) / FINENESS
    waves = np.exp(2j * np.pi * np.outer(steps, np.fft.fftfreq(REGION)))
    correlation = (waves @ product @ waves.T).real
    highest = np.unravel_index(correlation.argmax(), correlation.shape)
    row, column = np.clip(highest, 1, len(steps) - 2)
    return np.array(
        [
            steps[row] + vertex(correlation[row - 1 : row + 2, column]) / FINENESS,
            steps[column] + vertex(correlation[row, column - 1 : column + 2]) / FINENESS,
        ]
    )


def vertex(three: Array) -> float:
    """Where the parabola through three values at -1, 0 and 1 has its vertex."""
    before, middle, after = three
    return float(0.5 * (before - after) / (before - 2 * middle + after))


def measured_shifts(reference: Patterns, test: Patterns, centres: NDArray[np.int_]) -> Array:
    """Shifts of the regions around the given pixels, shape (n, 2)."""
    one, other = band_passed(reference), spline_filter(band_passed(test), mode="mirror")
    return np.stack([region_shift(one, other, centre) for centre in centres])


def fitted_strain(shifts: Array, centres: NDArray[np.int_]) -> Array:
    """Strain of unchanged volume that explains a pair's shifts best, shape (3, 3).

    A ray r that moved to the ray p obeys p_z (F r)_x = p_x (F r)_z, and likewise for y: linear in F, whose F_zz is set
    to 1, since rays have no length. Equations that fit badly, as those of wild shifts do, are weighted down (Cauchy).
    """
    before = rays(centres)
    after = before + np.stack([shifts[:, 1], -shifts[:, 0], np.zeros(len(shifts))], axis=1)
    nothing = np.zeros_like(before)
    equations = np.concatenate(
        [
            np.concatenate([after[:, 2:] * before, nothing, -after[:, :1] * before], axis=1),
            np.concatenate([nothing, after[:, 2:] * before, -after[:, 1:2] * before], axis=1),
        ]
    )
    weights = np.ones(len(equations))
    for _ in range(10):
        eight = np.linalg.lstsq(equations[:, :8] * weights[:, None], -equations[:, 8] * weights, rcond=None)[0]
        residuals = equations @ np.append(eight, 1)
        width = 2.385 * max(robust_deviation(residuals), 1e-9)
        weights = 1 / np.sqrt(1 + (residuals / width) ** 2)
    return strain_of(np.append(eight, 1).reshape(3, 3))


def strain_of(deformation: Array) -> Array:
    """Strain (right stretch tensor less one) of a deformation brought to unchanged volume."""
    deformation = deformation / np.cbrt(np.linalg.det(deformation))
    squares, axes = np.linalg.eigh(deformation.T @ deformation)
    return (axes * np.sqrt(squares)) @ axes.T - np.eye(3)


def robust_deviation(values: Array) -> float:
    """Standard deviation of a normal distribution with the same median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def compared(electrons: float, treatment: str, patterns: Patterns, deformations: list[Array]) -> Row:
    """Measure all pairs: the references come first among the patterns, then as many of deformed crystals."""
    centres = region_centres()
    n = len(deformations)
    true = np.stack([true_shifts(deformation, centres) for deformation in deformations])
    found = np.stack([measured_shifts(patterns[i], patterns[n + i], centres) for i in range(n)])
    kept = np.linalg.norm(found - true, axis=2) < LOST
    random = np.random.default_rng(0)
    slopes = [line(true[i][kept[i]], found[i][kept[i]])[0] for i in random.integers(n, size=(200, n))]
    slope, offset = line(true[kept], found[kept])
    components = np.triu_indices(3)
    strains = np.stack([strain_of(deformation)[components] for deformation in deformations])
    fitted = np.stack([fitted_strain(shifts, centres)[components] for shifts in found])
    return Row(
        electrons=electrons,
        treatment=treatment,
        pairs=n,
        shifts=true.size,
        lost=float(1 - kept.mean()),
        slope=slope,
        slope_error=float(np.std(slopes)),
        mean_error=float(np.mean(found[kept] - true[kept])),
        scatter=robust_deviation(found - slope * true - offset),
        strain_error=1e4 * robust_deviation(fitted - strains),
        strain_spread=1e4 * float(np.sqrt(np.mean(strains**2))),
    )


def line(true: Array, found: Array) -> tuple[float, float]:
    """Slope and offset of the straight line through measured against true shifts, by least squares."""
    slope, offset = np.polyfit(true.ravel(), found.ravel(), 1)
    return float(slope), float(offset)


def measure(options: argparse.Namespace) -> list[Row]:
    """All rows, each printed when it is known."""
    master = MasterPattern.load(HERE / "nickel.npz")
    random = np.random.default_rng(options.seed)
    rotations = [random_rotation(random) for _ in range(options.pairs)]
    deformations = [random_deformation(random) for _ in range(options.pairs)]
    signals = np.stack(
        [deformed_pattern(master, rotation, np.eye(3)) for rotation in rotations]
        + [deformed_pattern(master, *pair) for pair in zip(rotations, deformations, strict=True)]
    )
    background = broad_background((SIZE, SIZE), (0.53, 0.42), 0.45, 0.3)
    intensity = background * (1 + CONTRAST * (2 * signals - 1))
    treatments: dict[str, Callable[[Patterns], Patterns]] = {
        "raw": lambda patterns: patterns,
        "background removed": lambda patterns: nk.remove_background(patterns, static="none"),
        "denoised": lambda patterns: nk.denoise(patterns, options.model),
        CAREFUL: lambda patterns: nk.denoise(patterns, options.model, careful=True),
    }
    rows = []
    for electrons in (np.inf, *ELECTRONS):
        patterns = camera(intensity, electrons, options.seed)
        for treatment, treat in treatments.items():
            rows.append(compared(electrons, treatment, treat(patterns), deformations))
            print(rows[-1])
    return rows


def save(rows: list[Row]) -> None:
    """Write the CSV."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in asdict(row).items()}
            )


def load() -> list[dict[str, Any]]:
    """The CSV's rows, numbers as numbers."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return [
            {key: value if key == "treatment" else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


def document() -> None:
    """Make the picture and the section from the results."""
    rows = load()
    picture(rows)
    write_section("strain", section(rows))


SECTION = """## Strain

HR-EBSD measures strain by the shifts of a pattern's regions against those of a reference pattern. Here both are
simulated: {pairs:.0f} pairs of 236x236 pixels, each of one random orientation of nickel, the second of a crystal
strained by 0.0005 to 0.002 and turned by up to 0.2°, each with noise of its own. 20 regions of 64x64 pixels, filtered
to 2 to 12 cycles a region, which suits the raw patterns best. The master pattern is coarse (half-width 160 pixels,
0.45° a pixel): finer detail, from which real HR-EBSD gets part of its precision, is missing in raw and denoised
patterns alike.

![Slope and scatter of shifts, and error of strain, against electrons](images/strain-shifts.png)

| electrons a pixel | patterns | off by over 1 pixel | slope | mean error, px | scatter, px | strain error, 1e-4 |
|---|---|---|---|---|---|---|
{table}

The slope of measured against true shift is 1 without bias. It and the mean error are without the regions that are off
by over a pixel, and are left out where those are over half. Scatter is the robust standard deviation of all shifts
about that slope; they were looked for up to 4 pixels away, which bounds it. The strain error is that of the components
of strain fitted to the shifts of each pair; the true ones have a root mean square of {strain_spread:.1f}e-4.

- Without noise, the method itself has a slope of {clean_raw[slope]:.3f}; on the same patterns denoised it is
  {clean_denoised[slope]:.3f}. Part of what a network draws stays where it is when the pattern moves. With `--careful`,
  which averages what it draws in four places of its grid of pixels and takes four times as long, it is
  {clean_careful[slope]:.3f}, and the error of strain {clean_careful[strain_error]:.2f}e-4 instead of
  {clean_denoised[strain_error]:.2f}e-4 (the method itself: {clean_raw[strain_error]:.2f}e-4).
- At 400 electrons the scatter is {many_raw[scatter]:.3f} pixels raw, {many_denoised[scatter]:.3f} denoised and
  {many_careful[scatter]:.3f} with care, the error of strain {many_raw[strain_error]:.1f}e-4,
  {many_denoised[strain_error]:.1f}e-4 and {many_careful[strain_error]:.1f}e-4.
- At 18 electrons {few_raw[lost]:.0%} of the regions are lost raw and {few_denoised[lost]:.0%} denoised, and the error
  of strain is {few_raw[strain_error]:.0f}e-4 and {few_denoised[strain_error]:.0f}e-4.

Made by `python benchmarks/strain.py` and, from its results, `python benchmarks/strain.py --docs`."""


def section(rows: list[dict[str, Any]]) -> str:
    """The section as Markdown."""
    by = {(row["electrons"], row["treatment"]): row for row in rows}
    return SECTION.format(
        pairs=rows[0]["pairs"],
        strain_spread=rows[0]["strain_spread"],
        table="\n".join(map(cells, rows)),
        clean_raw=by[np.inf, "raw"],
        clean_denoised=by[np.inf, "denoised"],
        clean_careful=by[np.inf, CAREFUL],
        many_raw=by[400.0, "raw"],
        many_denoised=by[400.0, "denoised"],
        many_careful=by[400.0, CAREFUL],
        few_raw=by[18.0, "raw"],
        few_denoised=by[18.0, "denoised"],
    )


def cells(row: dict[str, Any]) -> str:
    """A row of the table; slope and mean error only where enough regions were found for them."""
    electrons = "no noise" if np.isinf(row["electrons"]) else f"{row['electrons']:g}"
    bias = (
        f"{row['slope']:.3f} ± {row['slope_error']:.3f} | {row['mean_error']:+.3f}" if row["lost"] <= 0.5 else "– | –"
    )
    return (
        f"| {electrons} | {row['treatment']} | {row['lost']:.1%} | {bias} | {row['scatter']:.3f} "
        f"| {row['strain_error']:.1f} |"
    )


def picture(rows: list[dict[str, Any]]) -> None:
    """Slope, scatter and strain error against electrons."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    colours = {"background removed": "tab:blue", "raw": "0.3", "denoised": "tab:orange", CAREFUL: "tab:green"}
    for treatment, colour in colours.items():
        mine = [row for row in rows if row["treatment"] == treatment and np.isfinite(row["electrons"])]
        found = [row for row in mine if row["lost"] <= 0.5]
        axes[0].errorbar(
            [row["electrons"] for row in found],
            [row["slope"] for row in found],
            [row["slope_error"] for row in found],
            marker="o",
            capsize=3,
            color=colour,
        )
        for axis, key in zip(axes[1:], ("scatter", "strain_error"), strict=True):
            axis.loglog(
                [row["electrons"] for row in mine], [row[key] for row in mine], "o-", color=colour, label=treatment
            )
    axes[0].axhline(1, color="0.8", zorder=0)
    axes[0].set(xscale="log", ylabel="slope, measured against true shift")
    axes[1].set(ylabel="scatter of shifts, pixels")
    axes[2].set(ylabel="error of strain, 1e-4")
    axes[2].axhline(rows[0]["strain_spread"], color="0.8", zorder=0)
    axes[2].annotate(
        "spread of the true strain",
        (8, rows[0]["strain_spread"]),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=8,
    )
    axes[1].legend(fontsize=8)
    for axis in axes:
        axis.set_xticks(ELECTRONS, [f"{electrons:g}" for electrons in ELECTRONS])
        axis.set_xticks([], minor=True)
        axis.set_xlabel("electrons a pixel")
    figure.savefig(IMAGES / "strain-shifts.png", dpi=100)


def main() -> None:
    """Measure, or write the documentation from what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or path of a model")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--docs", action="store_true", help="write the section of docs/quality.md from the results")
    options = parser.parse_args()
    if options.docs:
        document()
    else:
        save(measure(options))


if __name__ == "__main__":
    main()
