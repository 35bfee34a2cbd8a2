"""Simulate the master patterns that networks are judged on beside nickel: zinc and tantalum carbide.

    python benchmarks/make_held_out.py

Writes zinc.npz, a hexagonal crystal, and tantalum-carbide.npz, a cubic one of a heavy and a light element, beside this
file. Neither is ever trained on. Needs the extra `simulate`; on one CPU core, shared with other work, zinc took 16
minutes and tantalum carbide 11.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_kikuchi.autoencoder.dynamical import simulate_master_pattern
from napari_kikuchi.autoencoder.structures import PHASES, CrystalStructure, Site

# Lattice constant of TaC0.99. The Debye-Waller factors are near to what its Debye temperature, 475 K, gives for both
# elements together, 0.17 square ångström (V. Valvoda, Physica Status Solidi A 64, 133, 1981).
TANTALUM_CARBIDE = CrystalStructure(
    "tantalum-carbide",
    225,
    (4.4555, 4.4555, 4.4555, 90.0, 90.0, 90.0),
    (Site("Ta", 0, 0, 0, 0.20), Site("C", 0.5, 0.5, 0.5, 0.35)),
)
HELD_OUT = (replace(PHASES["zn"], name="zinc"), TANTALUM_CARBIDE)


def main() -> None:
    """Simulate both."""
    for crystal in HELD_OUT:
        master = simulate_master_pattern(
            crystal, voltage=20.0, tilt=70.0, smallest_spacing=0.065, half_width=120, energy_bin=1.5
        )
        master.save(Path(__file__).with_name(f"{crystal.name}.npz"), overwrite=True)
        print(f"{crystal.name}: {master.hemispheres.shape}")


if __name__ == "__main__":
    main()
