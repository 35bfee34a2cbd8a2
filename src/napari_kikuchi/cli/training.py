"""The commands for networks of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..autoencoder.dynamical import SimulationSettings, find_adapter, simulate_master_pattern
from ..autoencoder.structures import PHASES, find_structure
from ..formats.targets import check_free
from ..scan import ScanError
from .options import BackendOption, DeviceOption, Overwrite, usage
from .output import INTERRUPTED, progress_bar

if TYPE_CHECKING:
    from ..autoencoder.training import Progress, TrainingConfig

__all__ = ["commands"]

commands = typer.Typer()


def _setting(name: str) -> dict[str, Any]:
    """Range and help of an option that is a number of the simulation's settings."""
    about = next(spec.metadata for spec in fields(SimulationSettings) if spec.name == name)
    return {"min": about["min"], "max": about["max"], "help": about["help"]}


@commands.command(
    epilog="Examples:\n\nnapari-kikuchi simulate al fe-bcc mystructure.cif --output masters\n\n"
    "napari-kikuchi simulate w --output masters --smallest-spacing 0.065 --half-width 120 --energy-bin 1.5"
)
def simulate(
    structures: Annotated[
        list[str],
        typer.Argument(
            metavar="CIF|NAME ...", show_default=False, help=f"CIF files, or names of phases: {', '.join(PHASES)}."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="FOLDER", help="Where NAME.npz is written; made if it is not there.")
    ] = Path(),
    voltage: Annotated[float, typer.Option("--voltage", **_setting("voltage"))] = SimulationSettings.voltage,
    tilt: Annotated[float, typer.Option("--tilt", **_setting("tilt"))] = SimulationSettings.tilt,
    smallest_spacing: Annotated[
        float, typer.Option("--smallest-spacing", **_setting("smallest_spacing"))
    ] = SimulationSettings.smallest_spacing,
    half_width: Annotated[int, typer.Option("--half-width", **_setting("half_width"))] = SimulationSettings.half_width,
    energy_bin: Annotated[
        float, typer.Option("--energy-bin", **_setting("energy_bin"))
    ] = SimulationSettings.energy_bin,
    overwrite: Overwrite = False,
) -> None:
    """Simulate dynamical master patterns of crystals, to train networks on; needs a graphics card, or patience."""
    crystals = [find_structure(structure) for structure in structures]
    targets = [output / f"{crystal.name}.npz" for crystal in crystals]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise ScanError(f"Two of these would be written to {twice}: rename a CIF file, or simulate them apart.")
    find_adapter()
    output.mkdir(parents=True, exist_ok=True)
    for target in targets:
        check_free(target, overwrite=overwrite)
    for crystal, target in zip(crystals, targets, strict=True):
        started = monotonic()
        with progress_bar(crystal.name) as progress:
            master = simulate_master_pattern(
                crystal,
                voltage=voltage,
                tilt=tilt,
                smallest_spacing=smallest_spacing,
                half_width=half_width,
                energy_bin=energy_bin,
                progress=progress,
            )
        master.save(target, overwrite=overwrite)
        side = master.hemispheres.shape[1]
        typer.echo(f"Wrote {target}, {side}x{side} pixels, in {(monotonic() - started) / 60:.1f} minutes.")


