"""Scans to EDAX/TSL UP1 and UP2 files: what a file has to hold, and writing it.

All records have one size, so that every pattern's place in the file is known before the first one is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scan import Scan, ScanError, ScanWarning
from .pixels import Scaling, conversion, read_blocks, same_pixels
from .targets import Progress, refuse_own_input, whole_file, write_recipe
from .up import COMMON, LARGEST_SIDE, MAP, MAP_END, own_map, parse_header, pixel_type_of

__all__ = ["UPTarget", "save_up", "up_target"]


@dataclass(frozen=True)
class UPTarget:
    """An UP file that is to be written: what stands in it where.

    Attributes
    ----------
    path : Path
    header : bytes
        All that comes before the first pattern.
    padding : array, shape (k, height, width)
        Patterns that follow the scan's own.
    n, height, width : int
        The scan's patterns, and their size in pixels.
    pixel_type : numpy dtype
        uint8 or little-endian uint16.
    """

    path: Path
    header: bytes
    padding: NDArray[Any]
    n: int
    height: int
    width: int
    pixel_type: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.offset(self.n + len(self.padding))

    def offset(self, number: int) -> int:
        """Byte at which a pattern begins; that of number `n` is where the padding does."""
        return len(self.header) + number * self.height * self.width * self.pixel_type.itemsize

    def data(self, patterns: NDArray[Any], scaling: Scaling | None = None) -> memoryview:
        """The bytes of patterns as the file holds them, once they are of its pixel type by `scaling`."""
        pixels = scaling(patterns) if scaling else patterns
        return np.ascontiguousarray(pixels, dtype=self.pixel_type).data

    def pieces(
        self, spans: Sequence[tuple[int, int]], patterns: NDArray[Any], scaling: Scaling | None
    ) -> Iterator[tuple[int, memoryview]]:
        """Where the bytes of patterns belong that are runs of the scan's: from one number to before another.

        Raises
        ------
        ScanError
            If the patterns are not as many as the runs are long together.
        """
        if len(patterns) != sum(stop - start for start, stop in spans):
            raise ScanError(f"{self.path} cannot be written: the patterns are not of the number that they declare.")
        at = 0
        for start, stop in spans:
            yield self.offset(start), self.data(patterns[at : at + stop - start], scaling)
            at += stop - start


def up_target(path: str | Path, scan: Scan, *, convert: bool = False) -> UPTarget:
    """What is to be written for a scan; parameters, warnings and errors as for `save_up`, but nothing is written."""
    path = Path(path)
    pixel_type = pixel_type_of(path)
    _check_writable(path, scan, pixel_type, convert)
    refuse_own_input(path, scan)
    header, padding = _header_for(scan, pixel_type)
    _warn_if_map_is_lost(path, scan, header, scan.n + len(padding))
    return UPTarget(path, header, padding, scan.n, scan.height, scan.width, pixel_type)


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
    target = up_target(path, scan, convert=convert)
    with whole_file(target.path, target.size, overwrite=overwrite) as file:
        scaling = conversion(scan.patterns, target.pixel_type, target.path.name)
        file.write(target.header)
        for start, block in read_blocks(scan.patterns):
            file.write(target.data(block, scaling))
            if progress is not None:
                progress(start + len(block), scan.n)
        file.write(target.data(target.padding))
        if file.tell() != target.size:
            raise ScanError(
                f"{target.path} was not written: the patterns are not of the number and size that they declare."
            )
    write_recipe(target.path, scan.recipe)
    return target.path


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
    head = parse_header(path, header)
    if head.version < 3 or scan.grid is None:
        return
    own = own_map(head, stored, exact=True)
    read = own.grid if own is not None else None
    if read != scan.grid:
        warnings.warn(
            f"{path.name} cannot tell that its map is {scan.grid} with {scan.n} patterns: it will be read as "
            f"{read or 'a plain sequence'}.",
            ScanWarning,
            stacklevel=3,
        )
