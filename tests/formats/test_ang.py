"""The map in the header of an `.ang` file."""

import pytest

from napari_kikuchi.formats import read_ang_grid
from napari_kikuchi.scan import Grid, ScanError

# As OIM writes it, cut to what is between the phases and the first point.
HEADER = """# TEM_PIXperUM          1.000000
# x-star                0.425000
# WorkingDistance       18.000000
#
# Phase 1
# MaterialName  \tNickel
# NumberFamilies        4
# GRID: {grid}
# XSTEP: {x}
# YSTEP: {y}
# NCOLS_ODD: {odd}
# NCOLS_EVEN: {even}
# NROWS: {rows}
#
# OPERATOR: \xc5nes
#
  0.00000   0.00000   0.00000      0.00000      0.00000  100.0  1.000  0
"""


def write(path, grid="SqrGrid", x="1.500000", y="1.299000", odd=200, even=200, rows=149):
    path.write_text(HEADER.format(grid=grid, x=x, y=y, odd=odd, even=even, rows=rows), encoding="latin-1")
    return path


def test_a_square_map(tmp_path):
    assert read_ang_grid(write(tmp_path / "a.ang")) == (Grid(149, 200), (1.5, 1.299))


@pytest.mark.parametrize(("odd", "even", "short_first"), [(200, 199, False), (199, 200, True)])
def test_a_hexagonal_map_numbers_its_rows_from_one(tmp_path, odd, even, short_first):
    grid, _ = read_ang_grid(write(tmp_path / "a.ang", "HexGrid", odd=odd, even=even))
    assert grid == Grid(149, 200, hexagonal=True, short_first=short_first)


def test_a_single_row_has_no_even_one(tmp_path):
    grid, _ = read_ang_grid(write(tmp_path / "a.ang", "HexGrid", odd=7, even=0, rows=1))
    assert (grid.size, grid.short_first) == (7, False)


def test_spaces_case_and_decimal_commas_do_not_matter(tmp_path):
    path = tmp_path / "a.ang"
    path.write_text("#grid:sqrgrid\n#  XStep 1,5\n# YSTEP\t:2\n#NCOLS_ODD:   3\n# NROWS:4\n")
    assert read_ang_grid(path) == (Grid(4, 3), (1.5, 2.0))


def test_nothing_after_the_header_is_read(tmp_path):
    path = tmp_path / "a.ang"
    path.write_text("# GRID: SqrGrid\n0 0 0\n# NROWS: 3\n")
    with pytest.raises(ScanError, match="names no NROWS"):
        read_ang_grid(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"grid": "TriGrid"}, "TriGrid, where SqrGrid or HexGrid"),
        ({"odd": "many"}, "many"),
        ({"x": "wide"}, "wide"),
        ({"rows": 0}, "at least one row"),
        ({"odd": 3, "even": 4}, "no SqrGrid"),
        ({"grid": "HexGrid"}, "no HexGrid"),
    ],
)
def test_what_makes_no_map_is_named(tmp_path, fields, message):
    with pytest.raises(ScanError, match=message):
        read_ang_grid(write(tmp_path / "a.ang", **fields))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ScanError, match="cannot be read"):
        read_ang_grid(tmp_path / "a.ang")
