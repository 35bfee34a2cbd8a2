"""Real patterns, raw and denoised: whether their orientations stay, and which bands are found that are not there.

    python benchmarks/real.py [--model NAME] [--draws 20]
    python benchmarks/real.py --docs

The first measures, and writes results/real.csv beside this file and the pictures of docs/images; the second makes the
section of docs/quality.md from the results.

The patterns are those that come with the package. nickel-static-background.npy is the static background of the nickel
map, as published with it: Ånes et al., doi 10.5281/zenodo.3265037, CC BY 4.0.
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
from pyebsdindex import pcopt, tripletvote
from scipy.spatial.transform import Rotation

import napari_kikuchi as nk
from indexing import angles, make_indexer, orientation_matrices
from napari_kikuchi.autoencoder.model import DEFAULT_MODEL
from napari_kikuchi.processing.background import remove_dynamic_background
from napari_kikuchi.processing.mask import find_screen
from page import write_section

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "real.csv"
IMAGES = HERE.parent / "docs" / "images"
ELECTRONS = (400.0, 200.0, 100.0, 60.0, 30.0)
BINNINGS = (2, 4)
# Dose of the picture of a failure: where patterns begin to come out crisp and wrong.
WORST = 60.0
SEED = 7
# Pattern centres in Bruker's convention: published with the nickel map; where the search for silicon's begins.
NICKEL_CENTRE = (0.425, 0.213, 0.501)
SILICON_START = (0.5, 0.2, 0.5)
# The circle of silicon's screen, a hundredth of the width inside its edge, as a user would draw it. Bites stay inside.
SCREEN = nk.CircularMask(0.497, 0.517, 0.51)
BANDS, ALL_BANDS = 9, 30
# Two bands are the same within this angle, degrees, and this share of half the pattern's side.
SAME_ANGLE, SAME_PLACE = 3.0, 0.04
FLAT = "background removed inside the screen"
CUBIC = Rotation.create_group("O").as_matrix()
Patterns = NDArray[Any]
Lines = NDArray[np.float64]
Treatment = Callable[[Patterns], Patterns]


@dataclass(frozen=True)
class Row:
    """What was measured for one treatment at one dose.

    Attributes
    ----------
    sample : "nickel" or "silicon"
    size : int
        Pixels a side.
    electrons : float
        Mean a pixel inside the screen; infinite for the pattern as measured.
    treatment : str
    patterns : int
    within2 : float
        Share whose orientation is within 2 degrees of that before (nickel) or of the untouched pattern's (silicon).
    median, largest : float
        Of that angle, degrees.
    matched : float
        Mean number of bands, of 9, that agree with the orientation found.
    found : float
        Mean number of the untouched pattern's 9 strongest bands that are among the 9 found.
    invented : float
        Mean number of bands, of 9, that the untouched pattern lacks.
    chance : float
        Share of random lines that would count as bands of the untouched pattern.
    """

    sample: str
    size: int
    electrons: float
    treatment: str
    patterns: int
    within2: float
    median: float
    largest: float
    matched: float
    found: float = np.nan
    invented: float = np.nan
    chance: float = np.nan


@dataclass(frozen=True)
class Indexed:
    """Orientations, shape (n, 3, 3), numbers of matched bands, shape (n,), and for each pattern its bands."""

    orientations: NDArray[np.float64]
    matched: NDArray[np.int_]
    bands: list[Lines]


class Indexer:
    """PyEBSDIndex with the setting of indexing.py, for one size, pattern centre and kind of cubic lattice.

    Parameters
    ----------
    space_group : 225 or 227
        Face-centred cubic, or diamond.
    size : int
        Pixels a side.
    centre : (x, y, distance)
        In Bruker's convention.
    bands : int
        How many to look for.
    """

    def __init__(self, space_group: int, size: int, centre: tuple[float, ...], bands: int = BANDS) -> None:
        # Diamond's (200) is forbidden; of the others, those that reflect most.
        cube = [0, 0, 4] if space_group == 227 else [0, 0, 2]
        phase = tripletvote.addphase(
            phasename="cubic",
            spacegroup=space_group,
            latticeparameter=[1.0, 1.0, 1.0, 90.0, 90.0, 90.0],
            polefamilies=[[1, 1, 1], [0, 2, 2], cube, [1, 1, 3]],
        )
        self.size = size
        self.indexer = make_indexer(phase, size, centre, bands)

    def __call__(self, patterns: Patterns) -> Indexed:
        """Index patterns, shape (n, size, size)."""
        data, bands = self.indexer.index_pats(patsin=np.ascontiguousarray(patterns, np.float32))[:2]
        return Indexed(
            orientation_matrices(data[-1]["quat"]),
            data[-1]["nmatch"],
            [np.stack([one["theta"], one["rho"] / (self.size / 2)], axis=1)[one["valid"] > 0] for one in bands],
        )


class Silicon:
    """The silicon pattern at one binning, and what the indexer finds in it untouched.

    Attributes
    ----------
    pattern : array, shape (size, size)
        Counts.
    flat : array, shape (size, size)
        The pattern with its background divided out inside the screen.
    strongest : array, shape (9, 2)
        The bands by which it is indexed then: angle, and distance from the middle in half sides.
    bands : array, shape (n, 2)
        All bands found in it, at this binning and at others: a fine one that binning hides is no invention.
    """

    def __init__(self, binning: int) -> None:
        self.pattern = untouched(binning)[0]
        self.flat = flattened(untouched(binning))[0]
        size = len(self.pattern)
        centre = pcopt.optimize(self.flat[None], Indexer(227, size, SILICON_START).indexer, PC0=list(SILICON_START))
        print(f"silicon, {size}x{size}: pattern centre {np.round(centre, 3)}")
        self.indexer = Indexer(227, size, tuple(map(float, centre)))
        found = self.indexer(self.flat[None])
        self.orientation, self.strongest = found.orientations[0], found.bands[0]
        flats = [flattened(untouched(each)) for each in (1, *BINNINGS)]
        self.bands = np.concatenate(
            [Indexer(227, flat.shape[-1], SILICON_START, ALL_BANDS)(flat).bands[0] for flat in flats]
        )

    def draws(self, electrons: float, n: int) -> NDArray[np.uint16]:
        """The pattern with more counting noise, n times; for infinite electrons as measured, once."""
        if np.isinf(electrons):
            return digitised(self.pattern[None])
        random = np.random.default_rng([SEED, int(electrons), len(self.pattern)])
        mean = self.pattern * (electrons / self.pattern[SCREEN.inside(*self.pattern.shape)].mean())
        return digitised(random.poisson(mean, (n, *mean.shape)))

    def judged(self, electrons: float, treatment: str, patterns: Patterns) -> Row:
        """Compare patterns with the untouched one."""
        found = self.indexer(patterns)
        errors = angles(np.eye(3), turns(self.orientation, found.orientations)).min(axis=1)
        random = np.random.default_rng(SEED)
        lines = np.stack([random.uniform(0, np.pi, 5000), random.uniform(-0.9, 0.9, 5000)], axis=1)
        return Row(
            sample="silicon",
            size=len(self.pattern),
            electrons=electrons,
            treatment=treatment,
            patterns=len(patterns),
            within2=float(np.mean(errors < 2)),
            median=float(np.median(errors)),
            largest=float(errors.max()),
            matched=float(found.matched.mean()),
            found=float(np.mean([same(self.strongest, bands).sum() for bands in found.bands])),
            invented=float(np.mean([(~same(bands, self.bands)).sum() for bands in found.bands])),
            chance=float(same(lines, self.bands).mean()),
        )


def untouched(binning: int) -> NDArray[np.float32]:
    """The silicon pattern as measured, binned, shape (1, size, size)."""
    pattern = np.asarray(nk.open_scan(nk.sample_path("silicon")).patterns[:1], dtype=np.float32)
    size = pattern.shape[-1] // binning
    return pattern.reshape(1, size, binning, size, binning).mean(axis=(2, 4))


def digitised(counts: NDArray[Any]) -> NDArray[np.uint16]:
    """Counts as 16 bits, the brightest pixel 65535."""
    return np.rint(counts * (65535 / counts.max())).astype(np.uint16)


def turns(one: NDArray[np.float64], many: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations from one orientation to many, as each of the crystal's rotations has them, shape (n, 24, 3, 3)."""
    return np.einsum("ji,sjk,nkl->nsil", one, CUBIC, many)


