"""One rule for every conversion of pixels."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_kikuchi.formats import to_pixel_type
from napari_kikuchi.scan import ScanError

SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, max_side=4)


def one(*values, kind=None):
    return np.array(values, dtype=kind).reshape(1, 1, -1)


def test_8_bits_fill_16_and_come_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    deep = to_pixel_type(levels, "uint16")
    np.testing.assert_array_equal(deep, levels * np.uint16(257))
    np.testing.assert_array_equal(to_pixel_type(deep, "uint8"), levels)


def test_16_bits_are_rounded_to_8():
    levels = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    np.testing.assert_array_equal(to_pixel_type(levels, "uint8"), (levels.astype(int) + 128) // 257)


def test_byte_order_makes_no_difference():
    levels = one(0, 257, 65535, kind=">u2")
    assert to_pixel_type(levels, "uint8").tolist() == [[[0, 1, 255]]]
    assert to_pixel_type(levels, "<u2") is levels


def test_fractions_are_of_the_full_range():
    assert to_pixel_type(one(0.25, 0.5, 0.75), "uint8").tolist() == [[[64, 128, 191]]]


@pytest.mark.parametrize("kind", ["f4", "f8", "i4", "i8", "u4"])
def test_numbers_without_a_scale_are_laid_over_the_range(kind):
    assert to_pixel_type(one(1000, 1500, 2000, kind=kind), "uint16").tolist() == [[[0, 32768, 65535]]]
    assert to_pixel_type(one(7, 7, kind=kind), "uint8").tolist() == [[[0, 0]]]


def test_truth_is_full_range():
    assert to_pixel_type(one(False, True), "uint16").tolist() == [[[0, 65535]]]


def test_what_is_not_finite_does_not_decide():
    nan, inf = np.nan, np.inf
    assert to_pixel_type(one(nan, -inf, 2.0, 3.0, inf), "uint8").tolist() == [[[0, 0, 0, 255, 255]]]
    assert to_pixel_type(one(nan, nan), "uint8").tolist() == [[[0, 0]]]


@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(width=32)))
def test_order_is_kept_and_the_range_is_filled(patterns):
    levels = to_pixel_type(patterns, "uint16")
    finite = np.isfinite(patterns)
    order = np.argsort(patterns[finite], kind="stable")
    assert (np.diff(levels[finite][order].astype(int)) >= 0).all()
    inside = patterns[finite]
    if inside.size and inside.min() < inside.max() and (inside.min() < 0 or inside.max() > 1):
        assert (levels[finite].min(), levels[finite].max()) == (0, 65535)


@given(arrays.arrays(np.uint16, SHAPES))
def test_16_bits_survive_as_fractions(levels):
    np.testing.assert_array_equal(to_pixel_type(levels / np.float32(65535), "uint16"), levels)


@given(arrays.arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6)), st.integers(1, 4))
def test_chunked_equals_whole_and_stays_lazy(patterns, chunk):
    lazy = to_pixel_type(da.from_array(patterns, chunks=(chunk, -1, -1)), "uint8")
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy.compute(), to_pixel_type(patterns, "uint8"))


@pytest.mark.parametrize(("kind", "target"), [("complex64", "uint8"), ("U1", "uint8"), ("uint8", "int16")])
def test_what_cannot_be_stored_is_refused(kind, target):
    with pytest.raises(ScanError, match="stored as"):
        to_pixel_type(np.zeros((1, 1, 1), kind), target)
