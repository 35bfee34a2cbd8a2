"""The map of a scan from the comment header of an EDAX/TSL `.ang` file; its orientations are not read."""

from __future__ import annotations

import re
from pathlib import Path

from ..scan import Grid, ScanError

__all__ = ["find_ang", "read_ang_grid"]

FIELD = re.compile(r"#\s*(\w+)\s*[:\s]\s*(\S+)")


def find_ang(path: Path) -> Path | None:
    """The `.ang` file of the same stem beside a pattern file, if there is one."""
    siblings = (path.with_suffix(suffix) for suffix in (".ang", ".ANG", ".Ang"))
    return next((sibling for sibling in siblings if sibling.is_file()), None)


def read_ang_grid(path: str | Path) -> tuple[Grid, tuple[float, float]]:
    """Read the map from the comment header of an `.ang` file.

    Parameters
    ----------
    path : path
        Only its first lines, which begin with `#`, are read.

    Returns
    -------
    (Grid, (float, float))
        The map, and the steps along a row and between rows in micrometres. Rows are numbered from 1, so that the first
        one has `NCOLS_ODD` points.

    Raises
    ------
    ScanError
        If the file cannot be read, or a field is missing or makes no sense.
    """
    path = Path(path)
    fields = _comment_fields(path)
    try:
        kind = fields["GRID"].lower()
        rows, odd = int(fields["NROWS"]), int(fields["NCOLS_ODD"])
        even = int(fields.get("NCOLS_EVEN", odd))
        step_x, step_y = (float(fields[name].replace(",", ".")) for name in ("XSTEP", "YSTEP"))
    except KeyError as error:
        raise ScanError(f"{path} names no {error.args[0]} in its header, so that it tells no map.") from None
    except ValueError as error:
        raise ScanError(f"{path} does not tell a map, since a number in its header is wrong: {error}.") from None
    if kind not in ("sqrgrid", "hexgrid"):
        raise ScanError(f"{path} names the grid {fields['GRID']}, where SqrGrid or HexGrid is expected.")
    hexagonal = kind == "hexgrid"
    # In a single row there is no even one to compare with.
    if rows > 1 and abs(odd - even) != hexagonal:
        raise ScanError(f"{path} names rows of {odd} and {even} points in turn, which is no {fields['GRID']}.")
    short_first = hexagonal and rows > 1 and odd < even
    grid = Grid(rows, even if short_first else odd, hexagonal, short_first)
    return grid, (step_x, step_y)


def _comment_fields(path: Path) -> dict[str, str]:
    fields: dict[str, str] = {}
    try:
        # Headers hold names and notes in whatever code page the microscope had.
        with path.open(encoding="latin-1") as lines:
            for line in lines:
                if not line.startswith("#"):
                    break
                if match := FIELD.match(line):
                    fields.setdefault(match[1].upper(), match[2])
    except OSError as error:
        raise ScanError(f"{path} cannot be read: {error.strerror or error}.") from error
    return fields
