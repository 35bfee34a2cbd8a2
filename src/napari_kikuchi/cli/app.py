"""The command line: parses, calls the API, and says in one sentence what went wrong."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..formats.images import ImageFormat
from ..recipe import Recipe
from ..scan import Grid, Scan, ScanError, ScanWarning
from .crop import commands as crop_commands
from .maps import commands as map_commands
from .options import CopySidecars, GridOption, Overwrite, Source, examples
from .output import INTERRUPTED, load_models, progress_bar, report_written, say_pairing
from .processing import commands as processing_commands
from .training import commands as training_commands

if TYPE_CHECKING:
    from ..autoencoder.model import ModelCard

__all__ = ["app", "main"]


def main() -> None:
    """The `napari-kikuchi` command."""
    # TensorFlow's C++ side writes pages about CPU instructions and missing GPUs; it reads this once it has started.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            # What was written is closed by now. Python itself may not end: it waits for ever for a thread of dask's
            # pool that was just being started when Ctrl-C came.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


class _Commands(TyperGroup):
    """Ends bad input with one sentence and exit code 1, and Ctrl-C with 130, for all commands alike."""

    def invoke(self, ctx: Any) -> Any:
        with _notes():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                typer.echo("\nStopped: the output was not written, and nothing half-written was left.", err=True)
                raise typer.Exit(INTERRUPTED) from None
            except BrokenPipeError:
                raise
            except ScanError as error:
                sentence = str(error)
            except MemoryError:
                sentence = "The memory of this machine is not enough for that."
            except OSError as error:
                sentence = f"{error.filename}: {error.strerror}." if error.filename else f"{error}."
        # What a library says in an error may have several lines.
        typer.echo(f"Error: {' '.join(sentence.split())}", err=True)
        raise typer.Exit(1)


@contextmanager
def _notes() -> Iterator[None]:
    """Say what a user has to know as a line of its own, without Python's file and line number."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", ScanWarning)
        as_python_does = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, ScanWarning):
                typer.echo(f"Note: {message}", err=True)
            else:
                as_python_does(message, category, *where, **more)

        warnings.showwarning = show
        yield


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="napari-kikuchi COMMAND --help says more about a command, with examples.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-kikuchi {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Open EBSD pattern files, denoise their Kikuchi patterns, and write them back for indexing."""


@app.command(epilog=examples("napari-kikuchi info scan.up2", "napari-kikuchi info scan.up1 --grid 200x300 --json"))
def info(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="A .up1 or .up2 file, or a folder of images.")
    ],
    grid: GridOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for scripts.")] = False,
) -> None:
    """Tell what is in a file: pattern size, pixel type, map, step, and what is missing."""
    from ..formats import open_scan

    facts = _facts(file, open_scan(file, grid=grid))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for label, value in _described(facts).items():
        typer.echo(f"{label + ':':<14}{value}")


def _facts(path: Path, scan: Scan) -> dict[str, Any]:
    from ..formats import read_header

    header = None if path.is_dir() else read_header(path)
    return {
        "path": str(path),
        "format": path.suffix[1:].upper() if header else "images",
        "version": header.version if header else None,
        "pixel_type": scan.pixel_type.name,
        "patterns": scan.n,
        "height": scan.height,
        "width": scan.width,
        "grid": asdict(scan.grid) if scan.grid else None,
        "step": list(scan.step),
        "missing": scan.missing,
        "header_bytes": header.offset if header else None,
    }


def _described(facts: Mapping[str, Any]) -> dict[str, str]:
    grid, (dx, dy) = facts["grid"], facts["step"]
    lines = {
        "File": facts["path"],
        "Format": facts["format"] if facts["version"] is None else f"{facts['format']}, version {facts['version']}",
        "Patterns": f"{facts['patterns']} of {facts['height']} x {facts['width']} pixels (height x width)",
        "Pixel type": facts["pixel_type"],
        "Grid": str(Grid(**grid)) if grid else "unknown; give it with --grid RxC",
        "Step": f"{dx:g} um between columns, {dy:g} um between rows" if dx or dy else "unknown",
    }
    if grid:
        lines["Missing"] = f"{facts['missing']} patterns at the end" if facts["missing"] else "nothing"
    if facts["header_bytes"] is not None:
        lines["Header"] = f"{facts['header_bytes']} bytes"
    return lines


