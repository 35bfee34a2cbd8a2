"""The regions drawn on the maps of layers: drawn in the navigator, taken over by docks that run over a region."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.layers import Image
from napari.utils.events import EventEmitter

from ..scan import Grid
from .map_layout import MapRegion

__all__ = ["drawn_regions"]


class DrawnRegions:
    """A region for each layer on whose map one was drawn, as long as the layer has that map.

    Event: `changed` with the `layer`, when a region was drawn or cleared. Not a signal of Qt's, which would be gone at
    the end of Python before the last window is.
    """

    def __init__(self) -> None:
        self.changed = EventEmitter(type_name="changed")
        self._regions: WeakKeyDictionary[Image, tuple[Grid, MapRegion]] = WeakKeyDictionary()

    def of(self, layer: Image, grid: Grid) -> MapRegion | None:
        """The region drawn on a layer's map, None if there is none or it was drawn on another map than this grid's."""
        drawn_on, region = self._regions.get(layer, (None, None))
        return region if drawn_on == grid else None

    def draw(self, layer: Image, grid: Grid, region: MapRegion | None) -> None:
        """Set the region of a layer's map; None clears it."""
        if region == self.of(layer, grid):
            return
        self._regions.pop(layer, None)
        if region is not None:
            self._regions[layer] = grid, region
        self.changed(layer=layer)


drawn_regions = DrawnRegions()
"""The only one: docks of a window find one another's regions by the layer."""
