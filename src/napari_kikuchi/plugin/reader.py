"""Opening EDAX pattern files in napari."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..formats import open_scan
from .layers import layer_arguments

__all__ = ["get_reader"]

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader, if these are pattern files.

    Parameters
    ----------
    path : str or list of str
        What the user opened; several files become a layer each.
    """
    return read if all(Path(one).suffix.lower() in (".up1", ".up2") for one in _listed(path)) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Open pattern files as image layers, mapped and not read.

    Raises
    ------
    ScanError
        If a file cannot be understood; the sentence says which and why.
    """
    layers: list[LayerData] = []
    for one in _listed(path):
        scan = open_scan(one)
        data, arguments = layer_arguments(scan, Path(one).stem)
        layers.append((data, arguments, "image"))
        if scan.grid is None and scan.n > 1:
            _ask_for_map(Path(one).name, scan.n)
    _bind_shortcuts()
    return layers


def _ask_for_map(name: str, n: int) -> None:
    from napari.utils.notifications import show_info

    show_info(
        f"{name} does not say how its {n} patterns lie on the map. Give rows and columns under Plugins, EBSD Kikuchi "
        "patterns, Set the map."
    )


def _bind_shortcuts() -> None:
    """Bind the plugin's keys in the window that the files are opened in, if there is one."""
    import napari

    from .shortcuts import bind_shortcuts

    viewer = napari.current_viewer()
    if viewer is not None:
        bind_shortcuts(viewer)


def _listed(path: str | list[str]) -> list[str]:
    return path if isinstance(path, list) else [path]
