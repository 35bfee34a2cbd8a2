"""Backgrounds are what they are defined to be, inside the mask and out."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_kikuchi.processing.background import (
    as_background,
    dynamic_background,
    remove_dynamic_background,
    remove_static_background,
    static_background,
)
from napari_kikuchi.scan import ScanError


@pytest.fixture
def patterns():
    return np.random.default_rng(1).uniform(0.2, 1, (4, 60, 50)).astype(np.float32)


@pytest.fixture
def mask():
    y, x = np.mgrid[:60, :50]
    return (y - 30) ** 2 + (x - 25) ** 2 < 22**2


@pytest.mark.parametrize("sigma", [1.5, 6.0])
def test_is_a_gaussian_blur(patterns, sigma):
    expected = [gaussian_filter(pattern, sigma, mode="reflect", truncate=6) for pattern in patterns]
    np.testing.assert_allclose(dynamic_background(patterns, sigma), expected, atol=2e-4)


@pytest.mark.parametrize("sigma", [9.0, 15.0, 30.0])
def test_a_wide_blur_of_a_large_pattern_is_one_as_well(sigma):
    large = np.random.default_rng(2).uniform(0, 1, (1, 240, 240)).astype(np.float32)
    large += np.linspace(0, 1, 240, dtype=np.float32)
    expected = gaussian_filter(large[0], sigma, mode="reflect", truncate=6)
    np.testing.assert_allclose(dynamic_background(large, sigma)[0], expected, atol=5e-3)


def test_masked_out_pixels_take_no_part(patterns, mask):
    spoilt = np.where(mask, patterns, 1000).astype(np.float32)
    np.testing.assert_array_equal(dynamic_background(patterns, 6, mask), dynamic_background(spoilt, 6, mask))


def test_an_even_pattern_is_its_own_background_up_to_the_edge_of_the_mask(mask):
    even = np.where(mask, 0.5, 0).astype(np.float32)[None]
    np.testing.assert_allclose(dynamic_background(even, 6, mask)[0, mask], 0.5, rtol=1e-5)


@pytest.mark.parametrize("operation", ["divide", "subtract"])
def test_masked_out_pixels_come_back_unchanged(patterns, mask, operation):
    background = static_background(patterns)
    for result in (
        remove_dynamic_background(patterns, 5, operation, mask),
        remove_static_background(patterns, background, operation, mask),
    ):
        np.testing.assert_array_equal(result[:, ~mask], patterns[:, ~mask])
        assert not np.array_equal(result[:, mask], patterns[:, mask])


@pytest.mark.parametrize("sigma", [5, 12])
def test_a_block_of_one_equals_one_of_a_block(patterns, mask, sigma):
    whole = remove_dynamic_background(patterns, sigma, mask=mask)
    np.testing.assert_array_equal(remove_dynamic_background(patterns[2:3], sigma, mask=mask)[0], whole[2])


def test_static_background_is_the_mean(patterns):
    np.testing.assert_allclose(static_background(patterns), patterns.mean(axis=0), rtol=1e-6)


def test_removing_a_static_background(patterns):
    background = static_background(patterns)
    np.testing.assert_allclose(
        remove_static_background(patterns, background, "divide") * background, patterns, rtol=1e-5
    )
    np.testing.assert_allclose(
        remove_static_background(patterns, background, "subtract") + background, patterns, atol=1e-6
    )


def test_dark_pixels_of_the_background_stay_dark(patterns):
    background = static_background(patterns)
    background[:5] = 0
    patterns[:, :5] = 0.001
    result = remove_static_background(patterns, background, "divide")
    assert np.isfinite(result).all()
    assert result[:, :5].max() < 1


def test_an_empty_block_stays_empty():
    assert remove_dynamic_background(np.zeros((0, 20, 30), np.float32), 3).shape == (0, 20, 30)


def test_says_what_is_wrong(patterns, mask):
    with pytest.raises(ScanError, match=r"sigma above 0 pixels, not 0"):
        dynamic_background(patterns, 0)
    with pytest.raises(ScanError, match=r"mask is 50x60 and the patterns are 60x50"):
        dynamic_background(patterns, 3, mask.T)
    with pytest.raises(ScanError, match=r"background is 3x3 and the patterns are 60x50"):
        remove_static_background(patterns, np.ones((3, 3), np.float32))
    with pytest.raises(ScanError, match="not by 'add'"):
        remove_dynamic_background(patterns, 3, "add")
    with pytest.raises(ScanError, match="none were given"):
        static_background(patterns[:0])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_users_background_is_a_fraction_of_the_full_range(kind):
    image = np.array([[0, np.iinfo(kind).max // 5]], dtype=kind)
    np.testing.assert_allclose(as_background(image), [[0, 0.2]])
    np.testing.assert_array_equal(as_background(np.array([[0.0, 0.2]])), np.array([[0, 0.2]], dtype=np.float32))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full((2, 2), 128.0), "goes from 128 to 128: divide it by 255"),
        (np.full((2, 2), -0.1), "0 to 1"),
        (np.full((2, 2), np.nan), "0 to 1"),
        (np.zeros((1, 2, 2)), r"shape \(1, 2, 2\)"),
        (np.zeros((2, 2), dtype=int), "type int64"),
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
    ],
)
def test_another_background_is_refused(image, says):
    with pytest.raises(ScanError, match=says):
        as_background(image)
