"""Real patterns that come with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

from .layers import layer_arguments

__all__ = ["nickel", "silicon"]


def nickel() -> list[tuple[Any, dict[str, Any], str]]:
    """A 3x3 map of recrystallised nickel, 60x60 pixels (Ånes et al., doi 10.5281/zenodo.3265037, CC BY 4.0)."""
    return _sample("nickel.up1", "nickel", "Ånes et al., doi 10.5281/zenodo.3265037, CC BY 4.0")


def silicon() -> list[tuple[Any, dict[str, Any], str]]:
    """One pattern of a silicon wafer, 480x480 pixels (Ånes and Hjelen, NTNU 2021, CC BY 4.0)."""
    return _sample("silicon.up1", "silicon", "Ånes and Hjelen, NTNU 2021, CC BY 4.0")


def _sample(file: str, name: str, attribution: str) -> list[tuple[Any, dict[str, Any], str]]:
    from ..formats import open_scan

    with as_file(files("napari_kikuchi") / "data" / file) as path:
        data, arguments = layer_arguments(open_scan(path), name)
    arguments["metadata"]["attribution"] = attribution
    return [(data, arguments, "image")]
