"""Dynamical master patterns of crystals, with ebsdsim: Bloch waves of many beams, computed by WebGPU."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .master_patterns import stretched
from .projection import MasterPattern
from .structures import CrystalStructure, ebsdsim_module, find_structure

__all__ = ["SimulationSettings", "find_adapter", "simulate_master_pattern"]

Progress = Callable[[int, int], None]

# Bytes that ebsdsim's solver binds for each direction of a tile, at most (16,384 complex numbers).
_BYTES_A_DIRECTION = 16384 * 8
# Directions at a time on an adapter that computes on the CPU: it takes seconds for these, as long as Ctrl-C and the
# progress have to wait.
_SOFTWARE_TILE = 192


def _setting(default: float, unit: str, low: float, high: float, help: str) -> Any:
    return field(default=default, metadata={"unit": unit, "min": low, "max": high, "help": help})


@dataclass(frozen=True)
class SimulationSettings:
    """How a master pattern is simulated; each field's metadata has its unit, its range and its meaning.

    Raises
    ------
    ScanError
        If a value lies outside its range.
    """

    voltage: float = _setting(20.0, "kV", 5.0, 40.0, "Of the beam, kV.")
    tilt: float = _setting(70.0, "degrees", 0.0, 85.0, "Of the sample, degrees.")
    smallest_spacing: float = _setting(
        0.05, "nm", 0.02, 0.2, "Lattice planes closer than this are left out, nm; with fewer planes it takes less time."
    )
    half_width: int = _setting(
        150, "pixels", 10, 1000, "The master pattern is twice this plus one pixels wide and high."
    )
    energy_bin: float = _setting(1.0, "keV", 0.25, 5.0, "Width of the energies that are computed as one, keV.")

    def __post_init__(self) -> None:
        for spec in fields(self):
            value, limits = getattr(self, spec.name), spec.metadata
            if not (math.isfinite(value) and limits["min"] <= value <= limits["max"]):
                raise ScanError(
                    f"A master pattern's {spec.name.replace('_', ' ')} is {value} {limits['unit']}, where "
                    f"{limits['min']:g} to {limits['max']:g} was expected."
                )


def simulate_master_pattern(
    structure: str | Path | CrystalStructure,
    *,
    voltage: float = SimulationSettings.voltage,
    tilt: float = SimulationSettings.tilt,
    smallest_spacing: float = SimulationSettings.smallest_spacing,
    half_width: int = SimulationSettings.half_width,
    energy_bin: float = SimulationSettings.energy_bin,
    progress: Progress | None = None,
) -> MasterPattern:
    """Simulate a dynamical master pattern, to train a network on or to judge one with.

    Needs the extra `simulate` and a WebGPU adapter: a graphics card, or a driver that computes on the CPU, with which
    it takes minutes to an hour.

    Parameters
    ----------
    structure : str, Path or CrystalStructure
        A common phase by its name, such as "al", the path of a CIF file, or a structure.
    voltage : float
        Of the beam, kV, 5 to 40.
    tilt : float
        Of the sample, degrees, 0 to 85.
    smallest_spacing : float
        Lattice planes closer than this are left out, nanometres, 0.02 to 0.2.
    half_width : int
        The master pattern is twice this plus one pixels wide and high, 10 to 1000.
    energy_bin : float
        Width of the energies that are computed as one, keV, 0.25 to 5. The simulation goes from the highest down, and
        ends when one changes the picture by less than 1%.
    progress : callable, optional
        Called with the directions done and those there are, those of all energies together.

    Returns
    -------
    MasterPattern
        Of two hemispheres if the crystal has no inversion symmetry. Its `save` writes it to a file.

    Raises
    ------
    ScanError
        If there is no such phase or file, a value is out of its range, ebsdsim is not installed, or no WebGPU adapter
        is found.
    """
    settings = SimulationSettings(voltage, tilt, smallest_spacing, half_width, energy_bin)
    crystal = structure if isinstance(structure, CrystalStructure) else find_structure(structure)
    found = _simulate(crystal, settings, progress)
    return MasterPattern(
        crystal.name,
        stretched(_hemispheres(found)),
        crystal.space_group,
        (crystal.cell[0], crystal.cell[2]),
        settings.voltage,
        crystal.sites,
    )


def find_adapter() -> Any:
    """The WebGPU adapter that ebsdsim computes on.

    Raises
    ------
    ScanError
        If there is none that can, or ebsdsim is not installed.
    """
    gpu = ebsdsim_module("ebsdsim.gpu")
    try:
        with _runtime_folder():
            return gpu.require_gpu(required_features=("shader-f16",)).adapter
    except RuntimeError as error:
        raise ScanError(
            "No WebGPU adapter that computes with 16-bit floats was found: a graphics card with its driver is needed, "
            "or a driver that computes on the CPU, on Debian the package mesa-vulkan-drivers."
        ) from error


@contextmanager
def _runtime_folder() -> Iterator[None]:
    """A folder for what Wayland would put there: without one, the search for adapters says that there is an error."""
    if "XDG_RUNTIME_DIR" in os.environ:
        yield
        return
    os.environ["XDG_RUNTIME_DIR"] = tempfile.gettempdir()
    try:
        yield
    finally:
        del os.environ["XDG_RUNTIME_DIR"]


def _simulate(crystal: CrystalStructure, settings: SimulationSettings, progress: Progress | None) -> Any:
    ebsdsim = ebsdsim_module("ebsdsim")
    tile = _largest_tile(find_adapter())
    *edges, alpha, beta, gamma = crystal.cell
    try:
        material = ebsdsim.Material(
            ebsdsim.Cell(*edges, alpha, beta, gamma, space_group=crystal.space_group),
            [
                ebsdsim.Atom(site.element, site.x, site.y, site.z, occupancy=site.occupancy, b_iso=site.b_iso)
                for site in crystal.sites
            ],
            crystal.name,
        )
        with _solver(tile, progress):
            return ebsdsim.master_pattern(
                material,
                voltage_kv=settings.voltage,
                sigma_deg=settings.tilt,
                dmin=settings.smallest_spacing,
                halfw=settings.half_width,
                energy_binwidth_keV=settings.energy_bin,
            )
    except (RuntimeError, ValueError, ebsdsim_module("wgpu").GPUError) as error:
        sentence = " ".join(str(error).split())
        raise ScanError(f"The master pattern of {crystal.name} could not be simulated: {sentence}.") from error


def _largest_tile(adapter: Any) -> int:
    """How many directions the solver may take at a time."""
    # ebsdsim (0.2.4) makes tiles for graphics cards, which bind some gigabytes at a time; Mesa's driver on the CPU, as
    # others, binds the 128 MiB that WebGPU promises.
    binds = ebsdsim_module("ebsdsim.gpu.limits").device_limit(adapter, "max_storage_buffer_binding_size", 2**27)
    fits = int(binds) // _BYTES_A_DIRECTION
    return min(fits, _SOFTWARE_TILE) if adapter.info["adapter_type"] == "CPU" else fits


@contextmanager
def _solver(tile: int, progress: Progress | None) -> Iterator[None]:
    """ebsdsim's solver with a largest tile, and telling how far it is; its interface has neither (0.2.4)."""
    runner = ebsdsim_module("ebsdsim.engine.galerkin_runner")
    size, run = runner.auto_tile_k, runner.run_bins_dynamical
    runner.auto_tile_k = lambda *args, **options: min(tile, size(*args, **options))
    if progress is not None:
        runner.run_bins_dynamical = _telling(run, progress)
    try:
        yield
    finally:
        runner.auto_tile_k, runner.run_bins_dynamical = size, run


def _telling(run: Callable[..., Any], progress: Progress) -> Callable[..., Any]:
    def told(prep: Any, bins: list[Any], **options: Any) -> Any:
        def tell(done: dict[str, Any]) -> None:
            progress(done["bi"] * done["n_k"] + done["k_done"], len(bins) * done["n_k"])

        return run(prep, bins, on_chunk_done=tell, **options)

    return told


def _hemispheres(found: Any) -> NDArray[np.float32]:
    """All energies and sites together, (1 or 2, side, side)."""
    axes = found.axes
    planes = found.data[axes["energy_integrated_index"], axes["site_integrated_index"]]
    if len(planes) == 2 or found.metadata["is_centrosymmetric"]:
        return np.asarray(planes)
    # Of cubic crystals without inversion (432 and -43m) ebsdsim gives the northern hemisphere alone: the twofold axis
    # along x, which all of these have, makes the southern one of it.
    return np.concatenate([planes, planes[:, ::-1]])
