"""Simulated master patterns: what is handed to ebsdsim and what is made of its answer, without ebsdsim itself."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_kikuchi.autoencoder import dynamical
from napari_kikuchi.autoencoder.projection import Detector, MasterPattern, random_rotation
from napari_kikuchi.autoencoder.structures import PHASES, CrystalStructure, Site, find_structure
from napari_kikuchi.scan import ScanError, ScanWarning

SMALL = {"half_width": 10, "smallest_spacing": 0.1}


@dataclass
class Solver:
    """What stands in for ebsdsim: what it was asked, and what it is to answer."""

    adapter: str = "DiscreteGPU"
    binds: int = 2**34
    hemispheres: int = 1
    centrosymmetric: bool = True
    fails: Exception | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    runner: Any = None

    def master_pattern(self, material, **settings):
        if self.fails:
            raise self.fails
        self.asked = {"material": material, **settings, "tile": self.runner.auto_tile_k(65, 19, 10, 1)}
        self.runner.run_bins_dynamical("prep", [20.0, 19.0], chunk=64)
        side = 2 * settings["halfw"] + 1
        data = np.random.default_rng(1).random((3, 1, self.hemispheres, side, side), np.float32)
        axes = {"energy_integrated_index": 2, "site_integrated_index": 0}
        return SimpleNamespace(data=data, axes=axes, metadata={"is_centrosymmetric": self.centrosymmetric})

    def require_gpu(self, required_features):
        if not self.adapter:
            raise RuntimeError("No WebGPU adapter available")
        return SimpleNamespace(adapter=SimpleNamespace(info={"adapter_type": self.adapter}))


class GPUError(Exception):
    """As wgpu's: none of Python's own kinds."""


def run_bins(prep, bins, *, chunk, on_chunk_done=None):
    """As ebsdsim's: it tells after each chunk, and stops before the last energy."""
    for done in (64, 100) if on_chunk_done else ():
        on_chunk_done({"bi": 0, "k_done": done, "n_k": 100})


@pytest.fixture
def solver(monkeypatch):
    """Modules of ebsdsim's names in place of its own, whether it is installed or not."""
    solver = Solver()
    modules = {
        name: ModuleType(name)
        for name in ("wgpu", "ebsdsim", "ebsdsim.gpu", "ebsdsim.gpu.limits", "ebsdsim.engine.galerkin_runner")
    }
    wgpu, main, gpu, limits, solver.runner = modules.values()
    wgpu.GPUError = GPUError
    limits.device_limit = lambda adapter, name, default: solver.binds
    main.Cell = main.Atom = lambda *given, **named: SimpleNamespace(given=given, **named)
    main.Material = lambda cell, atoms, name: SimpleNamespace(cell=cell, atoms=atoms, name=name)
    main.master_pattern, gpu.require_gpu = solver.master_pattern, solver.require_gpu
    solver.runner.auto_tile_k, solver.runner.run_bins_dynamical = lambda *given: 65535, run_bins
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return solver


def test_a_phase_is_simulated_by_its_name(solver, tmp_path):
    master = dynamical.simulate_master_pattern("zn", voltage=15.0, tilt=60.0, energy_bin=1.5, **SMALL)
    assert (master.name, master.space_group, master.lattice) == ("zn", 194, (2.6649, 4.9468))
    assert (master.voltage, master.sites) == (15.0, PHASES["zn"].sites)
    assert master.hemispheres.shape == (1, 21, 21)
    asked = solver.asked
    assert asked["material"].cell.given == (2.6649, 2.6649, 4.9468, 90.0, 90.0, 120.0)
    assert asked["material"].atoms[0].b_iso == 1.15
    names = ("voltage_kv", "sigma_deg", "dmin", "halfw", "energy_binwidth_keV")
    assert [asked[name] for name in names] == [15.0, 60.0, 0.1, 10, 1.5]
    master.save(tmp_path / "zn.npz")
    np.testing.assert_array_equal(MasterPattern.load(tmp_path / "zn.npz").hemispheres, master.hemispheres)


@pytest.mark.parametrize(
    ("adapter", "binds", "tile"), [("DiscreteGPU", 2**34, 65535), ("IntegratedGPU", 2**27, 1024), ("CPU", 2**27, 192)]
)
def test_an_adapter_gets_no_larger_tiles_than_it_binds(solver, adapter, binds, tile):
    solver.adapter, solver.binds = adapter, binds
    before = solver.runner.auto_tile_k
    dynamical.simulate_master_pattern("al", **SMALL)
    assert solver.asked["tile"] == tile
    assert solver.runner.auto_tile_k is before


