"""Where points of a map lie, without a window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.plugin.map_layout import MapLayout, MapRegion
from napari_kikuchi.plugin.places import beside
from napari_kikuchi.scan import Grid


@st.composite
def layouts(draw):
    hexagonal = draw(st.booleans())
    grid = Grid(draw(st.integers(1, 9)), draw(st.integers(2, 9)), hexagonal, hexagonal and draw(st.booleans()))
    step = draw(st.sampled_from([(0.0, 0.0), (1.5, 1.5), (0.5, 0.433), (2.0, 0.1)]))
    return MapLayout.of(grid, draw(st.integers(1, grid.size)), step)


@given(layouts())
def test_a_point_is_found_at_its_place_and_a_missing_one_is_not(layout):
    for number in range(layout.grid.size):
        place = layout.centre(number)
        assert layout.at(*place) == (number if number < layout.n else None)


@given(layouts(), st.floats(-50, 50), st.floats(-50, 50))
def test_some_point_is_nearest_to_any_place(layout, x, y):
    assert 0 <= layout.at(x, y, nearest=True) < layout.n


@given(layouts())
def test_the_picture_shows_points_where_they_lie_and_nothing_where_none_is(layout):
    values = layout.grid.place(np.arange(layout.n, dtype=float))
    picture = layout.picture(values)
    width, height = layout.size
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            x, y = (column + 0.5) / picture.shape[1] * width, (row + 0.5) / picture.shape[0] * height
            assert (picture[row, column, 3] == 0) == (layout.at(x, y) is None)
    places = [layout.centre(number) for number in range(layout.n)]
    shades = [picture[int(y / height * picture.shape[0]), int(x / width * picture.shape[1]), 0] for x, y in places]
    assert np.all(np.diff(np.array(shades, int)) >= 0)


def test_what_is_not_measured_yet_is_faint():
    picture = MapLayout.of(Grid(1, 3), 2, (1, 1)).picture(np.array([[1.0, np.nan, np.nan]]))
    assert picture[0, :, 3].tolist() == [255, 60, 0]


def test_a_step_gives_the_aspect_and_hexagons_have_one_of_their_own():
    assert MapLayout.of(Grid(2, 3), 6, (2.0, 0.5)).size == (6, 1)
    assert MapLayout.of(Grid(2, 3), 6, (0.0, 0.0)).size == (3, 2)
    assert MapLayout.of(Grid(2, 3, True), 5, (0.0, 0.0)).size == pytest.approx((3, 1.7320508))


@pytest.mark.parametrize("grid", [Grid(1, 500), Grid(500, 1), Grid(2, 900, hexagonal=True)])
def test_a_line_is_thick_enough_to_be_seen(grid):
    width, height = MapLayout.of(grid, grid.size, (1.0, 1.0)).size
    assert max(width, height) == pytest.approx(20 * min(width, height))


def test_a_map_of_one_value_is_middle_grey():
    assert MapLayout.of(Grid(1, 2), 2, (1, 1)).picture(np.full((1, 2), 7.0))[..., 0].tolist() == [[128, 128]]


def test_short_rows_lie_half_a_point_to_the_right():
    layout = MapLayout.of(Grid(2, 3, hexagonal=True), 5, (2.0, 1.0))
    assert [layout.centre(number) for number in range(5)] == [(1, 0.5), (3, 0.5), (5, 0.5), (2, 1.5), (4, 1.5)]


@given(layouts())
def test_down_and_up_again_leads_back_and_stays_within_half_a_point(layout):
    grid = layout.grid
    for number in range(grid.size):
        below = beside(grid, number, 1)
        if below is None:
            assert grid.position(number)[0] == grid.rows - 1
            continue
        assert abs(layout.centre(below)[0] - layout.centre(number)[0]) <= layout.cell[0] / 2 + 1e-9
        row, column = grid.position(number)
        if column < grid.row_lengths[row + 1]:
            assert beside(grid, below, -1) == number


@given(layouts(), st.data())
def test_a_region_holds_the_points_under_both_ends_and_those_inside_its_outline(layout, data):
    numbers = st.integers(0, layout.n - 1)
    ends = data.draw(numbers), data.draw(numbers)
    region = layout.spanned(*(layout.nearest(*layout.centre(number)) for number in ends))
    rows, columns = ((first, last + 1) for first, last in (region.rows, region.columns))
    points = [number for number in layout.grid.region(rows, columns)[1].tolist() if number < layout.n]
    assert set(ends) <= set(points)
    assert layout.count(region) == len(points)
    left, top, width, height = layout.box(region)
    inside = [
        number
        for number in range(layout.n)
        if left < layout.centre(number)[0] < left + width and top < layout.centre(number)[1] < top + height
    ]
    assert set(points) <= set(inside)


@pytest.mark.parametrize(("column", "columns"), [(0, (0, 1)), (4, (3, 4))])
def test_a_region_down_a_column_of_a_hexagonal_map_takes_in_the_points_of_the_short_rows(column, columns):
    layout = MapLayout.of(Grid(3, 5, hexagonal=True), 14, (1.0, 1.0))
    region = layout.spanned((0, column), (2, column))
    assert region == MapRegion((0, 2), columns)
    assert layout.count(region) == 5


def test_a_region_reaches_to_the_end_of_the_rows_where_the_last_one_is_cut_short():
    layout = MapLayout.of(Grid(3, 3), 7, (1.0, 1.0))
    region = layout.spanned(layout.nearest(0.5, 0.5), layout.nearest(2.5, 2.5))
    assert region == MapRegion((0, 2), (0, 2))
    assert layout.count(region) == 7
    assert layout.box(MapRegion((1, 2), (0, 1))) == (0, 1, 2, 2)
