"""The command for maps of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..formats.targets import check_free
from ..processing.maps import Measure, Region
from ..scan import ScanError
from .options import GridOption, Overwrite, Source, usage
from .output import progress_bar

__all__ = ["commands"]

commands = typer.Typer()


def _region(text: str) -> Region:
    try:
        x, y, width, height = (float(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not of the form X,Y,W,H, such as 0.3,0.7,0.4,0.25.") from None
    return usage(lambda: Region(x, y, width, height))


@commands.command(
    "map",
    epilog="Examples:\n\nnapari-kikuchi map scan.up2 quality.tif\n\n"
    "napari-kikuchi map scan.up2 backscatter.png --of virtual-backscatter --region 0.3,0.7,0.4,0.25",
)
def map_command(
    source: Source,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            show_default=False,
            help="A .tif (32-bit values), .png (8-bit picture) or .csv (a line for each point) file.",
        ),
    ],
    of: Annotated[
        Measure,
        typer.Option("--of", help="Image quality Q, or the mean intensity of the whole detector or of a region of it."),
    ] = "image-quality",
    region: Annotated[
        Region | None,
        typer.Option(
            "--region",
            metavar="X,Y,W,H",
            parser=_region,
            show_default="0.3,0.7,0.4,0.25",
            help="Rectangle of the detector for a virtual backscatter image: left and upper edge, width and height, in "
            "fractions of the detector's width and height.",
        ),
    ] = None,
    grid: GridOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a map of a scan: image quality, mean intensity or a virtual backscatter image."""
    from ..formats import MAP_EXTENSIONS, open_scan, save_map
    from ..scan_maps import map_of

    if region is not None and of != "virtual-backscatter":
        raise typer.BadParameter(f"--region belongs to --of virtual-backscatter, not to {of}.")
    if target.suffix.lower() not in MAP_EXTENSIONS:
        raise typer.BadParameter(f"{target.name} does not end in one of {', '.join(MAP_EXTENSIONS)}.")
    check_free(target, overwrite=overwrite)
    scan = open_scan(source, grid=grid)
    if scan.grid is None:
        raise ScanError(f"{source} has {scan.n} patterns and no map: give it with --grid ROWSxCOLUMNS.")
    with progress_bar("map", scan.n) as progress:
        values = map_of(scan, of, region=region, progress=progress)
    save_map(target, values, scan.grid, scan.step, overwrite=overwrite)
    low, high = np.nanmin(values), np.nanmax(values)
    typer.echo(f"Wrote a map of {scan.n} points ({scan.grid}), {low:.4g} to {high:.4g}, to {target}.")