@commands.command(
    epilog="Examples:\n\nnapari-kikuchi train mine.toml\n\n"
    "napari-kikuchi train mine.toml --master-patterns masters --output runs/mine --minutes 60\n\n"
    "napari-kikuchi train mine.toml --noisy fast.up2 --clean slow.up2 --start kikuchi-unet-map --output runs/tuned"
)
def train(
    path: Annotated[
        Path,
        typer.Argument(metavar="CONFIG.toml", show_default=False, help="What decides the run; see docs/training.md."),
    ],
    master_patterns: Annotated[
        str | None,
        typer.Option("--master-patterns", metavar="FOLDER", help="Master patterns to simulate training patterns from."),
    ] = None,
    noisy: Annotated[
        str | None,
        typer.Option("--noisy", metavar="SCAN", help="Instead: the fast exposure, a UP file or a folder of images."),
    ] = None,
    clean: Annotated[
        str | None, typer.Option("--clean", metavar="SCAN", help="The slow exposure of the same points.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="MODEL", help="A shipped model's name, or a .weights.h5 file, to fine-tune."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FOLDER", help="Where the run is written; one found there is continued."),
    ] = None,
    backend: BackendOption = "auto",
    device: DeviceOption = "auto",
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="End after this time; 0: no limit.")] = None,
) -> None:
    """Train a network on master patterns or on two exposures, fine-tune one, or go on with a run that was stopped.

    Options go before what the configuration says.
    """
    from ..autoencoder.model import use_device
    from ..autoencoder.pairs import open_pairs
    from ..autoencoder.training import TrainingConfig, train_on

    options: dict[str, Any] = {"master_patterns": master_patterns, "start": start, "output": output, "minutes": minutes}
    if noisy is not None or clean is not None:
        options["scans"] = _scans(noisy, clean, master_patterns)
    usage(lambda: use_device(device, backend=backend))
    config = TrainingConfig.load(path, **{key: value for key, value in options.items() if value is not None})
    pairs = open_pairs(config)
    typer.echo(f"Training {config.network} on {pairs.trained_on}; held out: {pairs.held_out or 'nothing'}.", err=True)
    _say_device(config)
    with _training_progress(config) as progress:
        weights = train_on(pairs, config, progress)
    curve = " and ".join(file.name for file in sorted(weights.parent.glob("learning-curve.*")))
    typer.echo(f"Wrote {weights}, its card {config.name}.json, and {curve}.")
    typer.echo(f"Use it: napari-kikuchi denoise IN OUT --model {weights}")


def _scans(noisy: str | None, clean: str | None, master_patterns: str | None) -> tuple[Any, ...]:
    from ..autoencoder.training_config import ScanPair

    if noisy is None or clean is None:
        raise typer.BadParameter("Give both --noisy and --clean: the fast and the slow exposure.")
    if master_patterns is not None:
        raise typer.BadParameter("Give --master-patterns, or --noisy and --clean: a training has one source.")
    return (ScanPair(noisy, clean),)


def _say_device(config: TrainingConfig) -> None:
    """Load Keras, and say what it computes on, and what is written where."""
    from ..autoencoder.denoiser import import_keras
    from ..autoencoder.devices import summary
    from ..autoencoder.learning_curve import can_draw

    if config.start:
        typer.echo(f"It starts from {config.start}.", err=True)
    if not can_draw():
        typer.echo(
            'The learning curve is written as CSV, and not drawn: pip install "napari-kikuchi[train]" draws it.',
            err=True,
        )
    typer.echo("Loading Keras, which takes some seconds ...", err=True)
    import_keras()
    typer.echo(f"Loaded; {summary()}. Writing to {config.output}.", err=True)


@contextmanager
def _training_progress(config: TrainingConfig) -> Iterator[Callable[[Progress], None]]:
    """A progress bar where standard error is a terminal, else a line at each checkpoint; and the end by Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    steps: list[int] = []
    known = ""
    with Bars(BarColumn(), TextColumn("{task.description}"), console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=1.0)

        def tell(at: Progress) -> None:
            nonlocal known
            if not steps and at.step:
                bars.console.print(f"Going on after step {at.step}.")
            steps.append(at.step)
            share = config.share_done(at.step, at.minutes)
            left = f", {at.minutes * (1 / share - 1):.0f} minutes left" if share else ""
            said = f"step {at.step} of {at.steps}{left}: loss {at.loss:.3f}"
            if at.validation_loss is not None:
                known = f"; held out: loss {at.validation_loss:.3f}, correlation {at.correlation:.3f}"
                bars.console.print(f"{said}{known}", highlight=False, soft_wrap=True)
            bars.update(task, completed=share, description=f"{said}{known}")

        try:
            yield tell
        except KeyboardInterrupt:
            where = f"after step {steps[-1]}" if steps else "before the first step"
            bars.console.print(f"Stopped {where}; the same command goes on from there.")
            raise typer.Exit(INTERRUPTED) from None
