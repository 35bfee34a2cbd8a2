"""Simulated neighbours: rotations by what they say, weights and noise as averages have them."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder.neighbourhood import draw_neighbourhood, turn
from napari_kikuchi.autoencoder.projection import random_rotation


def neighbourhoods(clarity, count=200, gradient=(0.01, 0.5)):
    """Draw some, their signal an image of the angle between the neighbours' and the pattern's orientation."""
    random = np.random.default_rng(3)
    for _ in range(count):
        own = random_rotation(random)

        def signal_of(rotation, own=own):
            cosine = (np.trace(rotation @ own.T) - 1) / 2
            return np.full((2, 2), np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.float32)

        yield draw_neighbourhood(own, signal_of, gradient, clarity, random)


@pytest.mark.parametrize("degrees", [0.1, 5, 90])
def test_turning_turns_by_the_angle(degrees):
    rotation = turn(degrees, np.random.default_rng(1))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.degrees(np.arccos((np.trace(rotation) - 1) / 2)) == pytest.approx(degrees, rel=1e-4)


def test_a_mean_has_the_noise_of_no_more_patterns_than_were_averaged():
    for around in neighbourhoods(clarity=0.01):
        if around is not None:
            assert 0 < around.weight <= 24
            assert 1 - 1e-6 <= around.effective <= 24 + 1e-6


def test_clear_patterns_are_averaged_with_their_own_crystal_alone():
    seen = [around for around in neighbourhoods(clarity=10.0, gradient=(0.01, 0.02)) if around is not None]
    angles = np.array([around.signal.max() for around in seen])
    # Subgrain boundaries of up to 2 degrees belong to the same crystal.
    assert np.mean(angles < 2) > 0.9
    clear = np.mean([around.weight for around in seen])
    hidden = np.mean([0 if around is None else around.weight for around in neighbourhoods(clarity=1e-4)])
    assert hidden != pytest.approx(clear, rel=0.05)


def test_other_grains_reach_the_average_where_noise_hides_them():
    def mixed(clarity):
        return np.mean([around is not None and around.signal.max() > 5 for around in neighbourhoods(clarity)])

    assert mixed(1e-4) > 2 * mixed(10.0)
