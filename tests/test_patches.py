"""A map in patches: every point once and in order, each with all the neighbours within the rim."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.patches import patches, tiles
from napari_kikuchi.scan import Grid

SIDES = st.integers(1, 9)


@given(SIDES, SIDES, st.integers(1, 90), st.integers(0, 4), st.integers(0, 4))
def test_patches_cover_the_map_once_with_their_rims(rows, columns, length, first, second):
    points = np.arange(rows * columns)[:, None, None]
    position = 0
    for patch in patches(Grid(rows, columns), length, first + second):
        assert patch.start == position
        assert 1 <= patch.size <= length
        assert patch.own_spans == [(position, position + patch.size)]
        own = set(range(position, position + patch.size))
        read = patch.read(lambda start, stop: points[start:stop])
        assert len(read) == patch.grid.size
        assert set(read.ravel()) == {
            i * columns + j
            for i in range(rows)
            for j in range(columns)
            if any(max(abs(i - p // columns), abs(j - p % columns)) <= first + second for p in own)
        }
        assert sorted(patch.cut(read, first + second).ravel()) == sorted(own)
        assert len(patch.cut(read, first)) >= patch.size
        position += patch.size
    assert position == rows * columns


@given(SIDES, SIDES, st.integers(1, 90), st.integers(0, 4))
def test_tiles_cover_the_map_once_and_read_no_more_than_they_may(rows, columns, length, rim):
    points = np.arange(rows * columns)[:, None, None]
    covered = []
    for patch in tiles(Grid(rows, columns), length, rim):
        own = [point for start, stop in patch.own_spans for point in range(start, stop)]
        assert len(own) == patch.size
        read = patch.read(lambda start, stop: points[start:stop])
        assert len(read) <= max(length, (1 + 2 * rim) ** 2)
        assert patch.cut(read, rim).ravel().tolist() == own
        covered += own
    assert sorted(covered) == list(range(rows * columns))
