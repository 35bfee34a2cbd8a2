"""A configuration's master patterns, and the pairs simulated from them."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder.pairs import open_pairs
from napari_kikuchi.autoencoder.training_config import PairSettings, TrainingConfig
from napari_kikuchi.scan import ScanError


def config(folder, **changes):
    return TrainingConfig(output="runs", master_patterns=str(folder), pairs=PairSettings(window=64), **changes)


def test_some_phases_are_held_out(masters_folder):
    pairs = open_pairs(config(masters_folder, held_out=("two",)))
    assert (pairs.trained_on, pairs.held_out, pairs.noise) == ("one", "two", "1.5 to 500 electrons per pixel")
    inputs, targets = pairs.training(2, [1, 2])
    assert (inputs.shape, targets.shape) == ((2, 64, 64, 3), (2, 64, 64, 2))
    np.testing.assert_array_equal(inputs, pairs.training(2, [1, 2])[0])
    assert not np.array_equal(inputs, pairs.validation(2, [1, 2])[0])


def test_without_phases_held_out_the_same_ones_validate(masters_folder):
    pairs = open_pairs(config(masters_folder))
    assert (pairs.trained_on, pairs.held_out) == ("one, two", "")
    np.testing.assert_array_equal(pairs.training(2, [1, 2])[0], pairs.validation(2, [1, 2])[0])


def test_neighbours_are_simulated_for_networks_that_look_at_them(masters_folder):
    def differ(network):
        inputs, _ = open_pairs(config(masters_folder, network=network)).training(8, [3])
        return [not np.array_equal(one[..., 0], one[..., 2]) for one in inputs]

    assert not any(differ("kikuchi-unet"))
    assert any(differ("kikuchi-unet-map"))


def test_says_which_master_patterns_are_missing(masters_folder, tmp_path):
    with pytest.raises(ScanError, match=r"lacks the held-out master pattern ni; it holds one, two"):
        open_pairs(config(masters_folder, held_out=("ni",)))
    with pytest.raises(ScanError, match=r"holds no master pattern \(.npz or .h5\).*napari-kikuchi simulate"):
        open_pairs(config(tmp_path))
