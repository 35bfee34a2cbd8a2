"""Where on the map the viewer stands, and going elsewhere; in layers that show a map, and in sequences that know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from ..scan import Grid
from .layers import index_shown, scan_from_layer

if TYPE_CHECKING:
    import napari

__all__ = ["is_pattern_layer", "layer_in_hand", "move_to", "number_shown", "step_across", "step_along"]


def is_pattern_layer(layer: object) -> bool:
    """Whether a layer shows several patterns: (rows, columns, height, width) or (n, height, width)."""
    return isinstance(layer, Image) and not layer.rgb and not layer.multiscale and layer.ndim in (3, 4)


def layer_in_hand(viewer: napari.Viewer) -> Image | None:
    """The pattern layer that the user means: the active one, else the uppermost visible one, else the uppermost."""
    layers = [layer for layer in viewer.layers if is_pattern_layer(layer)]
    if viewer.layers.selection.active in layers:
        return viewer.layers.selection.active
    visible = [layer for layer in layers if layer.visible]
    return (visible or layers or [None])[-1]


def number_shown(viewer: napari.Viewer, layer: Image) -> int:
    """Number, in scanning order, of the pattern of a layer that the sliders stand on; 0 for a single pattern."""
    if layer.ndim == 2:
        return 0
    return int(np.ravel_multi_index(index_shown(viewer, layer), layer.data.shape[:-2]))


def move_to(viewer: napari.Viewer, layer: Image, number: int) -> None:
    """Move the sliders, and with them all layers, to the pattern of a layer with this number in scanning order."""
    leading = layer.data.shape[:-2]
    index = np.unravel_index(number, leading)
    world = layer.data_to_world([*index, 0, 0])
    first = viewer.dims.ndim - layer.ndim
    viewer.dims.set_point(range(first, first + len(leading)), world[: len(leading)])


def step_along(viewer: napari.Viewer, layer: Image, by: int) -> None:
    """Go to the next (1) or previous (-1) pattern in scanning order: after the end of a row comes the next row."""
    number = number_shown(viewer, layer) + by
    if 0 <= number < np.prod(layer.data.shape[:-2]):
        move_to(viewer, layer, number)


def step_across(viewer: napari.Viewer, layer: Image, by: int) -> None:
    """Go to the pattern below (1) or above (-1); nowhere if there is none, or if the map is not known."""
    scan = scan_from_layer(layer)
    if scan.grid is None:
        return
    number = beside(scan.grid, number_shown(viewer, layer), by)
    if number is not None and number < scan.n:
        move_to(viewer, layer, number)


def beside(grid: Grid, number: int, by: int) -> int | None:
    """Number of the point `by` rows below another one; in a hexagonal map, of the one down right, then down left.

    Rows of a hexagonal map lie half a point apart. So that a way down goes straight, it leads from a long row to the
    short row's point on the right, where there is one, and from there to the long row's point on the left.
    """
    row, column = grid.position(number)
    if not 0 <= row + by < grid.rows:
        return None
    return grid.number(row + by, min(column, int(grid.row_lengths[row + by]) - 1))
