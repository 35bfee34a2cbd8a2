"""From an input to an output on the command line: a model loaded, progress shown, and what was written told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from .recipe import Autoencoder, Recipe
from .scan import Grid

__all__ = ["INTERRUPTED", "load_models", "process", "progress_bar", "report_written", "say_pairing"]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C stopped."""


def process(source: Path, target: Path, recipe: Recipe, grid: Grid | None, overwrite: bool, restart: bool) -> None:
    """Run a recipe from a file or folder to a file or folder, as `pipeline.process_file`, telling what goes on."""
    from .file_run import begin
    from .formats import check_target, is_up, open_scan, save_scan
    from .formats.partial import check_free_or_begun, discard_partial
    from .formats.targets import refuse_own_input
    from .pipeline import apply

    scan = open_scan(source, grid=grid)
    if is_up(target):
        refuse_own_input(target, scan)
        if restart:
            discard_partial(target)
        check_free_or_begun(target, overwrite=overwrite)
        load_models(recipe)
        run = begin(scan, target, recipe, overwrite=overwrite)
        _say_neighbours(Recipe.from_toml(run.text))
        with progress_bar(recipe.title, scan.n) as progress, _resumable(target):
            for done in run.run():
                progress(done, scan.n)
    else:
        check_target(target, scan, overwrite=overwrite)
        load_models(recipe)
        result = apply(scan, recipe)
        _say_neighbours(Recipe.from_toml(result.recipe))
        with progress_bar(recipe.title, scan.n) as progress:
            save_scan(target, result, overwrite=overwrite, progress=progress)
    report_written(scan.n, target)
    say_pairing(source, target)


@contextmanager
def _resumable(target: Path) -> Iterator[None]:
    """Say, where Ctrl-C stops a run, how to go on with it."""
    from .formats.partial import partial_path

    try:
        yield
    except KeyboardInterrupt:
        kept = partial_path(target)
        if not kept.exists():
            raise
        typer.echo(
            f"\nStopped: what is finished stays in {kept}, and the same command goes on from there; --restart begins "
            "anew.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


def load_models(recipe: Recipe) -> None:
    """Load the networks, saying so: a progress bar would stand still meanwhile."""
    models = dict.fromkeys(step.model for step in recipe.steps if isinstance(step, Autoencoder))
    if not models:
        return
    from .autoencoder.model import device_summary

    typer.echo(f"Loading the model {', '.join(models)}, which takes some seconds ...", err=True)
    recipe.prepare()
    typer.echo(f"Loaded; {device_summary()}.", err=True)


def _say_neighbours(recipe: Recipe) -> None:
    """Say which neighbours the network uses, which may have been left to it."""
    for step in recipe.steps:
        if isinstance(step, Autoencoder):
            used = f"their {step.neighbours} neighbours on the map" if step.rim else "no neighbours"
            typer.echo(f"Denoising patterns with {used} (--neighbours {step.neighbours}).", err=True)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def report_written(n: int, target: Path) -> None:
    """Say what was written, and where its recipe is."""
    from .formats import recipe_path

    recipe = recipe_path(target)
    typer.echo(
        f"Wrote {n} patterns to {target}" + (f", and what was done to them to {recipe}." if recipe.exists() else ".")
    )


def say_pairing(source: Path, target: Path) -> None:
    """Say which of the indexing software's files has to get the name of an output that has a new one."""
    from .formats import sidecars

    if found := sidecars(source, target):
        typer.echo(str(found), err=True)
