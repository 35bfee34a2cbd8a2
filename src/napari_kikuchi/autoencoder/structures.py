"""Crystal structures to simulate: common phases by name, and CIF files."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from math import pi
from pathlib import Path
from typing import Any, NamedTuple

from ..scan import ScanError, ScanWarning

__all__ = ["PHASES", "CrystalStructure", "Site", "ebsdsim_module", "find_structure", "read_cif"]


class Site(NamedTuple):
    """Atoms at a position of the asymmetric unit.

    Attributes
    ----------
    element : str
    x, y, z : float
        Fractional coordinates.
    b_iso : float
        Debye-Waller factor B, square ångström.
    occupancy : float
        In 0..1.
    """

    element: str
    x: float
    y: float
    z: float
    b_iso: float
    occupancy: float = 1.0


@dataclass(frozen=True)
class CrystalStructure:
    """A crystal, in the standard setting of the International Tables (origin choice 2 where there are two).

    Attributes
    ----------
    name : str
        What its master pattern is called.
    space_group : int
        Number in the International Tables.
    cell : (a, b, c, alpha, beta, gamma)
        Ångström and degrees.
    sites : tuple of Site
    """

    name: str
    space_group: int
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[Site, ...]


def _cubic(name: str, space_group: int, a: float, *sites: Site) -> CrystalStructure:
    return CrystalStructure(name, space_group, (a, a, a, 90.0, 90.0, 90.0), sites)


def _face_centred(name: str, element: str, a: float, b_iso: float) -> CrystalStructure:
    return _cubic(name, 225, a, Site(element, 0, 0, 0, b_iso))


def _body_centred(name: str, element: str, a: float, b_iso: float) -> CrystalStructure:
    return _cubic(name, 229, a, Site(element, 0, 0, 0, b_iso))


def _diamond(name: str, element: str, a: float, b_iso: float) -> CrystalStructure:
    return _cubic(name, 227, a, Site(element, 0.125, 0.125, 0.125, b_iso))


def _close_packed(name: str, element: str, a: float, c: float, b_iso: float) -> CrystalStructure:
    return CrystalStructure(name, 194, (a, a, c, 90.0, 90.0, 120.0), (Site(element, 1 / 3, 2 / 3, 0.25, b_iso),))


# Lattice constants at room temperature, after H. W. King's table in the CRC Handbook of Chemistry and Physics; those of
# fe-fcc are an austenitic steel's, those of ti-bcc belong to 900 °C. Debye-Waller factors at 295 K: L.-M. Peng, G. Ren,
# S. L. Dudarev and M. J. Whelan, Acta Crystallographica A52, 456 (1996), table 1 at 280 K, times 295/280; ti-bcc, which
# they leave out, and magnesia have values usual in refinements.
PHASES = {
    structure.name: structure
    for structure in (
        _face_centred("al", "Al", 4.0495, 0.79),
        _face_centred("ni", "Ni", 3.5238, 0.36),
        _face_centred("cu", "Cu", 3.6149, 0.55),
        _face_centred("ag", "Ag", 4.0857, 0.74),
        _face_centred("pt", "Pt", 3.9236, 0.37),
        _face_centred("au", "Au", 4.0782, 0.62),
        _face_centred("fe-fcc", "Fe", 3.5990, 0.56),
        _body_centred("fe-bcc", "Fe", 2.8665, 0.33),
        _body_centred("cr", "Cr", 2.8847, 0.25),
        _body_centred("nb", "Nb", 3.3004, 0.45),
        _body_centred("mo", "Mo", 3.1470, 0.22),
        _body_centred("ta", "Ta", 3.3030, 0.32),
        _body_centred("w", "W", 3.1652, 0.16),
        _body_centred("ti-bcc", "Ti", 3.3065, 0.80),
        _close_packed("ti-hcp", "Ti", 2.9508, 4.6855, 0.52),
        _close_packed("mg", "Mg", 3.2094, 5.2107, 1.82),
        _close_packed("zn", "Zn", 2.6649, 4.9468, 1.15),
        _close_packed("zr", "Zr", 3.2317, 5.1476, 0.57),
        _diamond("si", "Si", 5.4310, 0.49),
        _diamond("ge", "Ge", 5.6574, 0.60),
        _cubic("mgo", 225, 4.2117, Site("Mg", 0, 0, 0, 0.31), Site("O", 0.5, 0.5, 0.5, 0.34)),
    )
}


def find_structure(name_or_path: str | Path) -> CrystalStructure:
    """A common phase by its name, or what a CIF file says.

    Parameters
    ----------
    name_or_path : str or Path
        A key of `PHASES`, or the path of a CIF file.

    Returns
    -------
    CrystalStructure

    Raises
    ------
    ScanError
        If it is neither, or the file cannot be used.
    """
    if str(name_or_path) in PHASES:
        return PHASES[str(name_or_path)]
    path = Path(name_or_path)
    if not path.is_file():
        raise ScanError(
            f"There is no phase and no file {name_or_path}: give one of {', '.join(PHASES)}, or the path of a CIF file."
        )
    return read_cif(path)


def read_cif(path: Path) -> CrystalStructure:
    """Read a CIF file, with ebsdsim's reader.

    Parameters
    ----------
    path : Path

    Returns
    -------
    CrystalStructure
        Named as the file.

    Raises
    ------
    ScanError
        If the file holds no crystal structure, one that contradicts itself, or ebsdsim is not installed.
    """
    reader = ebsdsim_module("ebsdsim.crystal.cif")
    remarks = io.StringIO()
    try:
        with redirect_stdout(remarks):
            found = reader.load_structure(path)
    # Whatever a text can do to a parser: it raises ValueError for most, but not for all.
    except (ValueError, LookupError, TypeError, ArithmeticError, OSError) as error:
        raise ScanError(f"{path} cannot be read as a crystal structure (CIF): {error}.") from error
    if "B_iso" in remarks.getvalue():
        warnings.warn(
            f"{path} lacks Debye-Waller factors (B_iso or U_iso) of atoms; {reader.DEFAULT_B_ISO_ANGSTROM_SQ:g} square "
            "ångström is used for these.",
            ScanWarning,
            stacklevel=2,
        )
    a, b, c, alpha, beta, gamma = (float(value) for value in found.cell)
    sites = tuple(
        Site(str(element), float(x), float(y), float(z), float(u_iso) * 8 * pi**2, float(occupancy))
        for element, (x, y, z), u_iso, occupancy in zip(
            found.species, found.coords, found.uiso, found.occupancies, strict=True
        )
    )
    return CrystalStructure(path.stem, int(found.number), (a, b, c, alpha, beta, gamma), sites)


def ebsdsim_module(name: str) -> Any:
    """A module of ebsdsim, which is installed for simulations only.

    Raises
    ------
    ScanError
        If ebsdsim is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise ScanError(
            'Simulating master patterns needs ebsdsim, which is not installed: pip install "napari-kikuchi[simulate]".'
        ) from None