def same(lines: Lines, others: Lines) -> NDArray[np.bool_]:
    """Whether each line is one of the others, within the tolerance, shape (len(lines),)."""
    half_turns = np.round((lines[:, None, 0] - others[None, :, 0]) / np.pi)
    apart = np.abs(lines[:, None, 0] - others[None, :, 0] - half_turns * np.pi)
    # A line turned by half a turn lies on the other side of the middle.
    places = np.where(half_turns % 2, -others[None, :, 1], others[None, :, 1])
    near = (np.degrees(apart) < SAME_ANGLE) & (np.abs(lines[:, None, 1] - places) < SAME_PLACE)
    return near.any(axis=1)


def filled(patterns: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Patterns grey outside the mask, where a mask leaves the shadow as it was, whose edge would pass for bands."""
    inside = SCREEN.inside(*patterns.shape[1:])
    means = patterns[:, inside].mean(axis=1).astype(np.uint16)
    return np.where(inside, patterns, means[:, None, None])


def flattened(patterns: Patterns) -> NDArray[np.float32]:
    """Patterns with their background divided out inside the screen, bites and all, and grey outside.

    The best that the indexer can be given without a network.
    """
    screen = find_screen(patterns.mean(axis=0))
    assert screen is not None
    patterns = patterns.astype(np.float32)
    return np.where(screen, remove_dynamic_background(patterns, patterns.shape[-1] / 8, mask=screen), 1)


def silicon_treatments(model: str) -> dict[str, Treatment]:
    """What is done to silicon; networks find the screen by themselves unless they are told."""
    blind = nk.Recipe([nk.Autoencoder(model, find_screen=False)])
    return {
        "raw": lambda patterns: patterns,
        "background removed": lambda patterns: nk.remove_background(patterns, static="none"),
        FLAT: flattened,
        "denoised": lambda patterns: nk.denoise(patterns, model),
        "denoised, mask given": lambda patterns: filled(nk.denoise(patterns, model, mask=SCREEN)),
        "denoised, blind to the screen": lambda patterns: nk.apply(patterns, blind),
    }


def nickel_rows(model: str) -> list[Row]:
    """The nine nickel patterns: orientations after each treatment against those before."""
    raw = np.array(nk.open_scan(nk.sample_path("nickel")).patterns)
    background = np.load(HERE / "nickel-static-background.npy")
    static = nk.remove_background(raw, static="divide", dynamic="none", background=background)
    treated = {
        "background removed": (raw, nk.remove_background(raw, static="none")),
        "denoised": (raw, nk.denoise(raw, model)),
        "static background removed": (raw, static),
        "static background removed, then denoised": (static, nk.denoise(static, model)),
    }
    save_nickel(raw, *(after for _, after in treated.values()))
    indexer = Indexer(225, raw.shape[-1], NICKEL_CENTRE)
    rows = []
    for treatment, (before, after) in {"raw": (raw, raw), **treated}.items():
        one, other = indexer(before), indexer(after)
        pairs = zip(one.orientations, other.orientations, strict=True)
        errors = np.array([angles(np.eye(3), turns(first, second[None])).min() for first, second in pairs])
        rows.append(
            Row(
                sample="nickel",
                size=raw.shape[-1],
                electrons=np.inf,
                treatment=treatment,
                patterns=len(raw),
                within2=float(np.mean(errors < 2)),
                median=float(np.median(errors)),
                largest=float(errors.max()),
                matched=float(other.matched.mean()),
            )
        )
    return rows


def silicon_rows(binning: int, options: argparse.Namespace) -> list[Row]:
    """The silicon pattern at one binning, at all doses."""
    silicon = Silicon(binning)
    rows = []
    shown: dict[float, dict[str, Patterns]] = {}
    for electrons in (np.inf, *ELECTRONS):
        raw = silicon.draws(electrons, options.draws)
        treated = {name: treat(raw) for name, treat in silicon_treatments(options.model).items()}
        rows += [silicon.judged(electrons, name, patterns) for name, patterns in treated.items()]
        shown[electrons] = treated
    save_silicon(silicon, shown)
    if binning == BINNINGS[-1]:
        save_worst(silicon, WORST, shown[WORST])
    return rows


def save_nickel(*maps: Patterns) -> None:
    """Show the 3x3 map raw, and after each treatment."""
    from matplotlib import pyplot as plt

    titles = ("raw", "background removed", "denoised", "static background\nremoved", "static removed,\nthen denoised")
    figure, axes = plt.subplots(1, len(maps), figsize=(10, 2.4), layout="constrained")
    for axis, title, patterns in zip(axes, titles, maps, strict=True):
        stretched = [one / np.percentile(one, 99.9) for one in patterns]
        show(axis, np.block([[stretched[3 * row + column] for column in range(3)] for row in range(3)]), title)
    save(figure, "real-nickel")


def save_silicon(silicon: Silicon, shown: dict[float, dict[str, Patterns]]) -> None:
    """Show the first draw at each dose, raw and treated."""
    from matplotlib import pyplot as plt

    columns = {
        "raw": "raw",
        FLAT: "background removed",
        "denoised": "denoised",
        "denoised, blind to the screen": "denoised, blind",
    }
    figure, axes = plt.subplots(len(shown), len(columns), figsize=(9, 2.25 * len(shown)), layout="constrained")
    for line, (electrons, treated) in zip(axes, shown.items(), strict=True):
        for axis, (name, title) in zip(line, columns.items(), strict=True):
            show(axis, treated[name][0], f"{dose(electrons)}, {title}")
    save(figure, f"real-silicon-{len(silicon.pattern)}")


def save_worst(silicon: Silicon, electrons: float, treated: dict[str, Patterns]) -> None:
    """Show the draw in whose denoised pattern most bands are invented, and those bands."""
    from matplotlib import pyplot as plt

    size = len(silicon.pattern)
    bands = silicon.indexer(treated["denoised"]).bands
    real = [same(lines, silicon.bands) for lines in bands]
    worst = int(np.argmax([(~one).sum() for one in real]))
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.75), layout="constrained")
    show(axes[0], silicon.flat, "untouched, and its strongest bands")
    draw_lines(axes[0], silicon.strongest, same(silicon.strongest, silicon.bands), size)
    show(axes[1], treated["raw"][worst], dose(electrons))
    show(axes[2], treated["denoised"][worst], "denoised")
    show(axes[3], treated["denoised"][worst], "bands found in it, invented ones red")
    draw_lines(axes[3], bands[worst], real[worst], size)
    save(figure, f"real-worst-{size}")


def show(axis: Any, image: Patterns, title: str) -> None:
    """Show an image in grey, its extremes cut off."""
    low, high = np.percentile(image, (0.5, 99.7))
    axis.imshow(image, cmap="gray", vmin=low, vmax=high)
    axis.set_title(title, fontsize=7)
    axis.axis("off")


def dose(electrons: float) -> str:
    """Electrons in words."""
    return "as measured" if np.isinf(electrons) else f"{electrons:g} electrons"


def draw_lines(axis: Any, lines: Lines, real: NDArray[np.bool_], size: int) -> None:
    """Draw the middles of bands, x cos t + y sin t = r from the pattern's middle with y up: real green, others red."""
    along = np.array([-size, size])
    for (angle, place), good in zip(lines, real, strict=True):
        x = place * size / 2 * np.cos(angle) - along * np.sin(angle)
        y = place * size / 2 * np.sin(angle) + along * np.cos(angle)
        axis.plot(x + (size - 1) / 2, (size - 1) / 2 - y, color="lime" if good else "red", linewidth=1)
    axis.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))


