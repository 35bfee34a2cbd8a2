"""Inputs to outputs on the command line, one or many: which names, what goes on, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..recipe import Autoencoder, Recipe
from ..scan import Grid, ScanError
from .output import (
    INTERRUPTED,
    duration,
    load_models,
    progress_bar,
    report_written,
    say_neighbours,
    say_pairing,
)

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Run", "process"]


@dataclass(frozen=True)
class Run:
    """How a command that processes patterns was asked to go about it; see `options` for each."""

    output: Path | None = None
    grid: Grid | None = None
    overwrite: bool = False
    restart: bool = False
    workers: int | None = None
    scheduler: str | None = None
    copy_sidecars: bool = False


@dataclass(frozen=True)
class _Outcome:
    """What came of one of several inputs."""

    source: Path
    what: str
    failed: bool = False


def process(paths: list[Path], recipe: Recipe, run: Run) -> None:
    """Run a recipe from one input to one output, or from several into a folder, telling what goes on."""
    if run.workers is not None and run.scheduler is not None:
        raise typer.BadParameter("Give --workers or --scheduler: the scheduler has workers of its own.")
    if run.output is None:
        if len(paths) != 2:
            raise typer.BadParameter(
                f"Give one input and one output, or inputs with --output FOLDER; there are {len(paths)} names."
            )
        with _client(run) as client:
            n = _one(paths[0], paths[1], recipe, run, client, before=lambda: load_models(recipe))
        report_written(n, paths[1])
        say_pairing(paths[0], paths[1], copy=run.copy_sidecars)
        return
    sources = list(_inputs(paths))
    _check_names(sources)
    run.output.mkdir(exist_ok=True)
    load_models(recipe)
    with _client(run) as client:
        outcomes = [_attempt(source, run.output, recipe, run, client) for source in sources]
    _summarise(outcomes)


def _nothing() -> None:
    pass


def _one(
    source: Path, target: Path, recipe: Recipe, run: Run, client: Client | None, before: Callable[[], None] = _nothing
) -> int:
    """Process one input, doing something `before` that takes long; how many patterns it has."""
    from ..formats import check_target, is_up, open_scan, save_scan
    from ..formats.partial import check_free_or_begun, discard_partial
    from ..formats.targets import refuse_own_input
    from ..pipeline import apply
    from ..pipeline.file_run import begin

    scan = open_scan(source, grid=run.grid)
    if not is_up(target):
        if client is not None:
            raise ScanError(f"{target} is a folder by its name; several workers write .up1 and .up2 files only.")
        check_target(target, scan, overwrite=run.overwrite)
        before()
        result = apply(scan, recipe)
        say_neighbours(Recipe.from_toml(result.recipe))
        with progress_bar(recipe.title, scan.n) as progress:
            save_scan(target, result, overwrite=run.overwrite, progress=progress)
        return scan.n
    refuse_own_input(target, scan)
    if run.restart:
        discard_partial(target)
    check_free_or_begun(target, overwrite=run.overwrite)
    before()
    ready = begin(scan, target, recipe, overwrite=run.overwrite)
    say_neighbours(ready.recipe)
    with progress_bar(recipe.title, scan.n) as progress, _resumable(target):
        for number, done in enumerate(ready.run(client)):
            if number == 0 and done:
                typer.echo(f"Going on with {target.name}, of which {done} of {scan.n} patterns are done.", err=True)
            progress(done, scan.n)
    return scan.n


@contextmanager
def _client(run: Run) -> Iterator[Client | None]:
    """The workers that were asked for, if any."""
    if run.workers is None and run.scheduler is None:
        yield None
        return
    from ..pipeline.cluster import connected, local_workers

    with local_workers(run.workers) if run.workers is not None else connected(str(run.scheduler)) as client:
        yield client


@contextmanager
def _resumable(target: Path) -> Iterator[None]:
    """Say, where Ctrl-C stops a run, how to go on with it."""
    from ..formats.partial import partial_path

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


def _inputs(paths: Iterable[Path]) -> Iterator[Path]:
    """All inputs that were named: a pattern's matches, a folder's pattern files, or else the path itself."""
    from ..formats.up import PIXEL_TYPES

    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PIXEL_TYPES)
            # Without any it is a folder of images.
            yield from inside or [path]
        elif path.exists() or not {*"*?["} & {*path.name}:
            yield path
        else:
            # Windows leaves this to the program.
            matches = sorted(path.parent.glob(path.name))
            if not matches:
                raise typer.BadParameter(f"There is nothing of the name {path}.")
            yield from matches


def _check_names(sources: list[Path]) -> None:
    names: dict[str, Path] = {}
    for source in sources:
        other = names.setdefault(source.name, source)
        if other is not source:
            raise typer.BadParameter(f"{other} and {source} would both be written as {source.name}: run them apart.")


def _attempt(source: Path, folder: Path, recipe: Recipe, run: Run, client: Client | None) -> _Outcome:
    """Process one of several inputs; whatever is wrong with it is told, and does not stop the others."""
    target = folder / source.name
    if not (run.overwrite or run.restart) and _is_done(target, recipe):
        typer.echo(f"{source}: {target} is there already.", err=True)
        return _Outcome(source, "was there already")
    typer.echo(f"{source}:", err=True)
    began = time.monotonic()
    try:
        n = _one(source, target, recipe, run, client)
    except (ScanError, OSError) as error:
        sentence = " ".join(str(error).split())
        typer.echo(f"Error: {sentence}", err=True)
        return _Outcome(source, sentence, failed=True)
    except MemoryError:
        return _Outcome(source, "the memory of this machine is not enough", failed=True)
    return _Outcome(source, f"{n} patterns in {duration(time.monotonic() - began)}")


def _is_done(target: Path, recipe: Recipe) -> bool:
    """Whether an output is there that this recipe made, so that a batch can be given again after it was stopped."""
    from ..formats import recipe_path
    from ..formats.partial import partial_path

    if not (target.exists() and recipe_path(target).exists()) or partial_path(target).exists():
        return False
    try:
        made_by = Recipe.from_toml(recipe_path(target).read_text(encoding="utf-8"))
    except (ScanError, OSError, UnicodeDecodeError):
        return False
    return _left_open(made_by, recipe) == _left_open(recipe, recipe)


def _left_open(recipe: Recipe, by: Recipe) -> Recipe:
    """A recipe with those neighbours open again that another leaves open."""
    if len(recipe.steps) != len(by.steps):
        return recipe
    steps = [
        replace(step, neighbours="auto", trust_model=False)
        if isinstance(step, Autoencoder) and isinstance(other, Autoencoder) and other.neighbours == "auto"
        else step
        for step, other in zip(recipe.steps, by.steps, strict=True)
    ]
    return Recipe(steps, recipe.output, recipe.mask)


def _summarise(outcomes: list[_Outcome]) -> None:
    """A line an input, and how many of them failed.

    Raises
    ------
    Exit
        With code 1 if any did.
    """
    width = max(len(str(outcome.source)) for outcome in outcomes)
    for outcome in outcomes:
        typer.echo(f"{outcome.source!s:<{width}}  {'failed: ' if outcome.failed else ''}{outcome.what}")
    failed = sum(outcome.failed for outcome in outcomes)
    if failed:
        typer.echo(f"{failed} of {len(outcomes)} failed.", err=True)
        raise typer.Exit(1)
