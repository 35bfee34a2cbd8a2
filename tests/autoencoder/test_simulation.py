"""Simulated pairs: geometry, reproducibility, and a detector's faults."""

from dataclasses import replace

import numpy as np
import pytest

from napari_kikuchi.autoencoder.projection import Detector, MasterPattern, random_rotation
from napari_kikuchi.autoencoder.simulation import (
    PairSettings,
    expose,
    place_window,
    target_pattern,
    training_batch,
    training_pair,
)
from napari_kikuchi.scan import ScanError

SMALL = PairSettings(window=64, sizes=(40, 100))


def test_the_pattern_centre_lies_where_it_is_said_to():
    directions = Detector(80, 100, centre=(0.505, 0.25625), distance=0.6).directions()
    row, column = np.unravel_index(np.argmax(directions[2]), (80, 100))
    assert (row, column) == (20, 50)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, rtol=1e-6)
    # 45 degrees from the centre at as many pixels as the detector is away.
    assert directions[1, 20 + 48, 50] == pytest.approx(-np.sqrt(0.5), abs=1e-4)


def test_opposite_directions_look_alike_in_a_centrosymmetric_crystal(master):
    turn = random_rotation(np.random.default_rng(3))
    detector = Detector(40, 40)
    inverted = -np.eye(3) @ turn
    np.testing.assert_allclose(master.project(turn, detector), master.project(inverted, detector), atol=1e-5)


def test_a_window_is_a_part_of_the_detector(master):
    turn = random_rotation(np.random.default_rng(4))
    detector = Detector(60, 60)
    whole = master.project(turn, detector)
    part = master.project(turn, detector, (slice(10, 40), slice(20, 60)))
    np.testing.assert_allclose(part, whole[10:40, 20:60], atol=1e-5)


def test_great_circles_project_to_straight_lines():
    # A master pattern that is bright on the plane x = 0 shows a straight, vertical band to a detector along z.
    side = 201
    pattern = np.zeros((1, side, side), np.float32)
    pattern[0, :, side // 2] = 1
    crystal = MasterPattern("line", pattern, 225, (4.0, 4.0))
    seen = crystal.project(np.eye(3), Detector(61, 61, centre=(0.5, 0.5), distance=0.5))
    assert (seen[:, 30] > 0.9).all()
    assert seen[:, :25].max() == 0


def test_the_same_seed_gives_the_same_pairs(master):
    first, again, other = (training_batch([master], SMALL, "background", 4, seed) for seed in ([7, 1], [7, 1], [7, 2]))
    assert (first[0].shape, first[1].shape) == ((4, 64, 64, 3), (4, 64, 64, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_pairs_are_normalised_inside_the_mask_and_nothing_outside(master):
    random = np.random.default_rng(5)
    for _ in range(20):
        pair = training_pair([master], replace(SMALL, masked=0.6), "background", random)
        assert np.isfinite(pair.pattern).all()
        for image in (pair.pattern, pair.average, pair.target):
            assert image.shape == (64, 64)
            assert not image[~pair.mask].any()
        for image in (pair.pattern, pair.average):
            assert abs(image[pair.mask].mean()) < 0.1
            assert 0.5 < image[pair.mask].std() < 1.5


def test_a_pattern_of_nothing_is_to_become_nothing(master):
    settings = PairSettings(window=64, sizes=(64, 64), empty=1.0)
    pair = training_pair([master], settings, "background", np.random.default_rng(6))
    assert pair.pattern.std() > 0.5
    assert not pair.target.any()


def test_the_published_network_is_to_make_the_noise_free_pattern(master):
    settings = PairSettings(window=64, sizes=(64, 80), masked=0.5, unlit=0.0, empty=0.0)
    random = np.random.default_rng(8)
    pairs = [training_pair([master], settings, "stretched", random) for _ in range(8)]
    for pair in pairs:
        assert pair.mask.all()
        for image in (pair.pattern, pair.target):
            assert (image.min(), image.max()) == (0, 1)
    # Where the screen ends there is nothing to be seen.
    assert max((pair.target == 0).mean() for pair in pairs) > 0.05


def test_neighbours_take_noise_away(master):
    settings = PairSettings(
        window=64, sizes=(64, 64), neighbours=1.0, electrons=(5.0, 10.0), contrast=(0.05, 0.08), masked=0.0, empty=0.0
    )
    random = np.random.default_rng(9)
    alone, averaged = [], []
    for _ in range(30):
        pair = training_pair([master], settings, "background", random)
        for found, image in ((alone, pair.pattern), (averaged, pair.average)):
            found.append(np.corrcoef(image[pair.mask], pair.target[pair.mask])[0, 1])
    assert np.mean(averaged) > 1.5 * np.mean(alone)


@pytest.mark.parametrize("size", [(20, 30), (100, 64), (200, 150)])
def test_a_window_lies_in_the_detector_or_around_it(size):
    random = np.random.default_rng(10)
    for _ in range(20):
        (rows, columns), on_detector = place_window(size, 64, random)
        assert on_detector.shape == (64, 64)
        assert on_detector.sum() == min(64, size[0]) * min(64, size[1])
        for part, extent in ((rows, size[0]), (columns, size[1])):
            assert part.stop - part.start == 64
            assert min(0, extent - 64) <= part.start <= max(0, extent - 64)


@pytest.mark.parametrize("electrons", [4, 40, 400])
def test_electrons_are_counted(electrons):
    counts = expose(np.full((200, 200), 3.0), electrons, 2.0, np.random.default_rng(7))
    assert counts.mean() == pytest.approx(electrons, rel=0.02)
    assert counts.var() == pytest.approx(electrons + 4, rel=0.05)


def test_targets_have_unit_contrast_inside_the_mask(master):
    mask = np.zeros((50, 50), bool)
    mask[5:45, 8:] = True
    target = target_pattern(master.project(np.eye(3), Detector(50, 50)), mask, 50)
    assert target[mask].mean() == pytest.approx(0, abs=1e-5)
    assert target[mask].std() == pytest.approx(1, abs=1e-5)
    assert not target[~mask].any()


def test_says_what_is_wrong_with_a_master_pattern(tmp_path):
    with pytest.raises(ScanError, match="There is no master pattern"):
        MasterPattern.load(tmp_path / "absent.npz")
    np.savez(tmp_path / "other.npz", pattern=np.zeros((1, 5, 5)))
    with pytest.raises(ScanError, match=r"other.npz is no master pattern: it lacks a, c, projection"):
        MasterPattern.load(tmp_path / "other.npz")
    np.savez(tmp_path / "flat.npz", pattern=np.zeros((1, 5, 5)), projection="stereographic", space_group=1, a=1, c=1)
    with pytest.raises(ScanError, match="a square Lambert projection"):
        MasterPattern.load(tmp_path / "flat.npz")