def save(figure: Any, name: str) -> None:
    """Write a picture for the documentation, in 256 colours, since noise makes large files."""
    from matplotlib import pyplot as plt
    from PIL import Image

    figure.canvas.draw()
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(256).save(IMAGES / f"{name}.png")
    plt.close(figure)


def measure(options: argparse.Namespace) -> None:
    """Write the results and the pictures."""
    import matplotlib

    matplotlib.use("agg")
    rows = nickel_rows(options.model)
    for binning in BINNINGS:
        rows += silicon_rows(binning, options)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in asdict(row).items()}
            writer.writerow(cells)


SECTION = """## Real patterns

Simulated patterns are the easier half. The two samples that come with the package are measured, with a screen that has
an edge, bites and dust.

### Nickel: do orientations stay?

Nine patterns of 60x60 pixels that index as they are. Angle between the orientation found before and after, and how many
of the {bands} strongest bands agree with the orientation:

| patterns | compared with | median angle | largest angle | bands that agree |
|---|---|---:|---:|---:|
{nickel}

![The nickel map raw and treated](images/real-nickel.png)

### Silicon, with noise added

One pattern of 480x480 pixels on a round screen, binned, with counting noise as if a pixel inside the screen had
received so many electrons on average; {draws} draws each. The pattern centre and the true orientation are what the
indexer finds in the untouched pattern with its background divided out inside the screen. A band is *invented* if the
untouched pattern lacks it at every binning, within {angle:g}° and {place:.0%} of half a side; {chance:.0%} of random
lines would pass for real ones. Share of draws within 2° of the true orientation, in percent, and mean number of
invented bands among the {bands} found; of the pattern as measured, the angle itself:

{silicon}
*Background removed* is the dynamic background, of the pattern as it comes. *Inside the screen* leaves out what the
package finds to be in shadow, and fills it with grey: the most that we could do for the indexer without a network.
*Denoised* is the default, which finds the screen by itself; with the *mask given*, a circle is left grey outside and
the screen's bites count as pattern; *blind* has the search for the screen switched off.

- At 240x240 and 30 electrons, {few_240[within2]:.0%} of the denoised patterns index rightly, with
  {few_240[invented]:.1f} invented bands; with the background removed inside the screen {flat_240[within2]:.0%}, with
  {flat_240[invented]:.1f}.
- At 120x120 and 60 electrons it is {mid_120[within2]:.0%} with {mid_120[invented]:.1f} against
  {flat_mid_120[within2]:.0%} with {flat_mid_120[invented]:.1f}.
- At 120x120 and 30 electrons it is {few_120[within2]:.0%} with {few_120[invented]:.1f} against
  {flat_120[within2]:.0%} with {flat_120[invented]:.1f}.

![Silicon at 240x240 pixels, raw and treated](images/real-silicon-240.png)

![Silicon at 120x120 pixels, raw and treated](images/real-silicon-120.png)

A denoised pattern can look crisp and be wrong. The one with most invented bands of {draws}, at {worst:g} electrons and
120x120 pixels:

![A denoised pattern with invented bands](images/real-worst-120.png)

Made by `python benchmarks/real.py` and, from its results, `python benchmarks/real.py --docs`. Nickel and its static
background: Ånes et al., [doi 10.5281/zenodo.3265037](https://doi.org/10.5281/zenodo.3265037); silicon: Ånes and Hjelen,
NTNU, 2021; both CC BY 4.0, here treated as told."""


