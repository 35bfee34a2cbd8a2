"""CLAHE against OpenCV, and what it does where OpenCV is of no use: deep patterns and masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_kikuchi.opencv import cv2
from napari_kikuchi.processing.clahe import clahe

# Divisible by 8x8 tiles; not at all; only in height; only in width.
SIZES = [(64, 80), (61, 67), (64, 67), (61, 80), (480, 480)]


def opencv(pattern, clip_limit, tiles):
    """OpenCV's answer for one pattern; its tile grid is (columns, rows)."""
    return cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=tiles[::-1]).apply(pattern)


def bands(shape, seed=0):
    """An 8-bit pattern with a bright middle, two bands and noise."""
    rows, columns = np.indices(shape) / np.array(shape)[:, None, None]
    smooth = 120 * np.exp(-((rows - 0.5) ** 2 + (columns - 0.4) ** 2) * 4)
    crossed = 30 * (np.abs(rows - columns) < 0.05) + 20 * (np.abs(rows + columns - 1) < 0.08)
    noisy = smooth + crossed + np.random.default_rng(seed).normal(40, 6, shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(("clip_limit", "tiles"), [(3.0, (8, 8)), (0.1, (2, 3)), (40.0, (4, 7)), (2.0, (1, 1))])
def test_8_bit_equals_opencv_to_the_bit(shape, clip_limit, tiles):
    patterns = np.stack([bands(shape, seed) for seed in range(2)])
    expected = [opencv(pattern, clip_limit, tiles) for pattern in patterns]
    np.testing.assert_array_equal(clahe(patterns, clip_limit, tiles), expected)


@pytest.mark.parametrize("shape", SIZES)
def test_floats_on_8_bit_levels_equal_opencv_to_the_bit(shape):
    pattern = bands(shape)
    equalised = clahe(pattern[None] / np.float32(255))[0]
    assert equalised.dtype == np.float32
    np.testing.assert_array_equal(np.rint(equalised * 255).astype(np.uint8), opencv(pattern, 3.0, (8, 8)))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(16, 70), st.integers(16, 70)),
    tiles=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    clip_limit=st.floats(0.1, 100),
    seed=st.integers(0, 2**16),
)
def test_deep_curves_are_opencvs_at_whole_levels(shape, tiles, clip_limit, seed):
    """A mask that holds everything sends 8-bit levels down the path for deep patterns, and changes nothing else."""
    pattern = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    pattern.flat[:4] = 0, 0, 255, 255
    deep = pattern / np.float32(255)
    equalised = clahe(deep[None], clip_limit, tiles, np.ones(shape, dtype=bool))[0] * 255
    assert np.abs(equalised - opencv(pattern, clip_limit, tiles)).max() <= 1


def test_deep_patterns_keep_their_depth():
    random = np.random.default_rng(4)
    deep = (bands((64, 80)).astype(np.float32) * 257 + random.integers(-128, 129, (64, 80))) / np.float32(65535)
    equalised = clahe(deep[None])
    assert len(np.unique(np.rint(equalised * 65535))) > 4 * 256
    assert 0 <= equalised.min() <= equalised.max() <= 1


def test_deep_patterns_look_as_shallow_ones_do():
    pattern = bands((64, 80))
    pattern.flat[:60] = 0
    pattern.flat[-60:] = 255  # so that stretching leaves the levels where they are
    deep = pattern.astype(np.float32) / 255 + np.float32(0.3 / 255) * (pattern < 255)
    apart = clahe(deep[None])[0] * 255 - opencv(pattern, 3.0, (8, 8))
    assert np.abs(apart).mean() < 4


def test_one_hot_pixel_does_not_flatten_a_deep_pattern():
    dark = bands((64, 80)).astype(np.float32) / 255 * np.float32(0.1) + np.float32(1e-4)
    hot = dark.copy()
    hot[20, 30] = 1
    clean, spoilt = clahe(dark[None])[0], clahe(hot[None])[0]
    assert np.abs(clean - spoilt).mean() < 0.01
    assert spoilt.std() > 0.1


@pytest.mark.parametrize("divisor", [1, 255])
def test_masked_pixels_come_back_untouched_and_take_no_part(divisor):
    pattern = bands((64, 80))
    inside = np.hypot(*(np.indices(pattern.shape) - 32)) < 28
    levels = np.where(inside, pattern, 0)
    other = np.where(inside, pattern, np.random.default_rng(5).integers(0, 256, pattern.shape)).astype(np.uint8)
    if divisor == 255:
        levels, other = levels / np.float32(255), other / np.float32(255)
    with_black, with_noise = (clahe(block[None], mask=inside)[0] for block in (levels, other))
    np.testing.assert_array_equal(with_black[~inside], levels[~inside])
    np.testing.assert_array_equal(with_noise[~inside], other[~inside])
    np.testing.assert_array_equal(with_black[inside], with_noise[inside])
    assert with_black[inside].std() > levels[inside].std()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_pattern_stays_flat(value):
    flat = np.full((1, 60, 60), value, dtype=np.uint8)
    assert len(np.unique(clahe(flat))) == 1
    assert len(np.unique(clahe(flat / np.float32(255)))) == 1


def test_a_flat_deep_pattern_stays_flat():
    assert len(np.unique(clahe(np.full((1, 60, 60), 0.12345, dtype=np.float32)))) == 1


def test_leaves_its_argument_as_it_was():
    for pattern in (bands((64, 80))[None], bands((64, 80))[None] / np.float32(256)):
        before = pattern.copy()
        clahe(pattern)
        np.testing.assert_array_equal(pattern, before)


def test_reads_patterns_that_are_not_contiguous():
    pattern = bands((80, 64))
    turned = pattern.T[None]
    np.testing.assert_array_equal(clahe(turned)[0], opencv(np.ascontiguousarray(pattern.T), 3.0, (8, 8)))


def test_more_tiles_than_pixels():
    small = bands((5, 6))
    np.testing.assert_array_equal(clahe(small[None], 3.0, (4, 4))[0], opencv(small, 3.0, (4, 4)))
