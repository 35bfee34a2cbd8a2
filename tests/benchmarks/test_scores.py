import numpy as np
import pytest

from scores import boundaries, resampled_share, similarity
from simulated import pure_noise

RANDOM = np.random.default_rng(0)


def test_the_interval_of_independent_points_is_the_binomial_one():
    share, low, high = resampled_share(np.arange(400) < 200, np.arange(400))
    assert share == 0.5
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.01)


def test_points_of_one_grain_count_together():
    right = np.arange(400) < 200
    grains = np.arange(400) // 40
    _, low, high = resampled_share(right, grains)
    assert high - low > 0.5


def test_boundaries_are_the_points_with_a_foreign_neighbour():
    noise = pure_noise(4, 4)
    noise.grains[:] = np.array([[0, 0, 0, 1]] * 4).ravel()
    expected = np.array([[False, False, True, True]] * 4).ravel()
    assert np.array_equal(boundaries(noise), expected)


def test_scale_offset_and_a_kept_background_do_not_count():
    signals = RANDOM.random((2, 32, 32), dtype=np.float32)
    background = np.linspace(1, 2, 32, dtype=np.float32)[None] * np.ones((32, 1), np.float32)
    patterns = (3000 + 10000 * background * (1 + 0.2 * signals)).astype(np.uint16)
    psnr, ssim = similarity(patterns, signals, background)
    assert psnr > 50
    assert ssim == pytest.approx(1, abs=1e-3)


def test_an_unlike_pattern_scores_as_flat_grey():
    signals = RANDOM.random((2, 32, 32), dtype=np.float32)
    noise = RANDOM.integers(0, 65535, (2, 32, 32), dtype=np.uint16)
    psnr, ssim = similarity(noise, signals, np.ones((32, 32), np.float32))
    assert psnr == pytest.approx(-10 * np.log10(signals.var()), abs=0.1)
    assert ssim < 0.1