@app.command(
    epilog=examples("napari-kikuchi export scan.up2 patterns", "napari-kikuchi export scan.up1 jpgs --format jpg")
)
def export(
    source: Source,
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", show_default=False, help="A folder that does not exist yet, or is empty."),
    ],
    format: Annotated[
        ImageFormat | None,
        typer.Option(
            "--format",
            show_default="that of a source folder, else png",
            help="PNG and TIFF keep every level of 8 and 16 bits; BMP holds 8 bits; JPG does too, and loses detail.",
        ),
    ] = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Write every pattern as an image of its own."""
    from ..formats import export_images, open_scan

    scan = open_scan(source, grid=grid)
    with progress_bar("export", scan.n) as progress:
        export_images(scan, folder, format, overwrite=overwrite, progress=progress)
    report_written(scan.n, folder)


@app.command(
    epilog=examples(
        "napari-kikuchi pack patterns scan.up1 --grid 200x300",
        "napari-kikuchi pack denoised scan-denoised.up2 --like scan.up2",
    )
)
def pack(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            show_default=False,
            help="Images (png, tif, jpg, bmp), taken in the order of their numbers.",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", show_default=False, help="A .up1 (8 bit) or .up2 (16 bit) file.")
    ],
    grid: GridOption = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FILE",
            help="The UP file the images were exported from: map, step and header are its own.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Put the images of a folder into one pattern file; without --grid or --like, into one that has no map."""
    from ..formats import pack_images, read_header

    if grid is not None and like is not None:
        raise typer.BadParameter("Give --grid or --like: the file tells the grid.")
    with progress_bar("pack") as progress:
        pack_images(folder, target, grid=grid, like=like, overwrite=overwrite, progress=progress)
    typer.echo(f"Wrote {target}, version {read_header(target).version}.")
    if like is not None:
        say_pairing(like, target, copy=copy_sidecars)


@app.command(epilog=examples("napari-kikuchi models", "napari-kikuchi models --json"))
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print the model cards as JSON.")] = False,
) -> None:
    """List the models that come with the package: what each was trained on, and what it is good for."""
    from ..autoencoder.model import shipped_models

    cards = shipped_models()
    if as_json:
        typer.echo(json.dumps([asdict(card) for card in cards.values()], indent=2))
        return
    for card in cards.values():
        typer.echo(f"{card.name}: {card.title}")
        for label, text in _card_lines(card).items():
            typer.echo(f"  {label + ':':<12}{text}")


def _card_lines(card: ModelCard) -> dict[str, str]:
    lines = {
        "Status": "experimental: judge by indexing whether it helps" if card.experimental else "",
        "Trained on": card.trained_on,
        "Held out": card.held_out,
        "Noise": card.noise,
        "Measured": "; ".join(f"{what}: {result}" for what, result in card.figures.items()),
        "Limits": card.limits,
        "Licence": card.licence,
    }
    return {label: text for label, text in lines.items() if text}


app.add_typer(processing_commands)
app.add_typer(map_commands)
app.add_typer(crop_commands)


@app.command(epilog=examples("napari-kikuchi devices", "napari-kikuchi devices --json"))
def devices(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for scripts.")] = False) -> None:
    """List what networks can compute on here (--backend, --device), and why there is no GPU where there is none."""
    from ..autoencoder.model import devices

    found = devices()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        typer.echo(f"{one.backend:<12}{one.name:<8}{one.title or f'not to be had: {one.reason}'}")


app.add_typer(training_commands)


@app.command(epilog=examples("napari-kikuchi demo", "napari-kikuchi demo --output demo-output"))
def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FOLDER",
            help="Work file to file into this folder, without a window, even if there is one.",
        ),
    ] = None,
) -> None:
    """Denoise real patterns that come with the package: in napari, or file to file where there is no display."""
    from ..demo import run

    load_models(Recipe.denoising())
    run(output)
