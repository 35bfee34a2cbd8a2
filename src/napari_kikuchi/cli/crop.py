"""The command that cuts a part out of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..scan import ScanError
from .options import CopySidecars, GridOption, Overwrite, Source, examples
from .output import progress_bar, report_written, say_pairing

__all__ = ["commands"]

commands = typer.Typer()


@dataclass(frozen=True)
class Span:
    """Rows or columns from the first one to before the end."""

    first: int
    end: int


def _span(text: str) -> Span:
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not of the form FIRST:END, such as 10:50.")
    return Span(int(first), int(end))


@commands.command(
    epilog=examples(
        "napari-kikuchi crop scan.up2 corner.up2 --rows 0:50 --columns 0:80",
        "napari-kikuchi crop scan.up2 thinned.up2 --every 4",
    )
)
def crop(
    source: Source,
    target: Annotated[
        Path, typer.Argument(metavar="OUT", show_default=False, help="A .up1 or .up2 file, or a folder for images.")
    ],
    rows: Annotated[
        Span | None,
        typer.Option(
            "--rows", metavar="FIRST:END", parser=_span, help="Rows of the map, counted from 0, without the row END."
        ),
    ] = None,
    columns: Annotated[
        Span | None,
        typer.Option("--columns", metavar="FIRST:END", parser=_span, help="Columns of the map, likewise."),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="Every N-th pattern only, in both directions of the map.")
    ] = 1,
    grid: GridOption = None,
    overwrite: Overwrite = False,
    copy_sidecars: CopySidecars = False,
) -> None:
    """Cut a rectangle out of the map, or thin the map, to try settings or indexing on a part of a scan."""
    from ..formats import check_target, open_scan, save_scan

    scan = open_scan(source, grid=grid)
    if rows is not None or columns is not None:
        if scan.grid is None:
            raise ScanError(f"{source} has {scan.n} patterns and no map: give it with --grid ROWSxCOLUMNS.")
        down, across = rows or Span(0, scan.grid.rows), columns or Span(0, scan.grid.columns)
        scan = scan.region((down.first, down.end), (across.first, across.end))
    part = scan.every(every) if every > 1 else scan
    check_target(target, part, overwrite=overwrite)
    with progress_bar("crop", part.n) as progress:
        save_scan(target, part, overwrite=overwrite, progress=progress)
    report_written(part.n, target)
    say_pairing(source, target, copy=copy_sidecars)
