"""Store trained weights as they are shipped: with 16 bits and half the size.

python benchmarks/ship_weights.py runs/NAME/NAME.weights.h5 src/napari_kikuchi/autoencoder/weights/NAME.weights.h5
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np


def halve(source: Path, target: Path) -> None:
    """Copy a file of weights, each as float16. Networks convert them back when they load them."""
    with h5py.File(source) as trained, h5py.File(target, "w") as shipped:

        def copy(name: str, found: h5py.Group | h5py.Dataset) -> None:
            if isinstance(found, h5py.Group):
                shipped.create_group(name).attrs.update(found.attrs)
                return
            values = np.asarray(found)
            if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                raise SystemExit(f"{source}: {name} has values that 16 bits cannot hold.")
            shipped[name] = values.astype(np.float16)

        trained.visititems(copy)


def main() -> None:
    """Store what is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="weights that a training wrote")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    halve(options.source, options.target)


if __name__ == "__main__":
    main()
