"""One way in and one way out for every format: by what the path names."""

from __future__ import annotations

from pathlib import Path

from ..scan import Grid, Scan, ScanError
from .images import check_export_folder, export_images, open_images
from .targets import Progress, check_free, refuse_own_input
from .up import PIXEL_TYPES, open_up
from .up_writing import save_up

__all__ = ["check_target", "is_up", "open_scan", "save_scan"]


def open_scan(path: str | Path, grid: Grid | tuple[int, int] | None = None, like: str | Path | None = None) -> Scan:
    """Open an UP1 or UP2 file or a folder of images; patterns are read when they are looked at.

    Parameters
    ----------
    path : path
        A `.up1` or `.up2` file, or a folder.
    grid : Grid or (rows, columns), optional
        The map, where the source does not tell it.
    like : path, optional
        For a folder: the UP file that its images were exported from, whose map, steps and header are taken.

    Returns
    -------
    Scan
        With patterns of shape (n, height, width).

    Warns
    -----
    ScanWarning
        If something is missing, left over or skipped.

    Raises
    ------
    ScanError
        If there is no scan there that can be read, or the grid does not fit it.
    """
    path = Path(path)
    if path.is_dir():
        return open_images(path, grid, like)
    if like is not None:
        raise ScanError(f"{path} is no folder of images; only these can be opened like an UP file.")
    return open_up(path, grid)


def save_scan(path: str | Path, scan: Scan, *, overwrite: bool = False, progress: Progress | None = None) -> Path:
    """Write a scan as an UP1 or UP2 file or a folder of images, and beside it the recipe that made it, if there is one.

    Parameters
    ----------
    path : path
        A name with the extension `.up1` (8 bit) or `.up2` (16 bit), to which patterns of another pixel type are
        converted as `to_pixel_type` does; or a folder, which gets the names and format of the images that the scan was
        opened from, else PNG images.
    scan : Scan
    overwrite : bool
        Replace what has the name; never what the scan was opened from.
    progress : callable, optional
        Called with the number of patterns written and in all.

    Returns
    -------
    Path
        What was written. The recipe is in `recipe_path` of it.

    Warns
    -----
    ScanWarning
        If patterns were converted, saying how.

    Raises
    ------
    ScanError
        If the path is of neither kind, the name is taken, or writing fails.
    """
    path = Path(path)
    if is_up(path):
        save_up(path, scan, overwrite=overwrite, convert=True, progress=progress)
    else:
        export_images(scan, path, overwrite=overwrite, progress=progress)
    return path


def check_target(path: str | Path, scan: Scan, *, overwrite: bool = False) -> None:
    """Refuse, before any work is done, a path that `save_scan` would refuse after it.

    Raises
    ------
    ScanError
        If the path is neither an UP file nor a folder by its name, is what the scan was opened from, or is taken.
    """
    path = Path(path)
    if is_up(path):
        refuse_own_input(path, scan)
        check_free(path, overwrite=overwrite)
    else:
        check_export_folder(path, scan, overwrite=overwrite)


def is_up(path: Path) -> bool:
    """Whether an output of that name is an UP file, and not a folder of images.

    Raises
    ------
    ScanError
        If it is neither by its name.
    """
    if path.suffix.lower() in PIXEL_TYPES and not path.is_dir():
        return True
    if path.suffix and not path.is_dir():
        raise ScanError(f"{path} is no name to save a scan under: end it in .up1 or .up2, or name a folder for images.")
    return False
