"""Image quality against its definition."""

import numpy as np
import pytest

from napari_kikuchi.processing.quality import image_quality


def by_definition(pattern):
    """Krieger Lassen's formula, written out frequency by frequency."""
    height, width = pattern.shape
    normalised = (pattern - pattern.mean()) / pattern.std()
    weights = np.abs(np.fft.fft2(normalised))
    distances = np.empty(pattern.shape)
    for row in range(height):
        for column in range(width):
            k = row if row <= (height - 1) // 2 else row - height
            q = column if column <= (width - 1) // 2 else column - width
            distances[row, column] = k**2 + q**2
    return 1 - (weights * distances).sum() / weights.sum() / distances.mean()


@pytest.mark.parametrize("shape", [(16, 16), (15, 17), (12, 21), (9, 30)])
def test_equals_the_definition_for_even_and_odd_sizes(shape):
    patterns = np.random.default_rng(1).random((3, *shape))
    expected = [by_definition(pattern) for pattern in patterns]
    np.testing.assert_allclose(image_quality(patterns), expected, atol=1e-5)


def test_white_noise_is_near_zero_and_a_real_pattern_well_above(nickel):
    noise = np.random.default_rng(2).normal(size=nickel.shape)
    assert np.abs(image_quality(noise)).max() < 0.05
    assert image_quality(nickel).min() > 0.1


def test_noise_lowers_it(nickel):
    random = np.random.default_rng(3)
    levels = [image_quality(nickel + random.normal(0, sigma, nickel.shape)).mean() for sigma in (0, 5, 15, 45)]
    assert levels == sorted(levels, reverse=True)


def test_brightness_and_contrast_have_no_say(nickel):
    shifted = nickel.astype(np.float64) * 0.3 + 1000
    np.testing.assert_allclose(image_quality(shifted), image_quality(nickel), atol=1e-3)


@pytest.mark.parametrize("value", [0, 7, 60000])
def test_a_flat_pattern_has_none(value):
    assert image_quality(np.full((2, 10, 10), value, dtype=np.uint16)).tolist() == [0, 0]


def test_many_patterns_at_once_are_each_on_its_own(nickel, monkeypatch):
    whole = image_quality(nickel)
    monkeypatch.setattr("napari_kikuchi.processing.quality.BLOCK_PIXELS", 2 * 60 * 60)
    np.testing.assert_allclose(image_quality(nickel), whole, rtol=1e-6)


def test_takes_a_dask_array(nickel):
    import dask.array as da

    np.testing.assert_allclose(image_quality(da.from_array(nickel)), image_quality(nickel), rtol=1e-6)
