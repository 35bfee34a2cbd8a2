"""Averages of neighbours are what they are defined to be, at the edges and in a part of the map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.processing.neighbours import average_neighbours, neighbour_weights
from napari_kikuchi.scan import ScanError


def some(rows, columns):
    return np.random.default_rng(rows * 31 + columns).uniform(0, 1, (rows * columns, 4, 5)).astype(np.float32)


def expected(patterns, rows, columns, share):
    """The definition, written out: over neighbours that exist, the weighted sum and the sum of weights."""
    half = len(share) // 2
    averaged = np.empty(patterns.shape)
    for row in range(rows):
        for column in range(columns):
            near = [
                (share[half + i - row, half + j - column], patterns[i * columns + j].astype(float))
                for i in range(rows)
                for j in range(columns)
                if abs(i - row) <= half and abs(j - column) <= half
            ]
            averaged[row * columns + column] = sum(w * p for w, p in near) / sum(w for w, _ in near)
    return averaged


def test_gaussian_weights_have_a_deviation_of_half_the_window():
    for window in (3, 5):
        distances = np.hypot(*np.mgrid[:window, :window] - window // 2)
        np.testing.assert_allclose(neighbour_weights(window), np.exp(-(distances**2) / (2 * (window // 2) ** 2)))
    np.testing.assert_array_equal(neighbour_weights(3, "uniform"), np.ones((3, 3)))


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 5, 9]), st.sampled_from(["gaussian", "uniform"]))
def test_is_the_weighted_mean_of_the_neighbours_that_there_are(rows, columns, window, weights):
    patterns = some(rows, columns)
    before = patterns.copy()
    averaged = average_neighbours(patterns, (rows, columns), window, weights)
    assert averaged.dtype == np.float32
    share = neighbour_weights(window, weights).astype(float)
    np.testing.assert_allclose(averaged, expected(patterns, rows, columns, share), rtol=1e-5)
    np.testing.assert_array_equal(patterns, before)


@given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["gaussian", "uniform"]))
def test_in_the_middle_of_a_part_of_the_map_it_is_the_same_to_the_bit(top, left, weights):
    on_map = some(8, 9).reshape(8, 9, 4, 5)
    whole = average_neighbours(on_map.reshape(-1, 4, 5), (8, 9), 3, weights).reshape(on_map.shape)
    part = on_map[top : top + 5, left : left + 6]
    alone = average_neighbours(part.reshape(-1, 4, 5), (5, 6), 3, weights).reshape(part.shape)
    np.testing.assert_array_equal(alone[1:-1, 1:-1], whole[top + 1 : top + 4, left + 1 : left + 5])


def test_masked_out_pixels_come_back_unchanged():
    patterns = some(3, 3)
    mask = np.zeros((4, 5), dtype=bool)
    mask[1:3, 1:4] = True
    averaged = average_neighbours(patterns, (3, 3), mask=mask)
    np.testing.assert_array_equal(averaged[:, ~mask], patterns[:, ~mask])
    np.testing.assert_array_equal(averaged[:, mask], average_neighbours(patterns, (3, 3))[:, mask])


def test_says_what_is_wrong():
    with pytest.raises(ScanError, match="9 patterns do not fill a map of 3 rows x 4 columns"):
        average_neighbours(some(3, 3), (3, 4))
    with pytest.raises(ScanError, match="odd number of rows and columns, not 4"):
        neighbour_weights(4)
    with pytest.raises(ScanError, match="gaussian or uniform, not 'flat'"):
        neighbour_weights(3, "flat")
