"""Files and folders that appear under their final name only when they are whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..scan import Scan, ScanError

__all__ = [
    "Progress",
    "check_free",
    "check_space",
    "mapped_file",
    "recipe_path",
    "refuse_own_input",
    "whole_file",
    "whole_folder",
    "write_recipe",
    "writing",
]

Progress = Callable[[int, int], None]


def refuse_own_input(path: Path, scan: Scan, *others: Path) -> None:
    """Refuse a target that the scan, or what is written with it, is read from.

    Raises
    ------
    ScanError
        If the path is the scan's source, or the file that its patterns are mapped from, by whatever name.
    """
    inputs = [*others] if scan.source is None else [*others, scan.source.path]
    mapped = mapped_file(scan.patterns)
    if mapped is not None:
        inputs.append(mapped)
    for file in inputs:
        if path.exists() and file.exists() and path.samefile(file):
            raise ScanError(f"{path} is what these patterns are read from: write to another name.")


def mapped_file(patterns: Any) -> Path | None:
    """The file that an array is a view of, if it is mapped from one."""
    while patterns is not None:
        if getattr(patterns, "filename", None) is not None:
            return Path(patterns.filename)
        patterns = getattr(patterns, "base", None)
    return None


@contextmanager
def whole_file(path: Path, size: int, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to that takes its name when the block ends, and vanishes if the block fails.

    Parameters
    ----------
    path : Path
        The final name.
    size : int
        Bytes that will be written.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ScanError
        If the folder does not exist, the name is taken, there is too little space, or writing fails.
    """
    check_free(path, overwrite=overwrite)
    check_space(path, size)
    partial = _beside(path)
    try:
        with writing(path):
            file = partial.open("xb")
        with file, writing(path):
            yield file
            file.flush()
            os.fsync(file.fileno())
        check_free(path, overwrite=overwrite)
        with writing(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to fill that takes its name when the block ends, and vanishes with its files if the block fails.

    Parameters
    ----------
    path : Path
        The final name. An empty folder may be there.
    overwrite : bool
        Replace an existing folder and all that is in it.

    Raises
    ------
    ScanError
        If the folder above does not exist, the name is taken, or writing fails.
    """
    check_free(path, overwrite=overwrite, folder=True)
    partial, old = _beside(path), _beside(path)
    try:
        with writing(path):
            partial.mkdir()
            yield partial
        check_free(path, overwrite=overwrite, folder=True)
        with writing(path):
            _swap(path, partial, old)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recipe_path(path: Path) -> Path:
    """Where the recipe of an output is written: beside it, `.recipe.toml` added to its name."""
    return path.with_name(f"{path.name}.recipe.toml")


def write_recipe(path: Path, recipe: str) -> None:
    """Write, beside an output that is whole, the recipe that made it.

    Parameters
    ----------
    path : Path
        The output.
    recipe : str
        As TOML; empty if nothing was done. A recipe that is there then belonged to what the output replaced, and goes.

    Raises
    ------
    ScanError
        If writing fails.
    """
    beside = recipe_path(path)
    if not recipe:
        beside.unlink(missing_ok=True)
        return
    data = recipe.encode()
    with whole_file(beside, len(data), overwrite=True) as file:
        file.write(data)


def check_free(path: Path, *, overwrite: bool = False, folder: bool = False) -> None:
    """Refuse a name that is taken, by anything or by something of another kind, or that lies in no folder.

    Raises
    ------
    ScanError
        If so.
    """
    if not path.parent.is_dir():
        raise ScanError(f"There is no folder {path.parent} to write {path.name} into.")
    if not path.exists():
        return
    if path.is_dir() != folder:
        there, wanted = ("file", "folder") if folder else ("folder", "file")
        raise ScanError(f"{path} is a {there}, where a {wanted} is to be written: choose another name.")
    if not overwrite and not (folder and not any(path.iterdir())):
        raise ScanError(f"{path} exists already: choose another name, or ask for it to be overwritten.")


def _swap(path: Path, new: Path, old: Path) -> None:
    """Put a new folder in the place of one that may be there, which is kept as `old`, or put back if that fails."""
    there = path.exists()
    if there:
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        if there:
            old.rename(path)
        raise


def check_space(path: Path, size: int) -> None:
    """Refuse to write so many bytes into a folder where they do not fit.

    Raises
    ------
    ScanError
        If so.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise ScanError(
            f"{path} needs {size / 2**30:.2f} GiB, but only {free / 2**30:.2f} GiB are free in that folder: make room, "
            "or choose another one."
        )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence why something cannot be written.

    Raises
    ------
    ScanError
        Instead of an OSError.
    """
    try:
        yield
    except PermissionError as error:
        raise ScanError(
            f"{path} cannot be written: either this folder is write-protected, or the file is open in another program "
            "or as a layer (Windows replaces no file that is open). Close it, or choose another name."
        ) from error
    except OSError as error:
        raise ScanError(f"{path} cannot be written: {error.strerror or error}.") from error
