"""Files of master patterns: our own (.npz), and those of EMsoft (.h5), which are read only."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..formats.targets import whole_file
from ..scan import ScanError
from .projection import MasterPattern
from .structures import Site

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]

__all__ = ["master_patterns_in", "read_master_pattern", "stretched", "write_master_pattern"]

_EMSOFT = (".h5", ".hdf5")
_LEVELS = np.float32(65535)


def master_patterns_in(folder: str | Path) -> dict[str, Path]:
    """The master patterns of a folder: their files by name, in alphabetical order.

    Parameters
    ----------
    folder : path to a folder
        Files that end in `.npz`, `.h5` or `.hdf5`.

    Raises
    ------
    ScanError
        If two files have the same name but for the ending.
    """
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() not in (".npz", *_EMSOFT):
            continue
        if path.stem in found:
            raise ScanError(
                f"{folder} holds two master patterns named {path.stem}, {found[path.stem].name} and {path.name}: take "
                "one away."
            )
        found[path.stem] = path
    return found


def read_master_pattern(path: Path) -> MasterPattern:
    """Read a master pattern: our own, or, if the name ends in `.h5` or `.hdf5`, EMsoft's.

    Our own is a NumPy archive with `pattern` (1 or 2, side, side), `projection` = "lambert", `space_group`, `a` and `c`
    (ångström), and, where they are known, `voltage_kv` and `sites`, a JSON list of [element, x, y, z, B in square
    ångström, occupancy].

    EMsoft's program EMEBSDmaster writes HDF5: `EMData/EBSDmaster/mLPNH` and `mLPSH`, the two hemispheres by atom site
    and energy, (sites, energies, side, side); `CrystalData/SpaceGroupNumber`, and `CrystalData/LatticeParameters` in
    nanometres (EMsoft 5, `EMEBSDmaster.f90` and `mod_MPfiles.f90`). Sites are summed, as EMsoft does. Energies are
    weighted by the electrons that left the sample with them, `EMData/MCOpenCL/accum_e`, (directions, directions,
    energies); a file without that count is taken at its highest energy, at which most of them leave. Rows are taken
    to run along +y and columns along +x, as EMsoft's arrays do.

    Parameters
    ----------
    path : Path

    Returns
    -------
    MasterPattern
        Named as the file; its hemispheres lie in 0..1.

    Raises
    ------
    ScanError
        If the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise ScanError(f"There is no master pattern {path}; give the path of an .npz or an EMsoft .h5 file.")
    return _read_emsoft(path) if path.suffix.lower() in _EMSOFT else _read_archive(path)


def write_master_pattern(master: MasterPattern, path: Path, overwrite: bool = False) -> None:
    """Write a master pattern as a compressed NumPy archive with 16 bits a pixel; see `read_master_pattern`.

    Parameters
    ----------
    master : MasterPattern
    path : Path
        Appears under this name only when it is whole.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ScanError
        If the name is taken, or the file cannot be written.
    """
    facts: dict[str, Any] = {} if master.voltage is None else {"voltage_kv": master.voltage}
    whole = io.BytesIO()
    np.savez_compressed(
        whole,
        pattern=np.rint(master.hemispheres * _LEVELS).astype(np.uint16),
        projection="lambert",
        space_group=master.space_group,
        a=master.lattice[0],
        c=master.lattice[1],
        sites=json.dumps(master.sites),
        **facts,
    )
    with whole_file(path, whole.tell(), overwrite=overwrite) as file:
        file.write(whole.getbuffer())


