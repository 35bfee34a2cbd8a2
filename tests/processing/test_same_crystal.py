"""Neighbours of the same crystal are told from others in noise, and averages stop at the boundary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.opencv import cv2
from napari_kikuchi.processing.neighbours import average_neighbours
from napari_kikuchi.processing.same_crystal import average_similar, reach, similar_weights
from napari_kikuchi.processing.similarity import Similarity, band_features, learn_similarity
from napari_kikuchi.scan import ScanError

ROWS, COLUMNS, SIDE = 12, 14, 60


def crystal(seed):
    """Something as coarse as bands are, of unit contrast."""
    texture = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), (0, 0), 1.5)
    return texture / texture.std()


def two_grains(noise, seed=1):
    """A map whose left half is one crystal and whose right half is another, on a sloping background."""
    random = np.random.default_rng(seed)
    background = 0.4 + 0.2 * np.linspace(-1, 1, SIDE)[:, None]
    grains = [background * (1 + 0.1 * crystal(seed)) for seed in (5, 6)]
    clean = np.stack([grains[column >= COLUMNS // 2] for _ in range(ROWS) for column in range(COLUMNS)])
    return (clean + noise * random.standard_normal(clean.shape)).astype(np.float32), clean


def learnt(patterns, mask=None):
    numbers = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    pairs = np.stack([numbers[:, :-1].ravel(), numbers[:, 1:].ravel()], axis=1)
    return learn_similarity(band_features(patterns, mask), pairs)


def weights_on(patterns, window=3):
    similarity = learnt(patterns)
    features = band_features(patterns) - similarity.common
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return similar_weights(features.reshape(ROWS, COLUMNS, -1), window, similarity)


@pytest.mark.parametrize("noise", [0.05, 0.12])
def test_neighbours_across_a_boundary_hardly_count(noise):
    weights = weights_on(two_grains(noise)[0])
    below, right = weights[2, 1], weights[1, 2]
    edge = COLUMNS // 2 - 1
    assert below[2:-2, 2:-2].mean() > 0.9
    assert right[1:-1, edge].mean() < 0.1
    assert (below[-1] == 0).all()
    assert (right[:, -1] == 0).all()
    assert (weights[1, 1] == 1).all()


def test_where_one_pair_tells_nothing_the_groups_do():
    noisy, _ = two_grains(0.5)
    assert learnt(noisy).related < 0.05
    right = weights_on(noisy, 5)[2, 3]
    across = right[2:-2, COLUMNS // 2 - 1]
    assert np.median(across) < 0.3
    assert np.median(right[2:-2, 2 : COLUMNS // 2 - 2]) > 0.7


def test_at_a_boundary_an_average_of_similar_ones_is_nearer_to_the_truth_than_a_plain_one():
    noisy, clean = two_grains(0.12)
    shape = (ROWS, COLUMNS)
    errors = [
        (averaged - clean).reshape(*shape, -1)[:, COLUMNS // 2 - 2 : COLUMNS // 2 + 2].std()
        for averaged in (
            average_neighbours(noisy, shape, 5, "uniform"),
            average_similar(noisy, shape, 5, learnt(noisy)),
        )
    ]
    assert errors[1] < 0.99 * errors[0]


def test_a_single_crystal_is_averaged_as_a_whole():
    random = np.random.default_rng(1)
    patterns = 0.5 * (1 + 0.1 * crystal(5)) + 0.1 * random.standard_normal((ROWS * COLUMNS, SIDE, SIDE))
    weights = weights_on(patterns.astype(np.float32))
    assert np.mean([weight[1:-1, 1:-1].mean() for weight in weights]) > 0.5


def test_noise_alone_gives_numbers():
    noise = np.random.default_rng(0).standard_normal((ROWS * COLUMNS, SIDE, SIDE)).astype(np.float32)
    averaged = average_similar(noise, (ROWS, COLUMNS), 3, learnt(noise))
    assert np.isfinite(averaged).all()
    flat = np.full_like(noise, 0.5)
    np.testing.assert_allclose(average_similar(flat, (ROWS, COLUMNS), 3, learnt(flat)), 0.5, rtol=1e-6)


@given(st.integers(0, 1), st.integers(0, 2), st.sampled_from([3, 5]))
def test_in_the_middle_of_a_part_of_the_map_it_is_the_same_to_the_bit(top, left, window):
    noisy, _ = two_grains(0.12)
    noisy = noisy[:, ::4, ::4]
    similarity = Similarity((0.0, 0.05), 0.3, 0.8, np.zeros(15 * 15, np.float32))
    whole = average_similar(noisy, (ROWS, COLUMNS), window, similarity).reshape(ROWS, COLUMNS, 15, 15)
    part = noisy.reshape(whole.shape)[top : top + 11, left : left + 12]
    alone = average_similar(part.reshape(-1, 15, 15), (11, 12), window, similarity).reshape(part.shape)
    rim = reach(window)
    inner = whole[top + rim : top + 11 - rim, left + rim : left + 12 - rim]
    np.testing.assert_array_equal(alone[rim:-rim, rim:-rim], inner)


def test_only_the_points_asked_for_are_averaged():
    noisy, _ = two_grains(0.12)
    points = np.array([0, 30, ROWS * COLUMNS - 1])
    every = average_similar(noisy, (ROWS, COLUMNS), 3, learnt(noisy))
    some = average_similar(noisy, (ROWS, COLUMNS), 3, learnt(noisy), points=points)
    np.testing.assert_array_equal(some, every[points])


def test_what_lies_outside_the_mask_does_not_matter_and_comes_back():
    noisy, _ = two_grains(0.1)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    mask = y**2 + x**2 < (0.45 * SIDE) ** 2
    outside = np.random.default_rng(3).uniform(0, 5, noisy.shape).astype(np.float32)
    similarity = learnt(noisy, mask)
    averaged = average_similar(noisy, (ROWS, COLUMNS), 3, similarity, mask)
    other = average_similar(np.where(mask, noisy, outside), (ROWS, COLUMNS), 3, similarity, mask)
    np.testing.assert_allclose(averaged[:, mask], other[:, mask], rtol=1e-4)
    np.testing.assert_array_equal(averaged[:, ~mask], noisy[:, ~mask])


def test_what_does_not_fit_is_said():
    similarity = learnt(two_grains(0.1)[0])
    patterns = np.zeros((6, SIDE, SIDE), np.float32)
    with pytest.raises(ScanError, match="6 patterns do not fill a map of 2 rows x 2 columns"):
        average_similar(patterns, (2, 2), 3, similarity)
    with pytest.raises(ScanError, match="odd number of rows and columns, not 4"):
        average_similar(patterns, (2, 3), 4, similarity)
