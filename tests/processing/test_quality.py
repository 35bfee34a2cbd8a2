"""Image quality against its definition."""

import numpy as np
import pytest

from napari_kikuchi.processing.quality import FIGURES, contrast, correlation, image_quality, noise_share


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


def test_white_noise_is_noise_alone_and_a_smooth_pattern_has_none():
    random = np.random.default_rng(4)
    noise = 100 + random.normal(0, 7, (3, 200, 200))
    np.testing.assert_allclose(noise_share(noise), 1, atol=0.05)
    ramp = np.mgrid[0:60, 0:60].sum(axis=0)[None] * 10
    assert noise_share(ramp)[0] < 1e-3


def test_the_share_of_noise_is_that_of_the_deviations():
    random = np.random.default_rng(5)
    wave = 50 * np.sin(np.linspace(0, 12, 120))[None, None, :] * np.ones((1, 120, 1))
    noisy = wave + random.normal(0, 10, (1, 120, 120))
    assert noise_share(noisy)[0] == pytest.approx(10 / np.hypot(10, wave.std()), rel=0.05)


def test_contrast_is_what_is_left_without_the_background():
    y, x = np.mgrid[0:120, 0:120]
    background = 1000 + 500 * np.exp(-((x - 60) ** 2 + (y - 50) ** 2) / 6000)
    bands = 1 + 0.05 * np.sign(np.sin(x / 2.5))
    assert contrast((background * bands)[None])[0] == pytest.approx(0.05, rel=0.1)
    assert contrast(background[None])[0] < 0.02


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_look_at_neither_brightness_nor_scale(nickel, figure):
    np.testing.assert_allclose(figure(nickel.astype(np.float32) * 3), figure(nickel), rtol=1e-3)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("value", [0, 7])
def test_figures_of_a_flat_pattern_are_nothing(figure, value):
    assert figure(np.full((2, 10, 10), value, dtype=np.uint16)) == pytest.approx([0, 0], abs=1e-6)


def test_correlation_is_pearsons(nickel):
    first, second = nickel[:4], nickel[4:8]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(correlation(first, second), expected)
    np.testing.assert_allclose(correlation(first, first * 0.5 + 9.0), 1)
    np.testing.assert_allclose(correlation(first, 255 - first), -1)
    assert correlation(first, np.zeros_like(first)).tolist() == [0, 0, 0, 0]