def stretched(intensity: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Intensities laid between their 0.05 and 99.95 percentiles, cut off there, in steps that 16 bits can hold.

    Parameters
    ----------
    intensity : array, shape (hemispheres, side, side)

    Returns
    -------
    array, same shape, float32, in 0..1
        Saved and loaded, it comes back as it is.
    """
    low, high = np.percentile(intensity, (0.05, 99.95))
    scaled = np.clip((intensity - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    return np.rint(scaled * _LEVELS).astype(np.float32) / _LEVELS


def _read_archive(path: Path) -> MasterPattern:
    try:
        # Opened here, since np.load leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            found: dict[str, Any] = {key: data[key] for key in data.files}
        sites = tuple(Site(*entry) for entry in json.loads(str(found.get("sites", "[]"))))
    # TypeError: a single array (.npy) is no archive, or a site has too few entries.
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ScanError(f"{path} cannot be read as a master pattern (.npz): {error}.") from error
    missing = {"pattern", "projection", "space_group", "a", "c"} - set(found)
    if missing:
        raise ScanError(f"{path} is no master pattern: it lacks {', '.join(sorted(missing))}.")
    pattern = found["pattern"] if found["pattern"].ndim == 3 else found["pattern"][None]
    if str(found["projection"]) != "lambert" or pattern.ndim != 3 or not 1 <= len(pattern) <= 2 or _not_square(pattern):
        raise ScanError(
            f"{path} holds a {found['projection']} projection of shape {pattern.shape}; a square Lambert "
            "projection, (1 or 2, side, side), is needed."
        )
    values = _finite(path, pattern)
    values -= values.min()
    values /= values.max()
    return MasterPattern(
        path.stem,
        values,
        int(found["space_group"]),
        (float(found["a"]), float(found["c"])),
        float(found["voltage_kv"]) if "voltage_kv" in found else None,
        sites,
    )


def _read_emsoft(path: Path) -> MasterPattern:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            needed = [f"EMData/EBSDmaster/{name}" for name in ("mLPNH", "mLPSH")]
            needed += [f"CrystalData/{name}" for name in ("SpaceGroupNumber", "LatticeParameters")]
            missing = [name for name in needed if not isinstance(file.get(name), h5py.Dataset)]
            if missing:
                raise ScanError(
                    f"{path} is no EBSD master pattern of EMsoft: it lacks {', '.join(missing)}; EMEBSDmaster writes "
                    "such files."
                )
            hemispheres = _emsoft_hemispheres(path, file, needed[:2])
            space_group = int(np.ravel(file[needed[2]])[0])
            nanometres = np.ravel(file[needed[3]])
            beam = file.get("NMLparameters/MCCLNameList/EkeV")
            voltage = None if beam is None else float(np.ravel(beam)[0])
            lattice = 10 * float(nanometres[0]), 10 * float(nanometres[2])
    except ScanError:
        raise
    # h5py tells of damage by any of these.
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ScanError(f"{path} cannot be read as a master pattern of EMsoft (.h5): {error}.") from error
    return MasterPattern(path.stem, stretched(_finite(path, hemispheres)), space_group, lattice, voltage)


def _emsoft_hemispheres(path: Path, file: h5py.File, names: list[str]) -> NDArray[np.float64]:
    shapes = {file[name].shape for name in names}
    shape = shapes.pop()
    if shapes or len(shape) != 4 or 0 in shape or shape[2] != shape[3]:
        raise ScanError(
            f"{path} holds {names[0]} of shape {shape}; (sites, energies, side, side), the same for both hemispheres, "
            "is needed."
        )
    weights = _emsoft_weights(path, file, shape[1])
    hemispheres = np.zeros((2, *shape[2:]))
    for plane, name in zip(hemispheres, names, strict=True):
        for energy in np.flatnonzero(weights):
            plane += weights[energy] * file[name][:, energy].sum(axis=0, dtype=np.float64)
    return hemispheres


def _emsoft_weights(path: Path, file: h5py.File, energies: int) -> NDArray[np.float64]:
    """The share of each energy: that of its electrons, or else all for the highest."""
    counts = file.get("EMData/MCOpenCL/accum_e")
    if energies == 1 or counts is None:
        volts = file.get("EMData/EBSDmaster/EkeVs")
        highest = energies - 1 if volts is None else int(np.argmax(np.ravel(volts)[:energies]))
        return np.eye(energies)[highest]
    electrons = np.asarray(counts).sum(axis=tuple(range(counts.ndim - 1)), dtype=np.float64)
    if electrons.shape != (energies,) or not electrons.any():
        raise ScanError(
            f"{path} counts electrons (EMData/MCOpenCL/accum_e) of {electrons.size} energies, {electrons.sum():g} in "
            f"all, but holds master patterns of {energies}: let EMsoft write it again."
        )
    return electrons / electrons.sum()


def _finite(path: Path, pattern: NDArray[Any]) -> NDArray[np.float32]:
    """A copy as floats; refuses what holds no picture."""
    values = np.array(pattern, dtype=np.float32)
    if values.size == 0 or not np.isfinite(values).all() or values.min() == values.max():
        raise ScanError(
            f"{path} holds a master pattern without a picture: values that are all the same, or no numbers."
        )
    return values


def _not_square(pattern: NDArray[Any]) -> bool:
    return pattern.shape[1] != pattern.shape[2]
