"""One number a pattern."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.processing.maps import MEASURES, Region, measure
from napari_kikuchi.processing.quality import image_quality
from napari_kikuchi.scan import ScanError

SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SHARES, SHARES, st.integers(1, 80), st.integers(1, 80))
def test_a_region_is_on_the_detector_or_refused(x, y, width, height, rows, columns):
    try:
        region = Region(x, y, width, height)
    except ScanError:
        assert width == 0 or height == 0 or max(x, y) == 1 or x + width > 1 or y + height > 1
        return
    inside = np.zeros((rows, columns))
    inside[region.pixels(rows, columns)] = 1
    assert inside.any()
    assert abs(inside.any(axis=0).sum() - width * columns) <= 1.001


def test_regions_that_share_an_edge_share_no_pixel(nickel):
    left, right = Region(0, 0, 0.37, 1).pixels(60, 60), Region(0.37, 0, 0.63, 1).pixels(60, 60)
    assert left[1].stop == right[1].start


@pytest.mark.parametrize("region", [(0.5, 0, 0.6, 1), (-0.1, 0, 0.5, 1), (0, 0, 0, 1), (0, 0, 1, float("nan"))])
def test_what_is_no_region_is_told(region):
    with pytest.raises(ScanError, match="within 0 to 1"):
        Region(*region)


def test_measures_are_what_they_say(nickel):
    region = Region(0.25, 0.5, 0.5, 0.25)
    np.testing.assert_array_equal(measure(nickel, "image-quality", region), image_quality(nickel))
    np.testing.assert_allclose(measure(nickel, "mean-intensity", region), nickel.mean(axis=(1, 2)))
    expected = nickel[:, 30:45, 15:45].mean(axis=(1, 2))
    np.testing.assert_allclose(measure(nickel, "virtual-backscatter", region), expected)


@pytest.mark.parametrize("of", MEASURES)
def test_a_pattern_counts_for_itself(nickel, of):
    whole = measure(nickel, of, Region())
    np.testing.assert_allclose([measure(nickel[i : i + 1], of, Region())[0] for i in range(9)], whole, rtol=1e-6)


def test_an_unknown_measure_is_named(nickel):
    with pytest.raises(ScanError, match="sharpness"):
        measure(nickel, "sharpness", Region())
