"""From an input to an output on the command line: a model loaded, progress shown, and what was written told."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ..recipe import Autoencoder, Recipe

__all__ = [
    "INTERRUPTED",
    "Pace",
    "duration",
    "load_models",
    "progress_bar",
    "report_written",
    "say_neighbours",
    "say_pairing",
]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C stopped."""


def load_models(recipe: Recipe) -> None:
    """Load the networks, saying so: a progress bar would stand still meanwhile."""
    models = dict.fromkeys(step.model for step in recipe.steps if isinstance(step, Autoencoder))
    if not models:
        return
    from ..autoencoder.model import device_summary

    typer.echo(f"Loading the model {', '.join(models)}, which takes some seconds ...", err=True)
    recipe.prepare()
    typer.echo(f"Loaded; {device_summary()}.", err=True)


def say_neighbours(recipe: Recipe) -> None:
    """Say which neighbours the network uses, which may have been left to it."""
    for step in recipe.steps:
        if isinstance(step, Autoencoder):
            used = f"their {step.neighbours} neighbours on the map" if step.rim else "no neighbours"
            typer.echo(f"Denoising patterns with {used} (--neighbours {step.neighbours}).", err=True)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Progress on standard error: a bar where that is a terminal, else a line now and then, as for a cluster's log."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console, pace = Console(stderr=True), Pace()
    if not console.is_terminal:
        yield _Lines(what, pace)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}")
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(what, total=total, pace="")
        yield lambda done, total: bars.update(task, completed=done, total=total, pace=pace.tell(done, total))


class Pace:
    """How fast patterns are done, and how long the rest takes at the speed of the last two minutes."""

    SECONDS = 120.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._past: deque[tuple[float, int]] = deque()

    def tell(self, done: int, total: int) -> str:
        """Such as "35 patterns/s, 3 h 4 min left"; empty as long as nothing can be said."""
        now = self._clock()
        self._past.append((now, done))
        while len(self._past) > 2 and now - self._past[1][0] > self.SECONDS:
            self._past.popleft()
        begun, before = self._past[0]
        # What an earlier run had done says nothing of this one's speed.
        if done == before or now - begun < 1:
            return ""
        rate = (done - before) / (now - begun)
        left = f", {duration((total - done) / rate)} left" if done < total else ""
        return f"{rate:.3g} patterns/s{left}" if rate < 1000 else f"{rate:,.0f} patterns/s{left}"


def duration(seconds: float) -> str:
    """A time as people say it: "40 s", "12 min", "3 h 4 min", "2 d 5 h"."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{hours // 24} d {hours % 24} h"


class _Lines:
    """A line of progress now and then: soon after the beginning, and then seldom enough for a log of days."""

    FIRST, THEN = 15.0, 60.0

    def __init__(self, what: str, pace: Pace) -> None:
        self._what, self._pace = what, pace
        self._due = time.monotonic() + self.FIRST

    def __call__(self, done: int, total: int) -> None:
        said = self._pace.tell(done, total)
        if time.monotonic() < self._due or not said:
            return
        self._due = time.monotonic() + self.THEN
        typer.echo(f"{self._what}: {done} of {total} patterns, {said}", err=True)


def report_written(n: int, target: Path) -> None:
    """Say what was written, and where its recipe is."""
    from ..formats import recipe_path

    recipe = recipe_path(target)
    typer.echo(
        f"Wrote {n} patterns to {target}" + (f", and what was done to them to {recipe}." if recipe.exists() else ".")
    )


def say_pairing(source: Path, target: Path, *, copy: bool = False) -> None:
    """Say which of the indexing software's files has to get the name of an output that has a new one, or copy them."""
    from ..formats import sidecars

    found = sidecars(source, target)
    if found is None:
        return
    if copy and found.copies:
        found.copy()
        typer.echo(f"Copied {found.offer}.")
    else:
        typer.echo(str(found), err=True)
