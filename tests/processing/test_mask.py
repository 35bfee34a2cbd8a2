import numpy as np
import pytest

from napari_kikuchi.processing.mask import find_screen, fit_circle


def background(size, centre=(0.5, 0.45), width=0.4, pedestal=0.2):
    x, y = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size)
    return pedestal + np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))


def disc(size, radius=0.48):
    x, y = np.meshgrid((np.arange(size) + 0.5) / size - 0.5, (np.arange(size) + 0.5) / size - 0.5)
    return x**2 + y**2 <= radius**2


@pytest.mark.parametrize("size", [60, 120, 236])
@pytest.mark.parametrize("shadow", [0.0, 0.25])
def test_a_round_screen_is_found(size, shadow):
    lit = disc(size)
    found = find_screen(background(size) * np.where(lit, 1, shadow))
    assert found[~lit].mean() < 0.03  # where the circle meets the edge, its shadow is a pixel wide
    assert found[disc(size, 0.45)].all()


@pytest.mark.parametrize("size", [60, 61, 236])
@pytest.mark.parametrize("pedestal", [0.05, 0.4])
def test_a_vignette_is_no_shadow(size, pedestal):
    assert find_screen(background(size, (0.35, 0.6), 0.35, pedestal)) is None


def test_dust_is_no_shadow():
    dusty = background(120)
    dusty[40:46, 50:57] *= 0.7
    dusty[80, 20] = 0
    assert find_screen(dusty) is None


def test_counting_noise_makes_no_shadow():
    random = np.random.default_rng(0)
    mean = random.poisson(background(120) * 5, (20, 120, 120)).mean(axis=0)
    assert find_screen(mean) is None


def test_real_silicon_shows_its_screen(silicon_file):
    pattern = np.frombuffer(silicon_file.read_bytes()[-480 * 480 :], np.uint8).reshape(480, 480)
    found = find_screen(pattern)
    assert not found[:60, :60].any()
    assert not found[-60:, -60:].any()
    assert found[disc(480, 0.42)].mean() > 0.98


@pytest.mark.parametrize("pattern", [np.zeros((60, 60)), np.full((60, 60), -1.0), np.ones((60, 60))])
def test_nothing_is_said_of_what_is_no_intensity(pattern):
    assert find_screen(pattern) is None


@pytest.mark.parametrize("size", [60, 236])
@pytest.mark.parametrize(("centre", "radius"), [((0.5, 0.5), 0.45), ((0.4, 0.6), 0.6)])
def test_the_circle_of_a_screen_is_fitted(size, centre, radius):
    x, y = np.meshgrid((np.arange(size) + 0.5) / size - centre[0], (np.arange(size) + 0.5) / size - centre[1])
    found = fit_circle(x**2 + y**2 <= radius**2)
    np.testing.assert_allclose(found, np.array([*centre, radius]) * size, atol=1)


def test_a_bite_out_of_a_detector_is_no_circle():
    screen = np.ones((60, 60), dtype=bool)
    screen[:20, :30] = False
    assert fit_circle(screen) is None
    assert fit_circle(np.ones((60, 60), dtype=bool)) is None
    corners = np.ones((60, 60), dtype=bool)
    corners[:3, -4:] = corners[-3:, -4:] = False
    assert fit_circle(corners) is None


def test_the_circle_of_the_real_silicon_screen_is_fitted_past_its_bites(silicon_file):
    pattern = np.frombuffer(silicon_file.read_bytes()[-480 * 480 :], np.uint8).reshape(480, 480)
    x, y, radius = fit_circle(find_screen(pattern))
    np.testing.assert_allclose((x, y, radius), (239, 249, 246), atol=4)
