"""What patterns of the same crystal have in common is learnt from the scan."""

import numpy as np
import pytest

from napari_kikuchi.opencv import cv2
from napari_kikuchi.processing.similarity import band_features, learn_similarity, probability

SIDE = 60


def neighbours_of_two_crystals(noise):
    """Patterns of two crystals by turns, and pairs of them, of which four in five are of the same."""
    random = np.random.default_rng(1)
    crystals = [0.5 + 0.05 * cv2.GaussianBlur(random.standard_normal((SIDE, SIDE)), (0, 0), 1.5) * 5 for _ in range(2)]
    patterns = np.stack([crystals[number % 2] for number in range(120)])
    patterns = patterns + noise * random.standard_normal(patterns.shape)
    numbers = np.arange(100)
    return patterns.astype(np.float32), np.stack([numbers, numbers + np.where(numbers % 5, 2, 1)], axis=1)


def test_what_is_the_same_is_learnt_from_the_scan():
    patterns, pairs = neighbours_of_two_crystals(0.12)
    similarity = learn_similarity(band_features(patterns), pairs)
    assert similarity.related > similarity.unrelated[0] + 3 * similarity.unrelated[1]
    assert similarity.share == pytest.approx(0.8, abs=0.05)
    assert similarity.evidence(np.array(similarity.related)) > 0 > similarity.evidence(np.array(0.0))
    assert similarity.before(2.0) < similarity.before(1.0)


def test_a_scan_too_small_to_learn_from_tells_nothing():
    similarity = learn_similarity(np.zeros((1, 4), np.float32), np.empty((0, 2), dtype=np.int64))
    assert similarity.evidence(np.array(0.3)) == 0
    assert probability(np.array(similarity.before(1.0))) == pytest.approx(0.5)


@pytest.mark.parametrize("side", [20, 60, 121, 240])
def test_features_are_few_and_of_unit_length(side):
    features = band_features(np.random.default_rng(0).uniform(0, 1, (3, side, side)).astype(np.float32))
    assert features.shape[1] <= 90**2
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


def test_features_leave_out_what_lies_outside_the_mask():
    random = np.random.default_rng(0)
    patterns = random.uniform(0, 1, (3, 120, 120)).astype(np.float32)
    y, x = np.mgrid[:120, :120] - 60
    mask = y**2 + x**2 < 50**2
    other = np.where(mask, patterns, random.uniform(0, 9, patterns.shape)).astype(np.float32)
    np.testing.assert_allclose(band_features(other, mask), band_features(patterns, mask), atol=1e-6)
