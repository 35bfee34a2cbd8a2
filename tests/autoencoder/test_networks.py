"""Architectures: what they are made of, what they cost, at which sizes they work."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder.lines import ANGLES, line_grid_pooling, line_matrix
from napari_kikuchi.autoencoder.networks import build_network, macs_per_pixel
from napari_kikuchi.scan import ScanError


@pytest.fixture(scope="module")
def published():
    return build_network("andrews2023", (236, 236))


def test_the_published_network_is_the_published_one(published):
    assert published.count_params() == 640_129
    assert published.input_shape == published.output_shape == (None, 236, 236, 1)


@pytest.mark.parametrize("side", [64, 128, 240])
def test_ours_costs_a_tenth_of_the_published_one(published, side):
    ours = macs_per_pixel(build_network("kikuchi-unet", (side, side)))
    assert macs_per_pixel(published) == pytest.approx(188_032)
    assert ours < macs_per_pixel(published) / 10


def test_weights_serve_every_size():
    one, other = (build_network("kikuchi-unet", size) for size in ((64, 64), (80, 144)))
    assert [w.shape for w in one.trainable_variables] == [w.shape for w in other.trainable_variables]
    assert sum(int(np.prod(w.shape)) for w in one.trainable_variables) < 1_000_000


def test_says_which_networks_and_sizes_there_are():
    with pytest.raises(ScanError, match="no network named 'other'; there are andrews2023, kikuchi-unet"):
        build_network("other", (64, 64))
    with pytest.raises(ScanError, match="multiples of 16 pixels, not at 60x64"):
        build_network("kikuchi-unet", (60, 64))


def test_a_line_is_a_dot_among_the_sums_along_lines():
    image = np.zeros((40, 40), np.float32)
    image[:, 27] = 1
    sums = (image.ravel() @ line_matrix(40, 40)).reshape(ANGLES, 40)
    assert np.unravel_index(np.argmax(sums), sums.shape) == (0, 27)


def test_white_noise_has_the_same_strength_along_every_line():
    strength = np.square(line_matrix(32, 48)).sum(axis=0)
    assert (strength < 1 + 1e-5).all()
    assert np.median(strength) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("side", "pooling"), [(16, 2), (64, 2), (128, 2), (144, 4), (256, 4), (480, 8)])
def test_lines_are_summed_on_at_most_64_pixels_a_side(side, pooling):
    assert line_grid_pooling(side, side) == pooling
    assert side % pooling == 0
