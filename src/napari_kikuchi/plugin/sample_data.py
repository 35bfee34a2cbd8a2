"""The samples as napari offers them under File, Open Sample."""

from __future__ import annotations

from typing import Any

from ..sample import ATTRIBUTION, sample_path
from .reader import read

__all__ = ["nickel", "silicon"]

LayerData = tuple[Any, dict[str, Any], str]


def nickel() -> list[LayerData]:
    """A 3x3 map of recrystallised nickel, 60x60 pixels."""
    return _sample("nickel")


def silicon() -> list[LayerData]:
    """One pattern of a silicon wafer, 480x480 pixels."""
    return _sample("silicon")


def _sample(name: str) -> list[LayerData]:
    layers = read(str(sample_path(name)))
    for _, arguments, _ in layers:
        arguments["metadata"]["attribution"] = ATTRIBUTION[name]
    return layers
