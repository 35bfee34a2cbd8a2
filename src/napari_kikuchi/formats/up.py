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
from numpy.typing import NDArray

from ..scan import Grid, Scan, ScanError, ScanWarning, Source, as_grid
from .ang import find_ang, read_ang_grid
from .pixels import conversion, read_blocks, same_pixels
from .targets import Progress, refuse_own_input, whole_file, write_recipe

__all__ = ["PIXEL_TYPES", "UPHeader", "open_up", "read_header", "save_up"]

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
            header, size = _parse(path, file.read(MAP_END)), path.stat().st_size
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


def save_up(
    path: str | Path,
    scan: Scan,
    *,
    overwrite: bool = False,
    convert: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a scan as an UP1 or UP2 file, block by block.

    The header bytes and the padding of the file that the scan came from are written again as long as map, number and
    size of patterns and pixel type are unchanged. Otherwise the file gets a header of version 3 if the map is known, of
    version 1 if not. The recipe that made the patterns, if there is one, is written beside it (`recipe_path`). Indexing
    software pairs an UP file with its `.osc` or `.ang` by the file's stem.

    Parameters
    ----------
    path : path
        With the extension `.up1` for 8-bit or `.up2` for 16-bit patterns. The file gets this name only when it is
        whole.
    scan : Scan
        Its patterns may be a NumPy array, a memory map or a dask array.
    overwrite : bool
        Replace an existing file; never the one that the scan was opened from.
    convert : bool
        Convert patterns of another pixel type, as `to_pixel_type` does, instead of refusing them.
    progress : callable, optional
        Called with the number of patterns written and in all.

    Returns
    -------
    Path
        The file written.

    Warns
    -----
    ScanWarning
        If patterns were converted, saying how; or if the format has no way to tell the scan's map.

    Raises
    ------
    ScanError
        If the extension, the pixel type or the patterns' size do not suit the format, the name is taken, there is too
        little space, or writing fails. Nothing is left under the name then, or what was there before.
    """
    path = Path(path)
    pixel_type = pixel_type_of(path)
    _check_writable(path, scan, pixel_type, convert)
    refuse_own_input(path, scan)
    header, padding = _header_for(scan, pixel_type)
    _warn_if_map_is_lost(path, scan, header, scan.n + len(padding))
    size = len(header) + (scan.n + len(padding)) * scan.height * scan.width * pixel_type.itemsize
    with whole_file(path, size, overwrite=overwrite) as file:
        scaling = conversion(scan.patterns, pixel_type, path.name)
        file.write(header)
        for start, block in read_blocks(scan.patterns):
            pixels = scaling(block) if scaling else block
            file.write(np.ascontiguousarray(pixels, dtype=pixel_type).data)
            if progress is not None:
                progress(start + len(block), scan.n)
        file.write(np.ascontiguousarray(padding, dtype=pixel_type).data)
        if file.tell() != size:
            raise ScanError(f"{path} was not written: the patterns are not of the number and size that they declare.")
    write_recipe(path, scan.recipe)
    return path


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


def _parse(path: Path, head: bytes) -> UPHeader:
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
    own = _own_map(header, whole, exact=exact)
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


def _own_map(header: UPHeader, whole: int, *, exact: bool) -> _Layout | None:
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


def _check_writable(path: Path, scan: Scan, pixel_type: np.dtype[Any], convert: bool) -> None:
    if scan.n == 0 or not (1 <= scan.height <= LARGEST_SIDE and 1 <= scan.width <= LARGEST_SIDE):
        raise ScanError(
            f"{path} cannot hold {scan.n} patterns of {scan.width}x{scan.height} pixels: it has to be one pattern at "
            f"least, of 1 to {LARGEST_SIDE} pixels a side."
        )
    if not convert and not same_pixels(scan.pixel_type, pixel_type):
        raise ScanError(
            f"{path} holds {pixel_type.name} patterns, not {scan.pixel_type}: choose the other extension, convert them "
            "with to_pixel_type, or ask for it with convert=True."
        )


def _header_for(scan: Scan, pixel_type: np.dtype[Any]) -> tuple[bytes, NDArray[Any]]:
    """The header to write, and the padding patterns that follow the scan's own."""
    none = np.empty((0, scan.height, scan.width), dtype=pixel_type)
    source, shape = scan.source, (scan.n, scan.height, scan.width)
    if (
        source is not None
        and source.header
        and (source.n, source.height, source.width) == shape
        and (source.grid, source.step) == (scan.grid, scan.step)
        and same_pixels(source.pixel_type, pixel_type)
    ):
        return source.header, none if source.padding is None else source.padding
    if scan.grid is None:
        return COMMON.pack(1, scan.width, scan.height, COMMON.size), none
    grid = scan.grid
    map_fields = MAP.pack(0, grid.columns, grid.rows, grid.hexagonal, *scan.step)
    return COMMON.pack(3, scan.width, scan.height, MAP_END) + map_fields, none


def _warn_if_map_is_lost(path: Path, scan: Scan, header: bytes, stored: int) -> None:
    """The format has no field for a first row that is short, and the number of patterns does not always tell it."""
    head = _parse(path, header)
    if head.version < 3 or scan.grid is None:
        return
    own = _own_map(head, stored, exact=True)
    read = own.grid if own is not None else None
    if read != scan.grid:
        warnings.warn(
            f"{path.name} cannot tell that its map is {scan.grid} with {scan.n} patterns: it will be read as "
            f"{read or 'a plain sequence'}.",
            ScanWarning,
            stacklevel=3,
        )
