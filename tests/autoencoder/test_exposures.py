"""Pairs from two exposures of the same points."""

import warnings

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.autoencoder import exposures as module
from napari_kikuchi.autoencoder.architectures import NETWORKS
from napari_kikuchi.autoencoder.exposures import open_exposures
from napari_kikuchi.autoencoder.normalise import normalise
from napari_kikuchi.autoencoder.training_config import PairSettings, ScanPair
from napari_kikuchi.scan import ScanError, ScanWarning

SETTINGS = PairSettings(window=48, sizes=(32, 64), neighbours=1.0)


@pytest.fixture
def open_pairs(exposures):
    """Open two exposures, those of the fixture unless told otherwise."""

    def open_pairs(network="kikuchi-unet", fast=exposures[0], slow=exposures[1], settings=SETTINGS, grid=()):
        return open_exposures([ScanPair(str(fast), str(slow), grid)], settings, NETWORKS[network])

    return open_pairs


def correlations(images, others):
    return [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(images, others, strict=True)]


def test_a_smaller_pattern_lies_whole_in_the_window_as_in_use(open_pairs, exposures):
    inputs, targets = open_pairs().training(6, [1])
    inside = inputs[..., 1] > 0
    assert [part.sum() for part in inside] == [1600] * 6
    scan = nk.open_scan(exposures[0])
    known = normalise(np.asarray(scan.patterns, dtype=np.float32) / 65535)
    for one, target, part in zip(inputs, targets, inside, strict=True):
        seen = one[..., 0][part].reshape(40, 40)
        assert np.abs(known - seen).max(axis=(1, 2)).min() < 1e-4
        np.testing.assert_array_equal(one[..., 2], one[..., 0])
        assert not one[..., 0][~part].any()
        assert not target[..., 0][~part].any()
        assert target[..., 0][part].std() == pytest.approx(1, abs=1e-4)
    assert min(correlations(inputs[..., 0], targets[..., 0])) > 0.1


def test_the_last_tenth_of_the_points_is_held_out(open_pairs, exposures):
    pairs = open_pairs()
    known = normalise(np.asarray(nk.open_scan(exposures[0]).patterns, dtype=np.float32) / 65535)

    def points(batch):
        for one in batch[0]:
            seen = one[..., 0][one[..., 1] > 0].reshape(40, 40)
            yield int(np.abs(known - seen).max(axis=(1, 2)).argmin())

    assert all(point < 90 for point in points(pairs.training(40, [2])))
    assert all(point >= 90 for point in points(pairs.validation(40, [2])))
    assert pairs.trained_on == "90 points of fast.up2, with slow.up2 as their target"


def test_targets_are_evenly_bright(open_pairs):
    _, targets = open_pairs().training(60, [9])
    common = targets[..., 0].mean(axis=0)[4:-4, 4:-4]
    # Bands of the four grains are left, and no dark rim.
    rim, middle = common[[2, -3]].mean(), common[15:25, 15:25].mean()
    assert abs(rim - middle) < 0.25


def test_the_same_seed_gives_the_same_pairs(open_pairs):
    pairs = open_pairs("kikuchi-unet-map")
    first, again, other = pairs.training(4, [1, 7]), pairs.training(4, [1, 7]), pairs.training(4, [1, 8])
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_neighbours_of_the_map_are_averaged_in(open_pairs):
    inputs, targets = open_pairs("kikuchi-unet-map").training(12, [4])
    alone, averaged = (np.mean(correlations(inputs[..., channel], targets[..., 0])) for channel in (0, 2))
    assert averaged > alone + 0.1
    none = open_pairs("kikuchi-unet-map", settings=PairSettings(window=48, sizes=(32, 64), neighbours=0.0))
    inputs, _ = none.training(4, [4])
    np.testing.assert_array_equal(inputs[..., 2], inputs[..., 0])


