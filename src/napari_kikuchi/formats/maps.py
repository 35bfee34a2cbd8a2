"""Maps of one number a point, as files that other programs open."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..scan import Grid, ScanError
from .targets import whole_file

__all__ = ["MAP_EXTENSIONS", "save_map"]

Map = NDArray[np.float64]
Step = tuple[float, float]

# Of the values: what a picture of 8 bits shows between black and white.
PERCENTILES = (0.5, 99.5)


def save_map(path: str | Path, values: Map, grid: Grid, step: Step = (0.0, 0.0), *, overwrite: bool = False) -> Path:
    """Write a map as a picture or a table.

    Parameters
    ----------
    path : path
        `.tif` or `.tiff` (32-bit floating point with the step as its scale, as ImageJ reads it; NaN where no point is),
        `.png` (8-bit grey between percentiles 0.5 and 99.5; black where no point is) or `.csv` (a line for each point:
        row, column, position in micrometres where the step is known, value).
    values : array, shape (rows, columns)
        NaN where there is no point. Pictures hold a hexagonal map as it is: its short rows are not shifted.
    grid : Grid
    step : (float, float)
        Distance of points in a row and of rows, micrometres; 0 if unknown.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ScanError
        If the extension is another one, the name is taken, or writing fails.
    """
    path = Path(path)
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise ScanError(f"{path} is no name for a map: it ends in one of {', '.join(MAP_EXTENSIONS)}.")
    data = encode(values, grid, step)
    with whole_file(path, len(data), overwrite=overwrite) as file:
        file.write(data)
    return path


def _tiff(values: Map, grid: Grid, step: Step) -> bytes:
    import tifffile

    file = io.BytesIO()
    # ImageJ's resolution is in pixels per unit.
    scale = {"resolution": (1 / step[0], 1 / step[1]), "metadata": {"unit": "um"}} if min(step) > 0 else {}
    tifffile.imwrite(file, values.astype(np.float32), imagej=True, photometric="minisblack", **scale)
    return file.getvalue()


def _png(values: Map, grid: Grid, step: Step) -> bytes:
    from ..opencv import cv2

    there = np.isfinite(values)
    low, high = np.percentile(values[there], PERCENTILES) if there.any() else (0.0, 1.0)
    levels = np.clip((np.where(there, values, low) - low) / (high - low if high > low else 1), 0, 1) * 255
    _, data = cv2.imencode(".png", np.rint(levels).astype(np.uint8))
    return data.tobytes()


def _csv(values: Map, grid: Grid, step: Step) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    known = min(step) > 0
    table.writerow(["row", "column", *(["x in um", "y in um"] if known else []), "value"])
    longest = grid.row_lengths.max()
    for row, column in np.argwhere(np.isfinite(values)):
        shift = (longest - grid.row_lengths[row]) / 2
        place = [f"{(column + shift) * step[0]:.6g}", f"{row * step[1]:.6g}"] if known else []
        table.writerow([row, column, *place, f"{values[row, column]:.9g}"])
    return text.getvalue().encode()


_ENCODERS: dict[str, Callable[[Map, Grid, Step], bytes]] = {".tif": _tiff, ".tiff": _tiff, ".png": _png, ".csv": _csv}
MAP_EXTENSIONS = tuple(_ENCODERS)
