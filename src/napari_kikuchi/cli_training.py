"""The commands for networks of one's own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from .autoencoder.dynamical import SimulationSettings, find_adapter, simulate_master_pattern
from .autoencoder.structures import PHASES, find_structure
from .cli_options import Overwrite
from .cli_output import progress_bar
from .formats.targets import check_free
from .scan import ScanError

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
