"""Steps that need more than a block: a background learnt from a scan, and neighbours on the map."""

import dask.array as da
import numpy as np
import pytest

from napari_kikuchi.autoencoder.card import ModelCard
from napari_kikuchi.patches import Patch
from napari_kikuchi.processing.neighbours import average_neighbours
from napari_kikuchi.processing.similarity import average_similar
from napari_kikuchi.recipe import Recipe
from napari_kikuchi.scan import Grid, Scan, ScanError, ScanWarning
from napari_kikuchi.steps import Autoencoder, DynamicBackground, NeighbourAverage, StaticBackground


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


def test_neighbours_are_averaged_on_the_grid(many):
    floats = many[:12] / np.float32(255)
    step = NeighbourAverage(5, "uniform")
    assert step.rim == 2
    whole = Patch(Grid(3, 4), (0, 3), (0, 4), step.rim)
    np.testing.assert_array_equal(step(floats, None, whole), average_neighbours(floats, (3, 4), 5, "uniform"))
    with pytest.raises(ScanError, match="there is no map here"):
        step(floats)


def two_crystals(noise):
    """A map of 10x12 patterns of two crystals."""
    random = np.random.default_rng(4)
    crystals = random.uniform(0.3, 0.7, (2, 6, 6)).repeat(5, axis=1).repeat(5, axis=2)
    clean = np.stack([crystals[int(column >= 6)] for _ in range(10) for column in range(12)])
    return Scan((clean + noise * random.standard_normal(clean.shape)).astype(np.float32), Grid(10, 12))


@pytest.fixture
def noisy_map():
    """Such a map of noisy patterns."""
    return two_crystals(0.2)


def test_similar_neighbours_are_learnt_from_the_scan(noisy_map):
    step = NeighbourAverage(3, "similar")
    whole = Patch(noisy_map.grid, (0, 10), (0, 12), step.rim)
    with pytest.raises(ScanError, match="before it was learnt from a whole scan"):
        step(noisy_map.patterns, None, whole)
    fitted = step.fit(noisy_map)
    assert fitted == step
    expected = average_similar(noisy_map.patterns, (10, 12), 3, fitted.similarity)
    np.testing.assert_array_equal(fitted(noisy_map.patterns, None, whole), expected)


class Echo:
    """In place of a network: gives back the average that it was shown, or the patterns."""

    def __init__(self, window):
        self.card = ModelCard("echo", window=window)

    def predict(self, patterns, mask=None, average=None):
        self.saw_average = average is not None
        return patterns if average is None else average


@pytest.fixture
def echo(monkeypatch):
    def use(window):
        model = Echo(window)
        monkeypatch.setattr("napari_kikuchi.autoencoder.model.load_model", lambda *_, **__: model)
        return model

    return use


@pytest.mark.parametrize("used", ["none", "3x3", "5x5"])
def test_neighbours_are_used_as_asked(noisy_map, echo, used):
    model = echo(5)
    step = Autoencoder(neighbours=used, find_screen=False)
    step.prepare()
    fitted = step.fit(noisy_map)
    assert fitted.neighbours == used
    denoised = Recipe([fitted]).floats(noisy_map.patterns, Patch(noisy_map.grid, (0, 10), (0, 12), fitted.rim))
    assert model.saw_average == (used != "none")
    assert denoised.shape == noisy_map.patterns.shape
    if used != "none":
        average = average_similar(noisy_map.patterns, (10, 12), int(used[0]), fitted.similarity)
        np.testing.assert_array_equal(denoised, average)


@pytest.mark.parametrize(("noise", "used"), [(0.01, "none"), (0.05, "3x3"), (0.4, "5x5")])
def test_left_open_the_noisier_the_scan_the_more_neighbours(echo, noise, used):
    echo(5)
    assert Autoencoder(find_screen=False).fit(two_crystals(noise)).neighbours == used
    echo(0)
    assert Autoencoder(find_screen=False).fit(two_crystals(noise)).neighbours == "none"


def test_small_maps_and_no_maps_are_denoised_without_neighbours(noisy_map, echo):
    echo(5)
    for scan in (Scan(noisy_map.patterns[:96], Grid(8, 12)), Scan(noisy_map.patterns), Scan(noisy_map.patterns[:119])):
        assert Autoencoder(find_screen=False).fit(scan).neighbours == "none"


def test_a_model_that_looks_at_no_neighbours_says_so(echo):
    echo(0)
    with pytest.raises(ScanError, match="echo does not look at neighbours"):
        Autoencoder(neighbours="3x3").prepare()
    Autoencoder().prepare()


def test_a_network_with_neighbours_needs_its_map(noisy_map, echo):
    echo(5)
    with pytest.raises(ScanError, match="there is no map here"):
        Autoencoder(neighbours="3x3")(noisy_map.patterns)
    whole = Patch(noisy_map.grid, (0, 10), (0, 12), 1)
    with pytest.raises(ScanError, match="before it was learnt"):
        Autoencoder(neighbours="3x3")(noisy_map.patterns, None, whole)
