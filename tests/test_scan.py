"""The scan and its grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_kikuchi as nk
from napari_kikuchi.scan import Grid, Scan, ScanError, as_grid, fitting_grids


@st.composite
def grids(draw):
    hexagonal = draw(st.booleans())
    columns = draw(st.integers(2 if hexagonal else 1, 9))
    return Grid(draw(st.integers(1, 9)), columns, hexagonal, hexagonal and draw(st.booleans()))


@given(grids())
def test_rows_add_up_to_the_size(grid):
    assert grid.row_lengths.sum() == grid.size
    assert grid.shape == (grid.rows, grid.columns)


@given(grids())
def test_positions_follow_the_rows(grid):
    expected = [(row, column) for row, length in enumerate(grid.row_lengths) for column in range(length)]
    assert [grid.position(point) for point in range(grid.size)] == expected


@given(grids())
def test_numbers_are_found_by_position(grid):
    assert [grid.number(*grid.position(point)) for point in range(grid.size)] == list(range(grid.size))


@given(grids())
def test_a_grid_is_among_those_that_fit_its_size(grid):
    fitting = fitting_grids(grid.size, hexagonal=grid.hexagonal)
    assert grid in fitting or (grid.hexagonal and grid.rows == 1)
    assert all(one.size == grid.size for one in fitting)
    distances = [max(one.shape) / min(one.shape) for one in fitting]
    assert distances == sorted(distances)


@given(grids(), st.data())
def test_values_are_laid_where_their_points_are(grid, data):
    n = data.draw(st.integers(0, grid.size))
    laid = grid.place(np.arange(n))
    assert laid.shape == grid.shape
    assert np.isfinite(laid).sum() == n
    for point in range(n):
        assert laid[grid.position(point)] == point


def test_a_hexagonal_grid_begins_with_a_long_row_unless_told():
    assert Grid(3, 3, hexagonal=True).row_lengths.tolist() == [3, 2, 3]
    assert Grid(3, 3, hexagonal=True, short_first=True).row_lengths.tolist() == [2, 3, 2]


def test_sizes_of_vast_maps_take_neither_time_nor_memory():
    assert Grid(2**32 - 1, 2**32 - 1, hexagonal=True).size == (2**32 - 1) ** 2 - (2**31 - 1)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (-1, 3)])
def test_a_grid_has_points(shape):
    with pytest.raises(ScanError, match="at least one row and one column"):
        Grid(*shape)


def test_a_hexagonal_grid_of_one_column_has_no_short_rows():
    with pytest.raises(ScanError, match="two columns"):
        Grid(2, 1, hexagonal=True)


def test_a_grid_is_given_as_rows_and_columns():
    assert as_grid((2, 3)) == Grid(2, 3)
    assert as_grid(np.array([2, 3])) == Grid(2, 3)
    assert as_grid(Grid(2, 3, hexagonal=True)) == Grid(2, 3, hexagonal=True)
    assert as_grid(None) is None


@pytest.mark.parametrize("grid", [(2,), (2, 3, 4), (2.5, 3), 6, "2x3"])
def test_anything_else_is_no_grid(grid):
    with pytest.raises(ScanError, match="two whole numbers"):
        as_grid(grid)


def test_a_grid_says_what_it_is():
    assert str(Grid(2, 3)) == "2 rows x 3 columns, square"
    assert "hexagonal and beginning with a short row" in str(Grid(3, 3, hexagonal=True, short_first=True))


def test_a_whole_square_scan_is_seen_as_a_map():
    patterns = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
    scan = Scan(patterns, Grid(2, 3))
    assert scan.as_map().shape == (2, 3, 4, 5)
    assert np.shares_memory(scan.as_map(), patterns)
    assert (scan.n, scan.height, scan.width, scan.pixel_type, scan.missing) == (6, 4, 5, np.uint8, 0)


@pytest.mark.parametrize("grid", [None, Grid(3, 3), Grid(2, 4, hexagonal=True)])
def test_no_other_scan_is(grid):
    scan = Scan(np.zeros((6, 4, 5), np.uint8), grid)
    assert not scan.is_map
    with pytest.raises(ScanError, match="complete square grid"):
        scan.as_map()


def test_a_scan_that_stopped_early_knows_what_is_missing():
    assert Scan(np.zeros((6, 4, 5), np.uint8), Grid(3, 3)).missing == 3


def test_a_scan_is_a_sequence_of_patterns():
    with pytest.raises(ScanError, match="height, width"):
        Scan(np.zeros((4, 5)))


def test_a_scan_has_no_more_patterns_than_points():
    with pytest.raises(ScanError, match="7 patterns do not fit a grid of 6 points"):
        Scan(np.zeros((7, 4, 5)), Grid(2, 3))


def test_other_patterns_take_the_same_places():
    scan = Scan(np.zeros((6, 4, 5), np.uint8), Grid(2, 3), (1.5, 1.5))
    other = scan.with_patterns(np.ones((6, 2, 2), np.float32))
    assert (other.grid, other.step, other.height) == (scan.grid, scan.step, 2)
    with pytest.raises(ScanError, match="Expected 6 patterns"):
        scan.with_patterns(np.ones((5, 2, 2)))


def places(grid):
    """Where the points of a grid lie, in steps: (x, y) by number."""
    lengths = grid.row_lengths
    return np.array(
        [(c + (lengths[r] < grid.columns) / 2, r) for r, length in enumerate(lengths) for c in range(length)]
    )


@given(grids(), st.data())
def test_a_region_keeps_its_points_where_they_were(grid, data):
    top, left = data.draw(st.integers(0, grid.rows - 1)), data.draw(st.integers(0, grid.columns - 1))
    bottom = data.draw(st.integers(top + 1, grid.rows))
    right = data.draw(st.integers(min(left + 1 + grid.hexagonal, grid.columns), grid.columns))
    if grid.hexagonal and right - left == 1:
        return
    inner, points = grid.region((top, bottom), (left, right))
    assert inner.shape == (bottom - top, right - left)
    assert len(points) == inner.size
    np.testing.assert_array_equal(places(grid)[points], places(inner) + np.array([left, top]))


@given(grids(), st.integers(1, 5))
def test_a_thinned_grid_keeps_its_points_where_they_were(grid, n):
    if grid.hexagonal and n % 2 and grid.columns <= n:
        return
    inner, points = grid.every(n)
    assert len(points) == inner.size
    where = places(grid)[points]
    np.testing.assert_array_equal((where - where[0]) / n, places(inner) - places(inner)[0])


def test_a_thinned_map_keeps_its_size_on_the_specimen(nickel_up2):
    scan = nk.open_scan(nickel_up2)
    thinned = scan.every(2)
    assert (thinned.grid.shape, thinned.step) == ((2, 2), (3.0, 3.0))
    np.testing.assert_array_equal(thinned.patterns, np.asarray(scan.patterns)[[0, 2, 6, 8]])


@pytest.mark.parametrize(
    ("rows", "columns", "points"), [((1, 3), (0, 3), [3, 4, 5, 6, 7, 8]), ((0, 2), (1, 3), [1, 2, 4, 5])]
)
def test_a_region_holds_its_patterns_and_reads_none(nickel_up2, rows, columns, points):
    scan = nk.open_scan(nickel_up2)
    region = scan.region(rows, columns)
    assert type(region.patterns) is not np.ndarray
    np.testing.assert_array_equal(region.patterns, np.asarray(scan.patterns)[points])
    assert region.step == scan.step


def test_a_region_of_a_scan_cut_short_ends_where_the_scan_does():
    patterns = np.arange(7, dtype=np.uint8).reshape(7, 1, 1)
    region = Scan(patterns, Grid(3, 3)).region((1, 3), (0, 2))
    assert np.asarray(region.patterns).ravel().tolist() == [3, 4, 6]
    assert region.missing == 1
    with pytest.raises(ScanError, match="ends with pattern 6"):
        Scan(patterns, Grid(3, 3)).region((2, 3), (1, 3))


def test_patterns_without_a_map_are_thinned_one_way():
    scan = Scan(np.arange(7, dtype=np.uint8).reshape(7, 1, 1))
    assert scan.every(3).patterns.ravel().tolist() == [0, 3, 6]
    with pytest.raises(ScanError, match="no map"):
        scan.region((0, 1), (0, 1))
    with pytest.raises(ScanError, match="positive"):
        scan.every(0)


@pytest.mark.parametrize("rows", [(0, 4), (2, 2), (-1, 2)])
def test_a_region_outside_the_map_is_refused(rows):
    with pytest.raises(ScanError, match="rows 0 to 2"):
        Grid(3, 3).region(rows, (0, 3))
