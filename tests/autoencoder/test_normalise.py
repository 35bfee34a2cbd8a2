"""What a network sees does not hang on the unit, the background, or what lies outside the mask."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder.normalise import CLIP, normalise
from napari_kikuchi.autoencoder.simulation import broad_background

BACKGROUND = broad_background((60, 60), (0.5, 0.4), 0.9, 0.4)


@pytest.fixture
def patterns():
    random = np.random.default_rng(1)
    signal = 1 + 0.05 * random.standard_normal((3, 60, 60))
    return (signal * BACKGROUND).astype(np.float32)


def test_zero_mean_unit_contrast(patterns):
    seen = normalise(patterns)
    np.testing.assert_allclose(seen.mean(axis=(1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(axis=(1, 2)), 1, atol=1e-2)


def test_the_unit_does_not_matter(patterns):
    np.testing.assert_allclose(normalise(patterns * 255), normalise(patterns), atol=1e-4)


def test_a_background_removed_before_hardly_matters(patterns):
    expected = normalise(patterns)
    divided = normalise(patterns / BACKGROUND)
    subtracted = normalise(patterns / BACKGROUND - 1)
    assert np.corrcoef(divided.ravel(), expected.ravel())[0, 1] > 0.95
    assert np.corrcoef(subtracted.ravel(), expected.ravel())[0, 1] > 0.95


def test_what_lies_outside_the_mask_does_not_matter(patterns):
    y, x = np.mgrid[:60, :60]
    mask = (y - 30) ** 2 + (x - 30) ** 2 < 28**2
    spoilt = np.where(mask, patterns, 50).astype(np.float32)
    np.testing.assert_array_equal(normalise(spoilt, mask), normalise(np.where(mask, patterns, 0), mask))
    assert not normalise(spoilt, mask)[:, ~mask].any()


def test_a_hot_pixel_costs_no_contrast(patterns):
    expected = normalise(patterns)
    hot = patterns.copy()
    hot[:, 10, 10] *= 1.5
    seen = normalise(hot)
    assert seen.max() <= CLIP
    elsewhere = np.ones((60, 60), bool)
    elsewhere[5:16, 5:16] = False
    assert seen[:, elsewhere].std() == pytest.approx(expected[:, elsewhere].std(), rel=0.05)


@pytest.mark.parametrize("level", [0, 1])
def test_a_pattern_without_contrast_becomes_zero(level):
    assert not normalise(np.full((2, 30, 30), level, np.float32)).any()


def test_a_block_of_one_equals_one_of_a_block(patterns):
    np.testing.assert_array_equal(normalise(patterns[1:2])[0], normalise(patterns)[1])