def document() -> None:
    """Write the section of docs/quality.md from the results."""
    words = ("sample", "treatment")
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = [
            {key: value if key in words else float(value) for key, value in row.items()} for row in csv.DictReader(file)
        ]
    silicon = {(row["size"], row["electrons"], row["treatment"]): row for row in rows if row["sample"] == "silicon"}
    write_section(
        "real",
        SECTION.format(
            bands=BANDS,
            nickel="\n".join(nickel_cells(row) for row in rows if row["sample"] == "nickel"),
            draws=f"{max(row['patterns'] for row in silicon.values()):.0f}",
            angle=SAME_ANGLE,
            place=SAME_PLACE,
            chance=max(row["chance"] for row in silicon.values()),
            silicon="\n".join(
                silicon_table(silicon, size) for size in sorted({key[0] for key in silicon}, reverse=True)
            ),
            few_240=silicon[240, 30, "denoised"],
            flat_240=silicon[240, 30, FLAT],
            mid_120=silicon[120, 60, "denoised"],
            flat_mid_120=silicon[120, 60, FLAT],
            few_120=silicon[120, 30, "denoised"],
            flat_120=silicon[120, 30, FLAT],
            worst=WORST,
        ),
    )


def nickel_cells(row: dict[str, Any]) -> str:
    """A row of nickel's table."""
    agree = f"{row['matched']:.1f} of {BANDS}"
    if row["treatment"] == "raw":
        return f"| raw | – | – | – | {agree} |"
    before = "static background removed" if row["treatment"].endswith("then denoised") else "raw"
    return f"| {row['treatment']} | {before} | {row['median']:.2f}° | {row['largest']:.2f}° | {agree} |"


def silicon_table(rows: dict[Any, dict[str, Any]], size: float) -> str:
    """Treatments down, electrons across."""
    levels = (np.inf, *ELECTRONS)
    treatments = list(dict.fromkeys(treatment for _, _, treatment in rows))
    lines = [f"| {size:.0f}x{size:.0f} | " + " | ".join(dose(level) for level in levels) + " |"]
    lines.append("|---|" + "---:|" * len(levels))
    for treatment in treatments:
        cells = [rows[size, level, treatment] for level in levels]
        told = [f"{row['median']:.2f}°" if row["patterns"] == 1 else f"{100 * row['within2']:.0f}" for row in cells]
        pairs = [f"{one}, {row['invented']:.1f}" for one, row in zip(told, cells, strict=True)]
        lines.append(f"| {treatment} | " + " | ".join(pairs) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, or write the documentation from what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or path of a model")
    parser.add_argument("--draws", type=int, default=20, help="noisy patterns of silicon at each dose")
    parser.add_argument("--docs", action="store_true", help="write the section of docs/quality.md from the results")
    options = parser.parse_args()
    if options.docs:
        document()
    else:
        measure(options)


if __name__ == "__main__":
    main()
