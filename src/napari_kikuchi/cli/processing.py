"""The commands that make patterns better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..recipe import (
    Autoencoder,
    AverageWeights,
    Clahe,
    DynamicBackground,
    NeighbourAverage,
    Neighbours,
    Placement,
    Recipe,
    Removal,
    StaticBackground,
)
from ..scan import ScanError
from .batch import Run, process
from .options import (
    TILES,
    BackendOption,
    ClipLimit,
    CopySidecars,
    DeviceOption,
    GridOption,
    Mask,
    Output,
    Overwrite,
    Paths,
    PrecisionOption,
    Restart,
    Scheduler,
    Tiles,
    Workers,
    about,
    examples,
    given,
    in_range,
    usage,
)

__all__ = ["commands"]

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "napari-kikuchi clahe scan.up2 scan-clahe.up2",
        "napari-kikuchi clahe scan.up1 equalised --clip-limit 2 --tiles 4x4",
    )
)
def clahe(
    paths: Paths,
    clip_limit: ClipLimit = Clahe.clip_limit,
    tiles: Tiles = TILES,
    mask: Mask = None,
    output: Output = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Even out brightness and bring up weak bands (contrast-limited adaptive histogram equalisation)."""
    step = usage(lambda: Clahe(clip_limit, (tiles.rows, tiles.columns)))
    process(paths, Recipe([step], mask=mask), Run(output, grid, overwrite, restart, workers, scheduler, copy_sidecars))


@commands.command(
    epilog=examples(
        "napari-kikuchi background scan.up2 scan-flat.up2",
        "napari-kikuchi background scan.up1 scan-flat.up1 --static subtract --dynamic none --background detector.png",
    )
)
def background(
    ctx: typer.Context,
    paths: Paths,
    static: Annotated[
        Removal, typer.Option("--static", help=f"{about(StaticBackground, 'operation')['help']} none: neither.")
    ] = "divide",
    dynamic: Annotated[
        Removal, typer.Option("--dynamic", help=f"{about(DynamicBackground, 'operation')['help']} none: neither.")
    ] = "divide",
    sigma: Annotated[float, typer.Option("--sigma", **in_range(DynamicBackground, "sigma"))] = DynamicBackground.sigma,
    own: Annotated[
        Path | None,
        typer.Option(
            "--background",
            metavar="FILE",
            help=f"{about(StaticBackground, 'background')['help']} A grey image, or a .npy file (floats in 0..1).",
        ),
    ] = None,
    mask: Mask = None,
    output: Output = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Take out the background that all patterns share, their mean, and then each pattern's own, a blur of it."""
    from ..formats import read_pattern

    if static == "none" and own is not None:
        raise typer.BadParameter("--background is the static background: choose --static divide or subtract.")
    if dynamic == "none" and given(ctx, sigma="--sigma"):
        raise typer.BadParameter("--sigma belongs to the dynamic background: choose --dynamic divide or subtract.")
    recipe = usage(lambda: Recipe.removing_background(static, dynamic, sigma, mask=mask))
    if own is not None:
        recipe = Recipe.removing_background(static, dynamic, sigma, read_pattern(own), mask)
    process(paths, recipe, Run(output, grid, overwrite, restart, workers, scheduler, copy_sidecars))


@commands.command(
    epilog=examples(
        "napari-kikuchi average scan.up2 scan-average.up2",
        "napari-kikuchi average patterns averaged --grid 200x300 --window 5 --weights similar",
    )
)
def average(
    paths: Paths,
    window: Annotated[int, typer.Option("--window", **in_range(NeighbourAverage, "window"))] = NeighbourAverage.window,
    weights: Annotated[
        AverageWeights, typer.Option("--weights", help=about(NeighbourAverage, "weights")["help"])
    ] = NeighbourAverage.weights,
    mask: Mask = None,
    output: Output = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Average each pattern with its neighbours on the map, which takes noise away and blurs grain boundaries."""
    step = usage(lambda: NeighbourAverage(window, weights))
    process(paths, Recipe([step], mask=mask), Run(output, grid, overwrite, restart, workers, scheduler, copy_sidecars))


@commands.command(
    epilog=examples(
        "napari-kikuchi denoise scan.up2 scan-denoised.up2",
        "napari-kikuchi denoise patterns denoised --model network.keras --clahe after --clip-limit 2",
        "napari-kikuchi denoise scan.up2 again.up2 --recipe scan-denoised.up2.recipe.toml",
        "napari-kikuchi denoise monday.up2 tuesday.up2 --output denoised",
    )
)
def denoise(
    ctx: typer.Context,
    paths: Paths,
    model: Annotated[str, typer.Option("--model", help=about(Autoencoder, "model")["help"])] = Autoencoder.model,
    neighbours: Annotated[
        Neighbours,
        typer.Option("--neighbours", help=about(Autoencoder, "neighbours")["help"]),
    ] = Autoencoder.neighbours,
    careful: Annotated[bool, typer.Option("--careful", help=about(Autoencoder, "careful")["help"])] = False,
    clahe: Annotated[
        Placement, typer.Option("--clahe", help="Where CLAHE is applied, if at all, seen from the network.")
    ] = "none",
    clip_limit: ClipLimit = Clahe.clip_limit,
    tiles: Tiles = TILES,
    mask: Mask = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe",
            metavar="FILE",
            help="Do again what this recipe says, as written beside every output, instead of the options above.",
        ),
    ] = None,
    trust_model: Annotated[bool, typer.Option("--trust-model", help=about(Autoencoder, "trust_model")["help"])] = False,
    backend: BackendOption = "auto",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    output: Output = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Denoise each pattern with a network, and write a file that indexing software reads, with its recipe beside it."""
    from ..autoencoder.model import use_device

    if (backend, device, precision) != ("auto", "auto", "auto"):
        usage(lambda: use_device(device, backend=backend, precision=precision))
    of_clahe = given(ctx, clip_limit="--clip-limit", tiles="--tiles")
    if recipe is not None:
        own = given(
            ctx, model="--model", neighbours="--neighbours", careful="--careful", clahe="--clahe", mask="--mask"
        )
        others = [*own, *of_clahe]
        if others:
            raise typer.BadParameter(f"--recipe says all steps; {others[0]} cannot be given with it.")
        steps = _read_recipe(recipe, trust_model)
    else:
        if clahe == "none" and of_clahe:
            raise typer.BadParameter(f"{of_clahe[0]} belongs to CLAHE: add --clahe before, after or both.")
        size = tiles.rows, tiles.columns
        steps = usage(
            lambda: Recipe.denoising(
                model,
                neighbours=neighbours,
                careful=careful,
                clahe=clahe,
                clip_limit=clip_limit,
                tiles=size,
                mask=mask,
                trust_model=trust_model,
            )
        )
    process(paths, steps, Run(output, grid, overwrite, restart, workers, scheduler, copy_sidecars))


def _read_recipe(path: Path, trust_model: bool) -> Recipe:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScanError(f"{path} is not a TOML file, but something that is no text.") from None
    recipe = Recipe.from_toml(text, str(path))
    steps = [replace(step, trust_model=trust_model) if isinstance(step, Autoencoder) else step for step in recipe.steps]
    return Recipe(steps, recipe.output, recipe.mask)
