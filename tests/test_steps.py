"""Steps on single patterns, and the background that they learn from a scan."""

import dask.array as da
import numpy as np
import pytest

from napari_kikuchi.scan import Scan, ScanError, ScanWarning
from napari_kikuchi.steps import DynamicBackground, StaticBackground


@pytest.fixture
def many():
    """2500 small patterns on a gradient of their own."""
    noise = np.random.default_rng(0).integers(0, 100, (2500, 8, 10))
    return (noise + np.arange(10) * 10).astype(np.uint8)


def test_a_static_background_is_learnt_from_patterns_spread_over_the_scan(many):
    fitted = StaticBackground().fit(Scan(many))
    chosen = np.unique(np.linspace(0, 2499, 1000).round().astype(int))
    np.testing.assert_allclose(fitted.learnt, many[chosen].mean(axis=0) / 255, rtol=1e-6)
    again = StaticBackground().fit(Scan(da.from_array(many, (7, 8, 5))))
    np.testing.assert_array_equal(again.learnt, fitted.learnt)


def test_of_a_small_scan_all_patterns_count(many):
    np.testing.assert_allclose(StaticBackground().fit(Scan(many[:60])).learnt, many[:60].mean(axis=0) / 255, rtol=1e-6)


def test_what_is_learnt_is_not_what_a_step_is(many):
    fitted = StaticBackground("subtract").fit(Scan(many))
    assert fitted == StaticBackground("subtract")
    assert hash(fitted) == hash(StaticBackground("subtract"))
    assert repr(fitted) == "StaticBackground(operation='subtract', own=False)"


@pytest.mark.parametrize(("operation", "flat"), [("divide", 1), ("subtract", 0)])
def test_a_scan_of_nothing_but_background_comes_out_flat(many, operation, flat):
    even = np.repeat(many[:1], 60, axis=0)
    result = StaticBackground(operation).fit(Scan(even))(even / np.float32(255))
    np.testing.assert_allclose(result, flat, atol=1e-6)


def test_an_own_background_is_used_and_remembered_as_such(many):
    own = (many[0] // 2 + 1).astype(np.uint8)
    step = StaticBackground(background=own).fit(Scan(many))
    assert step.own
    assert step.learnt is None
    floats = many[:3] / np.float32(255)
    np.testing.assert_allclose(step(floats), floats / (own / np.float32(255)), rtol=1e-6)
    with pytest.raises(ScanError, match=r"background is 5x5 and the patterns are 8x10"):
        StaticBackground(background=own[:5, :5]).fit(Scan(many))


def test_an_own_background_that_is_not_there_is_asked_for(many):
    step = StaticBackground(own=True)
    for use in (step.prepare, lambda: step.fit(Scan(many)), lambda: step(many / np.float32(255))):
        with pytest.raises(ScanError, match="give it again"):
            use()


def test_a_background_that_was_not_learnt_is_not_made_up(many):
    with pytest.raises(ScanError, match="not known before it was learnt"):
        StaticBackground()(many / np.float32(255))


def test_few_patterns_give_a_note_and_one_an_error(many):
    with pytest.warns(ScanWarning, match="mean of 9 patterns only"):
        StaticBackground().fit(Scan(many[:9]))
    with pytest.raises(ScanError, match="here is a single one"):
        StaticBackground().fit(Scan(many[:1]))


def test_sigma_is_in_widths_of_the_pattern(many):
    from napari_kikuchi.processing.background import remove_dynamic_background

    floats = many[:3] / np.float32(255)
    np.testing.assert_array_equal(DynamicBackground(0.2)(floats), remove_dynamic_background(floats, 2.0))
    np.testing.assert_array_equal(
        DynamicBackground(0.3, "subtract")(floats), remove_dynamic_background(floats, 3.0, "subtract")
    )
