"""In from pixel levels, and out again by one rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_kikuchi.processing.rescale import from_levels, quantise, stretch, to_levels

SHAPES = npst.array_shapes(min_dims=3, max_dims=3, max_side=6)


@given(st.sampled_from([np.uint8, np.uint16]).flatmap(lambda kind: npst.arrays(kind, SHAPES)))
def test_levels_come_back(patterns):
    floats = from_levels(patterns)
    assert floats.dtype == np.float32
    assert floats.min() >= 0
    assert floats.max() <= 1
    np.testing.assert_array_equal(to_levels(floats, patterns.dtype), patterns)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_level_comes_back(kind):
    every = np.arange(np.iinfo(kind).max + 1, dtype=kind)[None, None]
    np.testing.assert_array_equal(to_levels(from_levels(every), every.dtype), every)


def test_big_endian_levels_are_read_as_numbers():
    patterns = np.array([[[0, 65535, 256]]], dtype=">u2")
    np.testing.assert_allclose(from_levels(patterns), [[[0, 1, 256 / 65535]]], rtol=1e-6)


def test_the_callers_array_is_never_returned():
    patterns = np.zeros((1, 2, 2), dtype=np.float32)
    from_levels(patterns)[:] = 1
    assert patterns.max() == 0


def test_values_are_rounded_and_those_outside_brought_to_the_end():
    values = np.array([[[-0.5, 0.4 / 255, 0.6 / 255, 1.5]]], dtype=np.float32)
    assert to_levels(values, np.dtype("u1")).tolist() == [[[0, 0, 1, 255]]]


def test_to_levels_leaves_its_argument_as_it_was():
    values = np.array([[[0.25, 0.5]]], dtype=np.float32)
    to_levels(values, np.dtype("u2"))
    assert values.tolist() == [[[0.25, 0.5]]]


def test_floating_point_goes_out_as_it_is():
    values = np.array([[[-0.5, 2.0]]], dtype=np.float32)
    np.testing.assert_array_equal(to_levels(values, np.dtype("f8")), values)


@pytest.mark.parametrize(("levels", "kind"), [(256, np.uint8), (65536, np.uint16)])
def test_quantising_is_what_a_file_does(levels, kind):
    values = np.random.default_rng(0).uniform(-0.1, 1.1, (2, 20, 20)).astype(np.float32)
    stored = from_levels(to_levels(values, np.dtype(kind)))
    np.testing.assert_array_equal(quantise(values, levels), stored)


def test_stretch_fills_the_range():
    patterns = np.random.default_rng(1).normal(5, 2, (3, 50, 50)).astype(np.float32)
    stretched = stretch(patterns)
    assert (stretched.min(axis=(1, 2)) == 0).all()
    assert (stretched.max(axis=(1, 2)) == 1).all()


def test_a_hot_pixel_does_not_decide():
    pattern = np.random.default_rng(2).uniform(0.4, 0.6, (1, 60, 60)).astype(np.float32)
    hot = pattern.copy()
    hot[0, 10, 10], hot[0, 20, 20] = 1000, -1000
    assert np.abs(stretch(hot) - stretch(pattern)).mean() < 0.01


def test_black_corners_outside_the_mask_do_not_decide():
    pattern = np.random.default_rng(3).uniform(0.4, 0.6, (1, 60, 60)).astype(np.float32)
    inside = np.hypot(*(np.indices((60, 60)) - 29.5)) < 30
    black, white = (np.where(inside, pattern, value).astype(np.float32) for value in (0, 1))
    np.testing.assert_array_equal(stretch(black, inside)[:, inside], stretch(white, inside)[:, inside])
    assert stretch(black, inside)[:, inside].std() > 0.2


def test_each_pattern_is_stretched_on_its_own():
    patterns = np.random.default_rng(4).random((4, 20, 20)).astype(np.float32)
    patterns *= np.array([1, 10, 100, 0.01], dtype=np.float32)[:, None, None]
    alone = np.concatenate([stretch(pattern[None]) for pattern in patterns])
    np.testing.assert_array_equal(stretch(patterns), alone)


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0])
def test_a_flat_pattern_comes_out_in_the_middle(value):
    assert (stretch(np.full((2, 5, 5), value, dtype=np.float32)) == 0.5).all()


@given(npst.arrays(np.float32, SHAPES, elements=st.floats(-1, 2, width=32)))
def test_stretching_follows_the_percentiles_of_numpy_to_the_bit(patterns):
    low, high = np.percentile(patterns.reshape(len(patterns), -1), (0.1, 99.9), axis=1).astype(np.float32)
    for pattern, stretched, dark, bright in zip(patterns, stretch(patterns), low, high, strict=True):
        expected = np.clip((pattern - dark) / (bright - dark), 0, 1) if bright > dark else np.full(pattern.shape, 0.5)
        np.testing.assert_array_equal(stretched, expected.astype(np.float32))
