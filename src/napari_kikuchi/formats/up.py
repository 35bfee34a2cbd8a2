"""EDAX/TSL UP1 and UP2 files: every pattern of a scan, uncompressed, one after another.

A file is a header and then the patterns, all little-endian. Bytes 0 to 15 are common to all versions; a map follows in
bytes 16 to 41 from version 3 on. There is neither a magic number nor a checksum, so the size of the file has the last
word on what the header says.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..scan import Grid, Scan, ScanError, ScanWarning, Source, as_grid
from .ang import find_ang, read_ang_grid

__all__ = [
    "COMMON",
    "LARGEST_SIDE",
    "MAP",
    "MAP_END",
    "PIXEL_TYPES",
    "UPHeader",
    "open_up",
    "own_map",
    "parse_header",
    "pixel_type_of",
    "read_header",
]

PIXEL_TYPES: dict[str, np.dtype[Any]] = {".up1": np.dtype("u1"), ".up2": np.dtype("<u2")}

COMMON = struct.Struct("<4I")
MAP = struct.Struct("<B2IB2d")
MAP_END = COMMON.size + MAP.size  # 42
LARGEST_SIDE = 8192
LARGEST_VERSION = 1000


@dataclass(frozen=True)
class UPHeader:
    """The fields of an UP header, as written in the file.

    Attributes
    ----------
    version : int
    width, height : int
        Size of a pattern, pixels.
    offset : int
        Byte at which the first pattern begins.
    extra : int
        1 if a hexagonal file is padded to `rows * columns` patterns.
    columns, rows : int
        The map, by its longer rows if it is hexagonal; 0 where the header has none.
    hexagonal : bool
        Whether the grid is hexagonal.
    step_x, step_y : float
        Distance of points in a row and of rows, micrometres; 0 if unknown.
    """

    version: int
    width: int
    height: int
    offset: int
    extra: int = 0
    columns: int = 0
    rows: int = 0
    hexagonal: bool = False
    step_x: float = 0.0
    step_y: float = 0.0


@dataclass(frozen=True)
class _Layout:
    """Which of a file's patterns belong to which map: `n` of the map, then `padding`, then what is left over.

    `told` is the map that the header is right for: not `grid`, where the caller knows better than the header.
    """

    grid: Grid | None
    n: int
    padding: int = 0
    step: tuple[float, float] = (0.0, 0.0)
    told: Grid | None = None


def read_header(path: str | Path) -> UPHeader:
    """Read the header of an UP1 or UP2 file: 42 bytes, whatever the size of the file.

    Raises
    ------
    ScanError
        If the file is no UP1 or UP2 file by its extension, cannot be read, or its header makes no sense.
    """
    path = Path(path)
    pixel_type_of(path)
    try:
        with path.open("rb") as file:
            header, size = parse_header(path, file.read(MAP_END)), path.stat().st_size
    except FileNotFoundError:
        raise ScanError(f"{path} does not exist.") from None
    except OSError as error:
        if path.is_dir():
            raise ScanError(f"{path} is a folder, not a pattern file.") from None
        raise ScanError(f"{path} cannot be read: {error.strerror or error}.") from error
    if header.offset > size:
        raise ScanError(
            f"{path} has its first pattern at byte {header.offset} by its header, beyond its end at {size}."
        )
    return header


def open_up(path: str | Path, grid: Grid | tuple[int, int] | None = None) -> Scan:
    """Open an UP1 or UP2 file; its patterns are mapped into memory and read when they are looked at.

    Parameters
    ----------
    path : path
        With the extension `.up1` (8 bit) or `.up2` (16 bit), in upper or lower case.
    grid : Grid or (rows, columns), optional
        The map, where the file does not tell it or is wrong. Without it, a version-1 file takes its map from the header
        of an `.ang` file of the same stem, if there is one.

    Returns
    -------
    Scan
        With patterns of shape (n, height, width), uint8 or little-endian uint16. `n` is smaller than the number of
        points of the grid if the file is cut short.

    Warns
    -----
    ScanWarning
        If patterns are missing, or there are more than the map needs, or the map makes no sense.

    Raises
    ------
    ScanError
        If the file cannot be read as what its extension and header say, or `grid` does not fit the number of patterns.
    """
    path = Path(path)
    pixel_type = pixel_type_of(path)
    header = read_header(path)
    whole, rest = _whole_patterns(path, header, pixel_type)
    notes = [f"{rest} bytes after the last whole pattern were ignored"] if rest else []
    layout = _layout(path, header, whole, as_grid(grid), exact=not rest, notes=notes)
    if notes:
        warnings.warn(f"{path}: {'; '.join(notes)}.", ScanWarning, stacklevel=2)

    stored = (layout.n + layout.padding, header.height, header.width)
    mapped = np.memmap(path, pixel_type, "r", header.offset, stored)
    source = Source(
        path=path,
        header=_bytes_before(path, header.offset),
        pixel_type=pixel_type,
        n=layout.n,
        height=header.height,
        width=header.width,
        grid=layout.told,
        step=layout.step,
        padding=mapped[layout.n :] if layout.padding else None,
    )
    return Scan(mapped[: layout.n], layout.grid, layout.step, source)


def pixel_type_of(path: Path) -> np.dtype[Any]:
    """The pixel type that the extension of an UP file stands for.

    Raises
    ------
    ScanError
        If the extension is neither `.up1` nor `.up2`.
    """
    try:
        return PIXEL_TYPES[path.suffix.lower()]
    except KeyError:
        raise ScanError(f"{path} is no pattern file by its name: expected the extension .up1 or .up2.") from None


def _bytes_before(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        return file.read(offset)


def parse_header(path: Path, head: bytes) -> UPHeader:
    """The fields in the first bytes of a file, 42 of them where there are so many.

    Raises
    ------
    ScanError
        If they make no sense.
    """
    if len(head) < COMMON.size:
        raise ScanError(f"{path} has {len(head)} bytes, fewer than the {COMMON.size} of an UP header.")
    version, width, height, offset = COMMON.unpack_from(head)
    if not 1 <= version <= LARGEST_VERSION:
        raise ScanError(f"{path} has version {version} in its header, where 1 to {LARGEST_VERSION} is expected.")
    for name, side in (("width", width), ("height", height)):
        if not 1 <= side <= LARGEST_SIDE:
            raise ScanError(f"{path} has the pattern {name} {side} in its header, expected 1 to {LARGEST_SIDE} pixels.")
    if offset < COMMON.size:
        raise ScanError(f"{path} has its first pattern at byte {offset} by its header, inside the header itself.")
    common = UPHeader(version, width, height, offset)
    # A header that ends before the map has none, whatever its version: what follows are pixels.
    if version == 1 or offset < MAP_END:
        return common
    if len(head) < MAP_END:
        raise ScanError(f"{path} has {len(head)} bytes, fewer than the {MAP_END} of a version {version} header.")
    extra, columns, rows, hexagonal, step_x, step_y = MAP.unpack_from(head, COMMON.size)
    steps = (step if math.isfinite(step) and step > 0 else 0.0 for step in (step_x, step_y))
    return UPHeader(version, width, height, offset, extra, columns, rows, hexagonal == 1, *steps)


def _header_grid(header: UPHeader) -> Grid | None:
    """The map of the header, or None where it has none that could be."""
    if min(header.rows, header.columns) < 1 or (header.hexagonal and header.columns == 1 and header.rows > 1):
        return None
    return Grid(header.rows, header.columns, header.hexagonal)


def _counts(grid: Grid) -> set[int]:
    """Numbers of patterns that a whole file of such a map can have."""
    if not grid.hexagonal:
        return {grid.size}
    cells = grid.rows * grid.columns
    return {cells - grid.rows // 2, cells - (grid.rows + 1) // 2, cells}


def _whole_patterns(path: Path, header: UPHeader, pixel_type: np.dtype[Any]) -> tuple[int, int]:
    """Number of whole patterns, and of bytes after them."""
    payload = path.stat().st_size - header.offset
    _refuse_renamed(path, header, payload, pixel_type)
    pattern_bytes = header.height * header.width * pixel_type.itemsize
    whole, rest = divmod(payload, pattern_bytes)
    if whole == 0:
        raise ScanError(
            f"{path} holds not one whole pattern: {header.width}x{header.height} pixels take {pattern_bytes} bytes, "
            f"and there are {payload} after the header."
        )
    return whole, rest


def _refuse_renamed(path: Path, header: UPHeader, payload: int, pixel_type: np.dtype[Any]) -> None:
    grid = _header_grid(header)
    if grid is None or header.version < 3:
        return

    def fits(itemsize: int) -> bool:
        patterns, rest = divmod(payload, header.height * header.width * itemsize)
        return rest == 0 and patterns in _counts(grid)

    other = 3 - pixel_type.itemsize
    if fits(other) and not fits(pixel_type.itemsize):
        raise ScanError(
            f"{path} has the extension of {8 * pixel_type.itemsize}-bit patterns, but its {payload} bytes of them fit "
            f"its map ({grid}) only with {8 * other} bits: rename it to .up{other}."
        )


def _layout(path: Path, header: UPHeader, whole: int, wanted: Grid | None, *, exact: bool, notes: list[str]) -> _Layout:
    """The map of a file: the caller's, the header's, that of an `.ang` file, or none."""
    own = own_map(header, whole, exact=exact)
    if wanted is not None and (own is None or wanted != own.grid):
        layout = _fitted(path, wanted, whole)
        if own is not None:
            layout = replace(layout, told=own.told, step=own.step)
    elif own is not None:
        layout = own
    elif header.version < 3:
        layout = _sibling_map(path, whole, notes)
    else:
        layout = _Layout(None, whole)
        notes.append(
            f"the map of its version {header.version} header, {header.rows} rows x {header.columns} columns, does not "
            f"fit the {whole} patterns that are there, which open as a plain sequence"
        )
    if layout.grid is not None:
        _note_difference(layout.grid, layout, whole, notes)
    return layout


def own_map(header: UPHeader, whole: int, *, exact: bool) -> _Layout | None:
    """The map that the header tells, where it is to be believed; `exact` if no bytes follow the whole patterns."""
    grid = _header_grid(header)
    if grid is None or (header.version != 3 and whole not in _counts(grid)):
        return None
    cells = grid.rows * grid.columns
    if grid.hexagonal and exact and whole == cells - (grid.rows + 1) // 2 != grid.size:
        grid = replace(grid, short_first=True)
    spare = cells - grid.size
    surplus = max(0, whole - grid.size)
    padded = header.extra == 1 or surplus == spare
    padding = min(surplus, spare) if padded else 0
    return _Layout(grid, min(whole, grid.size), padding, (header.step_x, header.step_y), told=grid)


def _fitted(path: Path, grid: Grid, whole: int) -> _Layout:
    """The map that the caller tells."""
    if whole not in (grid.size, grid.rows * grid.columns):
        raise ScanError(f"{path} has {whole} patterns, but a grid of {grid} has {grid.size} points.")
    return _Layout(grid, grid.size, whole - grid.size, told=grid)


def _sibling_map(path: Path, whole: int, notes: list[str]) -> _Layout:
    """The map that an `.ang` file beside a file without one tells."""
    ang = find_ang(path)
    if ang is None:
        return _Layout(None, whole)
    try:
        grid, step = read_ang_grid(ang)
    except ScanError as error:
        notes.append(f"it opens without a map, since {error}".removesuffix("."))
        return _Layout(None, whole)
    if whole > grid.size and whole != grid.rows * grid.columns:
        notes.append(
            f"it opens without a map, since it has {whole} patterns where {ang.name} names {grid.size} points ({grid})"
        )
        return _Layout(None, whole)
    return _Layout(grid, min(whole, grid.size), max(0, whole - grid.size), step, told=grid)


def _note_difference(grid: Grid, layout: _Layout, whole: int, notes: list[str]) -> None:
    missing, surplus = grid.size - layout.n, whole - layout.n - layout.padding
    if missing:
        notes.append(f"{missing} of the {grid.size} patterns of its map ({grid}) are missing at its end")
    if surplus:
        notes.append(f"{surplus} patterns after the {layout.n} of its map ({grid}) were left out")