def test_without_a_map_there_are_no_neighbours_and_a_note(open_pairs, write_up, exposures, tmp_path):
    fast, slow = (
        write_up(tmp_path / path.name, np.asarray(nk.open_scan(path).patterns), version=1) for path in exposures
    )
    with pytest.warns(ScanWarning, match="none of the scans has a complete square map"):
        pairs = open_pairs("kikuchi-unet-map", fast, slow)
    inputs, _ = pairs.training(2, [5])
    np.testing.assert_array_equal(inputs[..., 2], inputs[..., 0])
    inputs, _ = open_pairs("kikuchi-unet-map", fast, slow, grid=(10, 10)).training(2, [5])
    assert not np.array_equal(inputs[..., 2], inputs[..., 0])


def test_large_patterns_are_reduced_as_in_use(open_pairs):
    inputs, _ = open_pairs(settings=PairSettings(window=32, sizes=(16, 30))).training(3, [6])
    assert [(one[..., 1] > 0).sum() for one in inputs] == [400] * 3


def test_the_published_network_sees_and_learns_patterns_in_0_to_1(open_pairs):
    inputs, targets = open_pairs("andrews2023", settings=PairSettings(window=32, sizes=(32, 64))).training(4, [7])
    assert inputs[..., 1].all()
    for images in (inputs[..., 0], targets[..., 0]):
        assert images.min() >= 0
        assert images.max() <= 1
        assert (images.max(axis=(1, 2)) - images.min(axis=(1, 2))).min() > 0.7
    with pytest.raises(ScanError, match=r"fast\.up2 has patterns that andrews2023 sees with 40x40 pixels, less than"):
        open_pairs("andrews2023")


def test_folders_of_images_do_as_well(open_pairs, exposures, tmp_path):
    folders = []
    for path in exposures:
        nk.export_images(nk.open_scan(path), tmp_path / path.stem)
        folders.append(tmp_path / path.stem)
    inputs, targets = open_pairs(fast=folders[0], slow=folders[1]).training(3, [8])
    known, wanted = open_pairs().training(3, [8])
    np.testing.assert_array_equal(inputs, known)
    np.testing.assert_array_equal(targets, wanted)


def test_a_folder_larger_than_memory_is_to_be_packed(open_pairs, exposures, tmp_path, monkeypatch):
    nk.export_images(nk.open_scan(exposures[0]), tmp_path / "fast")
    monkeypatch.setattr(module, "SHARE_OF_MEMORY", 1e-9)
    with pytest.raises(ScanError, match=r"GB are free: put its images into a file with `napari-kikuchi pack`"):
        open_pairs(fast=tmp_path / "fast")


def test_says_what_does_not_fit(open_pairs, write_up, exposures, tmp_path):
    slow = np.asarray(nk.open_scan(exposures[1]).patterns)
    fewer = write_up(tmp_path / "fewer.up2", slow[:-1], version=1)
    with pytest.raises(ScanError, match=r"fast\.up2 has 100 patterns and .*fewer\.up2 has 99"):
        open_pairs(slow=fewer)
    smaller = write_up(tmp_path / "smaller.up2", slow[:, :30], version=1)
    with pytest.raises(ScanError, match=r"fast\.up2 has patterns of 40x40 pixels and .*smaller\.up2 of 40x30"):
        open_pairs(slow=smaller)
    few = [write_up(tmp_path / name, slow[:9], version=1) for name in ("few.up2", "few-slow.up2")]
    with pytest.raises(ScanError, match=r"few\.up2 has 9 patterns, and 10 are the least to train on"):
        open_pairs(fast=few[0], slow=few[1])


def test_points_in_another_order_are_noticed(open_pairs, write_up, exposures, tmp_path):
    slow = np.asarray(nk.open_scan(exposures[1]).patterns)
    shuffled = write_up(tmp_path / "shuffled.up2", slow[np.random.default_rng(1).permutation(100)], version=1)
    with pytest.warns(ScanWarning, match=r"fast\.up2 and shuffled\.up2 agree at the same points no better"):
        open_pairs(slow=shuffled)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_pairs()
