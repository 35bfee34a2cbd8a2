import numpy as np
import pytest

import napari_kikuchi as nk
from simulated import MasterPattern, camera, grain_map, pure_noise, random_points, write


@pytest.fixture(scope="module")
def master():
    # One band, so that nothing but the benchmark's own code is needed: real master patterns are no part of the package.
    y, x = np.mgrid[-1:1:41j, -1:1:41j]
    return MasterPattern("band", np.exp(-((x + 0.3 * y) ** 2) / 0.05)[None].astype(np.float32), 225, (3.5, 3.5))


@pytest.fixture(scope="module")
def grains(master):
    return grain_map(master, 8)


def turned(one, many):
    return np.degrees(np.arccos(np.clip((np.einsum("ij,nij->n", one, many) - 1) / 2, -1, 1)))


def test_a_map_has_a_hundred_grains_or_more(grains):
    assert grains.grid == nk.Grid(40, 40)
    assert len(np.unique(grains.grains)) == grains.grains.max() + 1 >= 100


def test_orientations_stay_together_within_a_grain_and_not_beyond(grains):
    for grain in range(20):
        inside = grains.rotations[grains.grains == grain]
        # The gradient, and a subgrain boundary where there is one.
        assert turned(inside[0], inside).max() < 1.5 + 2 + 1e-6
    assert np.median(turned(grains.rotations[0], grains.rotations)) > 10


def test_orientations_change_smoothly_and_not_by_scatter(grains):
    same = (grains.grains[1:] == grains.grains[:-1]) & (np.arange(1, 1600) % 40 != 0)
    steps = np.array([turned(grains.rotations[at], grains.rotations[[at + 1]])[0] for at in np.flatnonzero(same)])
    assert 0.05 < np.median(steps) < 0.3
    assert 0.01 < np.mean(steps > 0.5) < 0.15


def test_bands_have_the_contrast_that_is_told(master):
    points = random_points(master, 3, 60)
    np.testing.assert_allclose(points.intensity / points.background, 1 + 0.22 * (2 * points.signals - 1), rtol=1e-5)


def test_the_camera_counts_electrons():
    pixels = camera(np.ones((20, 32, 32), np.float32), 8.0).astype(float)
    # 8 electrons and an offset of 12; the noise of counting and that of the read-out, 3 electrons.
    assert pixels.var() / pixels.mean() ** 2 == pytest.approx((8 + 9) / 20**2, rel=0.05)


def test_a_perfect_camera_only_scales():
    intensity = np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32)
    np.testing.assert_allclose(camera(intensity, np.inf) / 65535, intensity / 4, atol=1e-5)


def test_the_same_seed_gives_the_same_patterns(master):
    one, again = (random_points(master, 2, 16) for _ in range(2))
    assert np.array_equal(camera(one.intensity, 4.0), camera(again.intensity, 4.0))


def test_pure_noise_holds_no_band():
    noise = pure_noise(16, 2)
    np.testing.assert_allclose(noise.intensity, np.broadcast_to(noise.background, noise.intensity.shape))


def test_a_map_is_written_with_its_grid(tmp_path, master):
    pixels = camera(pure_noise(16, 3).intensity, 4.0)
    scan = nk.open_scan(write(tmp_path / "map.up2", pixels, nk.Grid(3, 3)))
    assert scan.grid == nk.Grid(3, 3)
    assert np.array_equal(scan.patterns, pixels)
