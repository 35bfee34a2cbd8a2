"""Steps that make a pattern from its neighbours on the map, too."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder.card import ModelCard
from napari_kikuchi.patches import Patch
from napari_kikuchi.processing.neighbours import average_neighbours
from napari_kikuchi.processing.same_crystal import average_similar
from napari_kikuchi.recipe import Recipe
from napari_kikuchi.scan import Grid, Scan, ScanError
from napari_kikuchi.steps_on_map import Autoencoder, NeighbourAverage


def test_neighbours_are_averaged_on_the_grid():
    floats = np.random.default_rng(0).random((12, 8, 10), dtype=np.float32)
    step = NeighbourAverage(5, "uniform")
    assert step.rim == 2
    whole = Patch(Grid(3, 4), (0, 3), (0, 4), step.rim)
    np.testing.assert_array_equal(step(floats, None, whole), average_neighbours(floats, (3, 4), 5, "uniform"))
    with pytest.raises(ScanError, match="there is no map here"):
        step(floats)


def test_similar_neighbours_are_not_looked_for_far_away():
    assert NeighbourAverage(9, "similar").rim == 8
    with pytest.raises(ScanError, match="windows of up to 9"):
        NeighbourAverage(11, "similar")


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

    def predict(self, patterns, mask=None, average=None, careful=False):
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
