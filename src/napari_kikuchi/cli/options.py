"""The options that several commands share, made from what the steps tell of their own parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ..autoencoder.devices import DEVICE_VARIABLE, PRECISION_VARIABLE, Backend, Precision
from ..recipe import CircularMask, Clahe, Step
from ..scan import Grid, ScanError

__all__ = [
    "TILES",
    "BackendOption",
    "ClipLimit",
    "CopySidecars",
    "DeviceOption",
    "GridOption",
    "Mask",
    "Output",
    "Overwrite",
    "Paths",
    "PrecisionOption",
    "Restart",
    "Scheduler",
    "Size",
    "Source",
    "Tiles",
    "Workers",
    "about",
    "examples",
    "given",
    "in_range",
    "usage",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """Two counts, written as `8x8`."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


def _size(text: str) -> Size:
    rows, _, columns = str(text).lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) > 0 and int(columns) > 0):
        raise typer.BadParameter(f"{text!r} is not of the form ROWSxCOLUMNS, such as 8x8.")
    return Size(int(rows), int(columns))


def _grid(text: str) -> Grid:
    size = _size(text)
    return Grid(size.rows, size.columns)


def _mask(text: str) -> CircularMask:
    try:
        x, y, radius = (float(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not of the form X,Y,R, such as 0.5,0.5,0.48.") from None
    return usage(lambda: CircularMask(x, y, radius))


def usage(make: Callable[[], T]) -> T:
    """What `make` makes; a value that it refuses is bad usage, since it came from an option."""
    try:
        return make()
    except ScanError as error:
        raise typer.BadParameter(str(error)) from error


def examples(*lines: str) -> str:
    """What stands below a command's help."""
    # A blank line between them, since help text joins neighbouring lines.
    return "\n\n".join(["Examples:", *lines])


def about(step: type[Step], name: str) -> Mapping[str, Any]:
    """Meaning and range of a step's parameter, as the step itself tells them."""
    return next(spec.metadata for spec in fields(step) if spec.name == name)


def in_range(step: type[Step], name: str) -> dict[str, Any]:
    """Range and help of an option that is a step's number."""
    return {"min": about(step, name)["min"], "max": about(step, name)["max"], "help": about(step, name)["help"]}


def given(ctx: typer.Context, **options: str) -> list[str]:
    """Which of some options were given: of the names on the command line, by parameter, those that were typed."""
    sources = {name: ctx.get_parameter_source(parameter) for parameter, name in options.items()}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def _range(about: Mapping[str, Any]) -> str:
    return f"{about['help']} {about['min']} to {about['max']}."


Source = Annotated[
    Path, typer.Argument(metavar="IN", show_default=False, help="A .up1 or .up2 file, or a folder of images.")
]
Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="IN OUT",
        show_default=False,
        help="A .up1 or .up2 file or a folder of images, and what to write: a .up1 or .up2 file, or a folder, which "
        "gets the file names and format of a source folder, else PNG images. With --output, any number of inputs.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FOLDER",
        help="Write outputs of the inputs' names into this folder. An input may be a folder of .up1 and .up2 files, or "
        "have * and ? in its name. One that fails does not stop the others.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Compute in so many processes on this machine."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Compute on the workers of this dask scheduler, which see the same files: tcp://node1:8786, or the .json "
        "file that holds its address.",
    ),
]
GridOption = Annotated[
    Grid | None,
    typer.Option(
        "--grid", metavar="RxC", parser=_grid, help="Rows and columns of the map, where the source does not tell them."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there. The input is never written to, with or without.")
]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart", help="Begin anew, where an earlier run was stopped in the middle and would be gone on with."
    ),
]
CopySidecars = Annotated[
    bool,
    typer.Option(
        "--copy-sidecars",
        help="Copy the .osc and .ang beside the input to the output's name, as indexing software wants them; none that "
        "is there is replaced.",
    ),
]
ClipLimit = Annotated[
    float,
    typer.Option("--clip-limit", **in_range(Clahe, "clip_limit")),
]
Tiles = Annotated[Size, typer.Option("--tiles", metavar="RxC", parser=_size, help=_range(about(Clahe, "tiles")))]
TILES = Size(*Clahe.tiles)
Mask = Annotated[
    CircularMask | None,
    typer.Option(
        "--mask",
        metavar="X,Y,R",
        parser=_mask,
        help="The detector's circle: centre in widths from the left and heights from the top, radius in widths; "
        "0.5,0.5,0.5 touches the left and right edges. Pixels outside take no part and stay as they are.",
    ),
]
BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="What networks run on, through Keras. auto: as Keras is set up, else TensorFlow."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|gpu:N",
        envvar=DEVICE_VARIABLE,
        help="What networks compute on; gpu:0 is the first GPU, `napari-kikuchi devices` lists all. auto: the first "
        "GPU, if the backend finds one.",
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        envvar=PRECISION_VARIABLE,
        help="Of the shipped networks' arithmetic; mixed: 16 bits in most layers. auto: mixed on GPUs and on "
        "processors that are faster so.",
    ),
]
