"""The map of one layer as it grows: what there is to see of it, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..processing.maps import Measure, Region
from ..scan import Scan
from ..scan_maps import GrowingMap
from .map_canvas import MapCanvas
from .map_layout import MapLayout
from .narrow import ElidedLabel

__all__ = ["TITLES", "LayerMap", "MapView", "pictures", "written"]

TITLES: dict[Measure, str] = {
    "image-quality": "image quality",
    "mean-intensity": "mean intensity",
    "virtual-backscatter": "virtual backscatter",
}
# Seconds until the next picture of a map that grows: soon at first, then less and less often, since with each the whole
# window is drawn again.
SOON, LATER, SLOWER = 0.1, 1.0, 1.2


@dataclass(frozen=True)
class LayerMap:
    """A map of a layer, and the layout in which it is drawn."""

    layer: Image
    scan: Scan
    of: Measure
    region: Region
    growing: GrowingMap
    layout: MapLayout

    @classmethod
    def begin(cls, layer: Image, scan: Scan, of: Measure, region: Region) -> LayerMap:
        """A map of which nothing is known yet.

        Raises
        ------
        ScanError
            If the scan has no map.
        """
        growing = GrowingMap(scan, of, region)
        return cls(layer, scan, of, region, growing, MapLayout.of(growing.grid, scan.n, scan.step))

    @property
    def title(self) -> str:
        """What to call a layer or file of it."""
        return f"{self.layer.name} {TITLES[self.of]}"

    def described(self) -> str:
        """How far it is, and the range of its values once it is whole."""
        growing = self.growing
        if growing.known == 0:
            return "..."
        low, high = np.nanmin(growing.values), np.nanmax(growing.values)
        known = "" if growing.whole else f" ({growing.known:,} of {growing.n:,})"
        return f"{written(low, 3)} to {written(high, 3)}{known}"


def written(value: float, digits: int = 4) -> str:
    """A value of a map: a share with some digits, an intensity in whole levels."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def pictures(maps: list[LayerMap], *, beyond_sample: bool = False) -> Iterator[list[NDArray[np.uint8]]]:
    """Let maps grow together, for a thread beside the window's.

    Yields
    ------
    list of arrays
        A picture of each, from time to time and when all are as large as they get.
    """
    last, patience = -np.inf, SOON
    waiting: list[Iterator[Any]] = [one.growing.grow(beyond_sample=beyond_sample) for one in maps]
    while waiting:
        waiting = [growth for growth in waiting if next(growth, None) is not None]
        if not waiting or monotonic() - last > patience:
            last, patience = monotonic(), min(patience * SLOWER, LATER)
            yield [one.layout.picture(one.growing.picture) for one in maps]
        else:
            yield []


class MapView(QWidget):
    """The name of a layer over its map, on which regions can be drawn if `regions` are wanted."""

    def __init__(self, *, regions: bool = False) -> None:
        super().__init__()
        self.name = ElidedLabel()
        self.canvas = MapCanvas(regions=regions)
        self.state = ElidedLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget in (self.name, self.canvas, self.state):
            column.addWidget(widget, stretch=1 if widget is self.canvas else 0)

    def show_map(self, one: LayerMap | None) -> None:
        """Begin to show a map, or show none."""
        self.canvas.show_layout(one.layout if one else None)
        self.name.setText(one.layer.name if one else "")
        self.state.setText(one.described() if one else "")