def test_progress_counts_the_directions_of_all_energies(solver):
    told = []
    dynamical.simulate_master_pattern("al", progress=lambda done, total: told.append((done, total)), **SMALL)
    assert told == [(64, 200), (100, 200)]
    assert solver.runner.run_bins_dynamical is run_bins


def test_the_southern_hemisphere_of_cubic_crystals_without_inversion_follows_from_a_twofold_axis(solver):
    solver.centrosymmetric = False
    crystal = CrystalStructure("blende", 216, (4.4, 4.4, 4.4, 90.0, 90.0, 90.0), (Site("Si", 0, 0, 0, 0.5),))
    master = dynamical.simulate_master_pattern(crystal, **SMALL)
    assert master.hemispheres.shape == (2, 21, 21)
    turn, detector = random_rotation(np.random.default_rng(2)), Detector(30, 30)
    off_equator = abs((turn @ detector.directions().reshape(3, -1))[2].reshape(30, 30)) > 0.05
    seen, again = master.project(turn, detector), master.project(np.diag([1, -1, -1]) @ turn, detector)
    np.testing.assert_allclose(seen[off_equator], again[off_equator], atol=1e-3)
    assert seen.std() > 0.05


def test_both_hemispheres_are_kept(solver):
    solver.centrosymmetric, solver.hemispheres = False, 2
    assert dynamical.simulate_master_pattern("al", **SMALL).hemispheres.shape == (2, 21, 21)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"voltage": 100.0}, r"voltage is 100\.0 kV, where 5 to 40 was expected"),
        ({"tilt": float("nan")}, "tilt is nan degrees"),
        ({"smallest_spacing": 0.5}, r"smallest spacing is 0\.5 nm"),
        ({"half_width": 5}, "half width is 5 pixels, where 10 to 1000"),
    ],
)
def test_says_which_value_is_out_of_range(setting, says):
    with pytest.raises(ScanError, match=says):
        dynamical.simulate_master_pattern("al", **setting)


def test_says_that_ebsdsim_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ebsdsim", None)
    with pytest.raises(ScanError, match=r'not installed: pip install "napari-kikuchi\[simulate\]"'):
        dynamical.simulate_master_pattern("al")


def test_says_that_there_is_no_adapter(solver):
    solver.adapter = ""
    with pytest.raises(ScanError, match=r"No WebGPU adapter .* mesa-vulkan-drivers\.$"):
        dynamical.simulate_master_pattern("al")


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, GPUError])
def test_says_what_ebsdsim_stumbled_on(solver, kind):
    solver.fails = kind("Not enough\n\n  memory left")
    with pytest.raises(ScanError, match=r"pattern of al could not be simulated: Not enough memory left\.$"):
        dynamical.simulate_master_pattern("al")


def test_phases_have_sensible_lattices():
    for name, crystal in PHASES.items():
        assert crystal.name == name
        assert 2 < crystal.cell[0] < 7
        assert crystal.cell[5] == (120 if crystal.space_group == 194 else 90)
        assert all(0.1 < site.b_iso < 2 for site in crystal.sites)


CIF = """data_x
_cell_length_a 2.95(1)
_cell_length_b 2.95
_cell_length_c 4.68
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_symmetry_Int_Tables_number 194
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{b}
Ti1 0.333333 0.666667 0.25 {value}
"""


@pytest.mark.parametrize(("b", "value", "b_iso"), [("_atom_site_B_iso_or_equiv", "0.6", 0.6), ("", "", 0.5)])
def test_a_cif_file_is_read(tmp_path, recwarn, b, value, b_iso):
    pytest.importorskip("ebsdsim", reason="the extra `simulate` is not installed")
    path = tmp_path / "mine.cif"
    path.write_text(CIF.format(b=b, value=value))
    crystal = find_structure(path)
    assert (crystal.name, crystal.space_group) == ("mine", 194)
    assert crystal.cell == pytest.approx((2.95, 2.95, 4.68, 90, 90, 120))
    assert crystal.sites[0].element == "Ti"
    assert crystal.sites[0][1:] == pytest.approx((0.333333, 0.666667, 0.25, b_iso, 1.0))
    assert [warning.category for warning in recwarn] == ([] if b else [ScanWarning])


def test_what_is_no_cif_file_is_told(tmp_path):
    pytest.importorskip("ebsdsim", reason="the extra `simulate` is not installed")
    path = tmp_path / "other.cif"
    for text in ("", "hello", "data_x\n_cell_length_a 4(\n", CIF.format(b="", value="").replace("Ti1", "Qq")):
        path.write_text(text)
        with pytest.raises(ScanError, match=r"other\.cif cannot be read as a crystal structure"):
            find_structure(path)


def test_neither_phase_nor_file_is_told():
    with pytest.raises(ScanError, match=r"There is no phase and no file unobtainium: give one of al, "):
        find_structure(Path("unobtainium"))
