"""Architectures: what they are made of, what they cost, at which sizes they work."""

import keras
import numpy as np
import pytest

from napari_kikuchi.autoencoder.lines import ANGLES, WRAP, LineSums, Rewrap, line_grid_pooling, line_matrix
from napari_kikuchi.autoencoder.networks import build_network, macs_per_pixel
from napari_kikuchi.scan import ScanError


@pytest.fixture(scope="module")
def published():
    return build_network("andrews2023", (236, 236))


def test_the_published_network_is_the_published_one(published):
    assert published.count_params() == 640_129
    assert published.input_shape == published.output_shape == (None, 236, 236, 1)


@pytest.mark.parametrize("side", [64, 128, 240])
@pytest.mark.parametrize(("name", "share"), [("kikuchi-unet", 1 / 10), ("kikuchi-unet-large", 1 / 3)])
def test_ours_cost_a_tenth_and_a_third_of_the_published_one(published, name, share, side):
    assert macs_per_pixel(published) == pytest.approx(188_032)
    assert macs_per_pixel(build_network(name, (side, side))) < share * macs_per_pixel(published)


@pytest.mark.parametrize(
    ("smaller", "larger"), [("kikuchi-unet", "kikuchi-unet-map"), ("kikuchi-unet-map", "kikuchi-unet-large")]
)
@pytest.mark.parametrize("side", [48, 144, 272])
def test_a_larger_network_is_at_first_the_smaller_one(smaller, larger, side):
    one, other = (build_network(name, (side, side)) for name in (smaller, larger))
    for layer in (layer for layer in one.layers if layer.trainable_variables):
        for ours, theirs in zip(
            other.get_layer(layer.name).trainable_variables, layer.trainable_variables, strict=True
        ):
            taken = np.zeros(ours.shape, np.float32)
            taken[tuple(map(slice, theirs.shape))] = theirs.numpy()
            ours.assign(taken)
    seen = np.random.default_rng(1).standard_normal((2, side, side, 3)).astype(np.float32)
    known = seen[..., [2, 1]] if one.input_shape[-1] == 2 else seen
    np.testing.assert_allclose(other(seen), one(known), atol=1e-5)


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


def test_lines_go_on_mirrored_behind_the_last_direction():
    image = np.random.default_rng(2).standard_normal((1, 32, 32, 2)).astype(np.float32)
    sums = keras.ops.convert_to_numpy(LineSums((32, 32))(image))
    assert sums.shape == (1, ANGLES + 2 * WRAP, 32, 2)
    np.testing.assert_array_equal(sums[:, :WRAP], sums[:, -2 * WRAP : -WRAP, ::-1])
    np.testing.assert_array_equal(sums[:, -WRAP:], sums[:, WRAP : 2 * WRAP, ::-1])
    inner = Rewrap(WRAP, 0)(sums)
    assert inner.shape == (1, ANGLES, 32, 2)
    np.testing.assert_array_equal(Rewrap(0, WRAP)(inner), sums)
    np.testing.assert_array_equal(Rewrap(WRAP, 1)(sums), sums[:, WRAP - 1 : 1 - WRAP])


def test_white_noise_has_the_same_strength_along_every_line():
    strength = np.square(line_matrix(32, 48)).sum(axis=0)
    assert (strength < 1 + 1e-5).all()
    assert np.median(strength) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("side", "pooling"), [(16, 2), (64, 2), (128, 2), (144, 4), (256, 4), (480, 8)])
def test_lines_are_summed_on_at_most_64_pixels_a_side(side, pooling):
    assert line_grid_pooling(side, side) == pooling
    assert side % pooling == 0
