"""How a training went: its progress, written as a table and drawn as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..formats.targets import whole_file
from ..scan import ScanError

__all__ = ["Progress", "can_draw", "draw_learning_curve", "read_learning_curve", "write_learning_curve"]


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    step, steps : int
    minutes : float
        Training time so far, earlier parts of an interrupted run counted in.
    loss : float
        Mean since the last checkpoint; NaN where there was no step since.
    validation_loss, correlation : float or None
        On the held-out patterns: the loss, and the mean correlation of what the network makes of a pattern with its
        target. Known at checkpoints.
    """

    step: int
    steps: int
    minutes: float
    loss: float
    validation_loss: float | None = None
    correlation: float | None = None


def write_learning_curve(curve: Sequence[Progress], path: Path) -> None:
    """Write the checkpoints of a run as CSV, one a row, under the names that `Progress` has for them."""
    names = [spec.name for spec in fields(Progress)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([getattr(entry, name) for name in names] for entry in curve)
    data = text.getvalue().encode()
    with whole_file(path, len(data), overwrite=True) as file:
        file.write(data)


def read_learning_curve(path: str | Path) -> list[Progress]:
    """Read what `write_learning_curve` wrote.

    Raises
    ------
    ScanError
        If the file is missing, or something else.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return [_from_row(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ScanError(f"{path} cannot be read as a learning curve (CSV): {error}.") from error


def _from_row(row: dict[str, str]) -> Progress:
    numbers = {spec.name: float(row[spec.name]) if row[spec.name] else None for spec in fields(Progress)}
    counts = {name: int(row[name]) for name in ("step", "steps")}
    return Progress(**{**numbers, **counts})  # type: ignore[arg-type]


def can_draw() -> bool:
    """Whether Matplotlib, of the extra `train`, is installed."""
    return find_spec("matplotlib") is not None


def draw_learning_curve(curve: Sequence[Progress], path: Path, title: str = "") -> None:
    """Draw a run's loss, in training and on held-out patterns, and the correlation on these, as a PNG.

    Needs Matplotlib.

    Parameters
    ----------
    curve : sequence of Progress
        The checkpoints.
    path : Path
        Appears under this name only when it is whole.
    title : str
    """
    # Without pyplot, which would ask for a window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, correlations = figure.subplots(1, 2)
    _line(losses, curve, "loss", "training", "#0072b2", below=True)
    _line(losses, curve, "validation_loss", "held out", "#d55e00")
    losses.set_ylabel("loss")
    _line(correlations, curve, "correlation", "held out", "#d55e00")
    correlations.set_ylabel("correlation with the target")
    for axes in (losses, correlations):
        axes.set_xlabel("step")
        axes.grid(color="#dddddd")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02, y=0.1)
        axes.locator_params(axis="x", nbins=5)
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110)
    with whole_file(path, picture.tell(), overwrite=True) as file:
        file.write(picture.getbuffer())


def _line(axes: Any, curve: Sequence[Progress], name: str, label: str, colour: str, below: bool = False) -> None:
    points = [(entry.step, value) for entry in curve if (value := getattr(entry, name)) is not None]
    points = [point for point in points if math.isfinite(point[1])]
    if not points:
        return
    axes.plot(*zip(*points, strict=True), color=colour, marker="." if len(points) < 30 else "")
    place = {"xytext": (-4, -6 if below else 6), "verticalalignment": "top" if below else "bottom"}
    axes.annotate(label, points[-1], textcoords="offset points", color=colour, horizontalalignment="right", **place)
