"""Files of master patterns: what is written comes back, EMsoft's are read, and bad ones are told in one sentence."""

import h5py
import numpy as np
import pytest

from napari_kikuchi.autoencoder.master_patterns import master_patterns_in, stretched
from napari_kikuchi.autoencoder.projection import Detector, MasterPattern, random_rotation
from napari_kikuchi.autoencoder.structures import Site
from napari_kikuchi.scan import ScanError

ENERGIES = np.array([18.0, 19.0, 20.0], np.float32)
ELECTRONS = np.array([1, 2, 5])


def emsoft(path, **changes):
    """Write a small file as EMEBSDmaster does; a change replaces a data set, or leaves it out if it is None."""
    random = np.random.default_rng(3)
    accum_e = np.zeros((5, 5, 3), np.int32)
    accum_e[0, 1], accum_e[2, 2] = ELECTRONS, 3 * ELECTRONS
    data = {
        "EMData/EBSDmaster/mLPNH": random.random((2, 3, 21, 21), np.float32),
        "EMData/EBSDmaster/mLPSH": random.random((2, 3, 21, 21), np.float32),
        "EMData/EBSDmaster/EkeVs": ENERGIES,
        "EMData/MCOpenCL/accum_e": accum_e,
        "CrystalData/SpaceGroupNumber": np.array([186], np.int32),
        "CrystalData/LatticeParameters": np.array([0.3189, 0.3189, 0.5186, 90, 90, 120]),
        "NMLparameters/MCCLNameList/EkeV": np.array([20.0]),
    }
    data |= {name: value for key, value in changes.items() for name in data if name.endswith(key)}
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            if value is not None:
                file[name] = value
    return path


def read(path, name):
    with h5py.File(path) as file:
        return np.asarray(file[f"EMData/EBSDmaster/{name}"], np.float64)


def test_what_is_saved_is_loaded(tmp_path):
    random = np.random.default_rng(1)
    sites = (Site("Ga", 1 / 3, 2 / 3, 0.5, 0.4), Site("N", 1 / 3, 2 / 3, 0.875, 0.6, 0.9))
    master = MasterPattern("gan", stretched(random.random((2, 31, 31))), 186, (3.189, 5.186), 15.0, sites)
    master.save(tmp_path / "gan.npz")
    loaded = MasterPattern.load(str(tmp_path / "gan.npz"))
    np.testing.assert_array_equal(loaded.hemispheres, master.hemispheres)
    assert loaded.hemispheres.dtype == np.float32
    assert (loaded.name, loaded.space_group, loaded.lattice) == ("gan", 186, (3.189, 5.186))
    assert (loaded.voltage, loaded.sites) == (15.0, sites)


def test_nothing_is_overwritten_unasked(tmp_path, master):
    path = tmp_path / "one.npz"
    path.write_text("mine")
    with pytest.raises(ScanError, match=r"one\.npz exists already"):
        master.save(path)
    assert path.read_text() == "mine"
    master.save(path, overwrite=True)
    assert MasterPattern.load(path).space_group == 225
    assert [file.name for file in tmp_path.iterdir()] == ["one.npz"]


def test_files_without_voltage_and_sites_load(tmp_path):
    pattern = np.arange(25, dtype=np.uint16).reshape(1, 5, 5)
    np.savez(tmp_path / "bare.npz", pattern=pattern, projection="lambert", space_group=225, a=4.0, c=4.0)
    bare = MasterPattern.load(tmp_path / "bare.npz")
    assert (bare.voltage, bare.sites) == (None, ())
    assert (bare.hemispheres.min(), bare.hemispheres.max()) == (0, 1)


def test_stretching_cuts_off_few_and_keeps_the_order():
    values = np.random.default_rng(2).normal(300, 20, (1, 101, 101))
    values[0, 0, 0] = 1e6
    scaled = stretched(values)
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert 0 < (scaled == 1).mean() < 0.001
    inside = (scaled > 0) & (scaled < 1)
    assert np.corrcoef(scaled[inside], values[inside])[0, 1] > 0.999
    np.testing.assert_array_equal(stretched(np.full((1, 3, 3), 7.0)), 0)


def test_emsofts_energies_are_weighted_by_their_electrons_and_sites_summed(tmp_path):
    path = emsoft(tmp_path / "gan.h5")
    master = MasterPattern.load(path)
    assert (master.name, master.space_group, master.voltage) == ("gan", 186, 20.0)
    assert master.lattice == pytest.approx((3.189, 5.186))
    planes = np.stack([read(path, name) for name in ("mLPNH", "mLPSH")])
    expected = np.average(planes.sum(axis=1), axis=1, weights=ELECTRONS)
    np.testing.assert_allclose(master.hemispheres, stretched(expected), atol=1e-4)
    assert (master.hemispheres.shape, master.hemispheres.dtype) == ((2, 21, 21), np.float32)


