"""Keys that work in the viewer: to the next pattern of the map, and between a scan and what was made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Image

from .layers import scan_from_layer
from .places import is_pattern_layer, layer_in_hand, step_across, step_along

if TYPE_CHECKING:
    import napari

__all__ = ["SHORTCUTS", "bind_shortcuts", "compared", "toggle"]

SHORTCUTS = {
    "Shift-Right": "the next pattern, from the end of a row to the beginning of the next",
    "Shift-Left": "the previous pattern",
    "Shift-Down": "the pattern below on the map",
    "Shift-Up": "the pattern above",
    "Shift-D": "between the two layers that are compared, or a layer and the one it was made from",
}

# The layers that a dock of a viewer compares.
compared: WeakKeyDictionary[napari.Viewer, tuple[Image, Image]] = WeakKeyDictionary()


def bind_shortcuts(viewer: napari.Viewer) -> None:
    """Bind the keys of `SHORTCUTS` in a viewer.

    Done by hand, since napari does not look at the key bindings of a plugin's manifest. None of them is napari's own.
    """
    actions: dict[str, Callable[[napari.Viewer], None]] = {
        "Shift-Right": lambda viewer: _step(viewer, step_along, 1),
        "Shift-Left": lambda viewer: _step(viewer, step_along, -1),
        "Shift-Down": lambda viewer: _step(viewer, step_across, 1),
        "Shift-Up": lambda viewer: _step(viewer, step_across, -1),
        "Shift-D": toggle,
    }
    for key, action in actions.items():
        viewer.bind_key(key, action, overwrite=True)


def toggle(viewer: napari.Viewer) -> None:
    """Show the other layer of a pair: of the one compared, or of a layer and the one it was made from."""
    pair = compared.get(viewer) or _related(viewer)
    if pair is None or any(layer not in viewer.layers for layer in pair):
        return
    first, second = pair
    # Of two that are both shown the uppermost is seen, so that the other one is the one to show.
    upper = max(pair, key=viewer.layers.index)
    seen = upper if upper.visible else (first if first.visible else second)
    first.visible, second.visible = seen is second, seen is first


def _step(viewer: napari.Viewer, step: Callable[[napari.Viewer, Image, int], None], by: int) -> None:
    layer = layer_in_hand(viewer)
    if layer is not None:
        step(viewer, layer, by)


def _related(viewer: napari.Viewer) -> tuple[Image, Image] | None:
    """The layer in hand and the one it was made from, or if it is raw, the last one that was made from it."""
    layer = layer_in_hand(viewer)
    if layer is None:
        return None
    scan = scan_from_layer(layer)
    others = [
        (other, scan_from_layer(other))
        for other in viewer.layers
        if other is not layer and is_pattern_layer(other) and other.data.shape == layer.data.shape
    ]
    same_file = [pair for pair in others if scan.source and pair[1].source and pair[1].source.path == scan.source.path]
    for other, theirs in reversed(same_file):
        if bool(theirs.recipe) != bool(scan.recipe):
            return (layer, other) if theirs.recipe else (other, layer)
    return None
