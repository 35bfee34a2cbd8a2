"""Real patterns for every test: those that come with the package."""

from pathlib import Path

import numpy as np
import pytest

import napari_kikuchi

DATA = Path(napari_kikuchi.__file__).parent / "data"


@pytest.fixture
def nickel_file():
    """A 3x3 map of nickel: UP1, 8 bits, 60x60 pixels."""
    return DATA / "nickel.up1"


@pytest.fixture
def silicon_file():
    """One pattern of silicon: UP1, 8 bits, 480x480 pixels."""
    return DATA / "silicon.up1"


@pytest.fixture
def nickel(nickel_file):
    """The nickel patterns, (9, 60, 60) uint8, read without the package's own reader."""
    return np.frombuffer(nickel_file.read_bytes()[-9 * 60 * 60 :], dtype=np.uint8).reshape(9, 60, 60)