@pytest.mark.parametrize(
    ("changes", "energy"),
    [({"accum_e": None}, 2), ({"accum_e": None, "EkeVs": None}, 2), ({"accum_e": None, "EkeVs": ENERGIES[::-1]}, 0)],
)
def test_without_electron_counts_emsofts_highest_energy_is_taken(tmp_path, changes, energy):
    path = emsoft(tmp_path / "gan.h5", **changes)
    expected = np.stack([read(path, name).sum(axis=0)[energy] for name in ("mLPNH", "mLPSH")])
    np.testing.assert_allclose(MasterPattern.load(path).hemispheres, stretched(expected), atol=1e-4)


def test_a_single_energy_of_emsoft_needs_no_weight(tmp_path):
    planes = np.random.default_rng(4).random((1, 1, 21, 21), np.float32)
    path = emsoft(tmp_path / "one.hdf5", mLPNH=planes, mLPSH=planes, EkeVs=ENERGIES[-1:], EkeV=None)
    master = MasterPattern.load(path)
    np.testing.assert_allclose(master.hemispheres, stretched(np.repeat(planes[0], 2, axis=0)), atol=1e-4)
    assert master.voltage is None


def test_emsofts_master_pattern_is_projected_and_saved_as_our_own(tmp_path):
    master = MasterPattern.load(emsoft(tmp_path / "gan.h5"))
    master.save(tmp_path / "gan.npz")
    turn, detector = random_rotation(np.random.default_rng(5)), Detector(20, 20)
    again = MasterPattern.load(tmp_path / "gan.npz").project(turn, detector)
    np.testing.assert_array_equal(master.project(turn, detector), again)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mLPNH": None}, "lacks EMData/EBSDmaster/mLPNH;"),
        ({"SpaceGroupNumber": None, "LatticeParameters": None}, "SpaceGroupNumber, CrystalData/LatticeParameters;"),
        ({"mLPNH": np.ones((3, 21, 21))}, "is needed"),
        ({"mLPSH": np.ones((2, 3, 21, 19))}, "is needed"),
        ({"accum_e": np.ones((5, 5, 4), int)}, "of 4 energies, 100 in all, but holds master patterns of 3"),
        ({"accum_e": np.zeros((5, 5, 3), int)}, "of 3 energies, 0 in all"),
        ({"LatticeParameters": np.array([0.4])}, "cannot be read"),
        ({"SpaceGroupNumber": np.array([], int)}, "cannot be read"),
        ({"mLPNH": np.full((2, 3, 21, 21), np.nan)}, "without a picture"),
        ({"mLPNH": np.ones((2, 3, 21, 21)), "mLPSH": np.ones((2, 3, 21, 21))}, "without a picture"),
    ],
)
def test_says_what_is_wrong_with_a_file_of_emsoft(tmp_path, changes, says):
    path = emsoft(tmp_path / "bad.h5", **changes)
    with pytest.raises(ScanError, match=says) as error:
        MasterPattern.load(path)
    assert str(path) in str(error.value)
    assert str(error.value).endswith(".")


def test_says_what_is_wrong_with_a_damaged_file(tmp_path, masters_folder):
    for name, whole in (("cut.npz", masters_folder / "one.npz"), ("cut.h5", emsoft(tmp_path / "whole.h5"))):
        for length in (0, 100, 3000):
            (tmp_path / name).write_bytes(whole.read_bytes()[:length])
            with pytest.raises(ScanError, match=rf"{name} cannot be read as a master pattern"):
                MasterPattern.load(tmp_path / name)


def test_says_what_is_wrong_with_another_file(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((5, 5)))
    np.savez(tmp_path / "none.npz", pattern=np.ones((1, 5, 5)), projection="lambert", space_group=1, a=1, c=1)
    np.savez(tmp_path / "flat.npz", pattern=np.ones(5), projection="lambert", space_group=1, a=1, c=1)
    np.savez(tmp_path / "odd.npz", pattern=np.ones((1, 5, 5)), sites="[1]")
    for name, says in (
        ("array.npy", "cannot be read"),
        ("none.npz", "without a picture"),
        ("flat.npz", "a square Lambert projection"),
        ("odd.npz", "cannot be read"),
        ("absent.h5", "There is no master pattern"),
    ):
        with pytest.raises(ScanError, match=says):
            MasterPattern.load(tmp_path / name)


def test_a_folders_master_patterns_are_listed_by_name(tmp_path):
    for name in ("w.npz", "al.NPZ", "gan.h5", "ni.hdf5", "README.md"):
        (tmp_path / name).touch()
    assert list(master_patterns_in(tmp_path)) == ["al", "gan", "ni", "w"]
    assert master_patterns_in(tmp_path)["gan"] == tmp_path / "gan.h5"
    (tmp_path / "gan.npz").touch()
    with pytest.raises(ScanError, match=r"two master patterns named gan, gan\.h5 and gan\.npz"):
        master_patterns_in(tmp_path)
