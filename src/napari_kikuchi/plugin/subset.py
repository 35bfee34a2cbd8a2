"""Which patterns of a layer to run over: all, a rectangle of the map, or every n-th."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton, SpinBox
from napari.layers import Image
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    import napari

from ..scan import Grid, Scan, ScanError
from .closing import when_closed
from .drawn_regions import drawn_regions
from .layers import index_shown, scan_from_layer
from .map_layout import MapRegion
from .parameters import number_pair
from .runner import row

__all__ = ["SubsetPicker", "place_shown"]

WHOLE, REGION, EVERY = "The whole layer", "A region of the map", "Every n-th pattern"
MOST = 1_000_000


def place_shown(viewer: napari.Viewer, layer: Image | None) -> tuple[int, int] | None:
    """Row and column of the pattern of a layer that the sliders stand on; None if it is in no map."""
    scan = None if layer is None else scan_from_layer(layer)
    if layer is None or scan is None or scan.grid is None:
        return None
    index = index_shown(viewer, layer)
    return (index[0], index[1]) if len(index) == 2 else scan.grid.position(index[0])


class SubsetPicker(Container[Any]):
    """A choice of patterns, and what it takes to say which: `which` is shown elsewhere, the rest below it.

    Rows and columns are counted as on the sliders, the last one included. A region that is drawn on the layer's map in
    the navigator is taken over.

    Parameters
    ----------
    here : callable
        Tells the row and column of the pattern that is shown; None where there is no map.
    """

    def __init__(self, here: Callable[[], tuple[int, int] | None]) -> None:
        self._here = here
        self._layer: Image | None = None
        self._taken: MapRegion | None = None
        self.which = ComboBox(value=WHOLE, choices=[WHOLE, REGION, EVERY])
        self.which.tooltip = (
            "Which patterns to run over: try settings on a part before you run over a large map.\n"
            "A region is also drawn on the map in the navigator: Shift and drag."
        )
        limits = {"min": 0, "max": MOST, "step": 1}
        self.rows = number_pair((0, 0), limits, label="Rows", tooltip="First and last row, as on the sliders.")
        self.columns = number_pair((0, 0), limits, label="Columns", tooltip="First and last column, as on the sliders.")
        self.n = SpinBox(value=2, min=2, max=1000, label="n")
        self.n.tooltip = "Every n-th pattern of every n-th row: a thinned map, with n times its step."
        self.first, self.last = PushButton(text="From the shown one"), PushButton(text="To the shown one")
        self.first.tooltip = "Let the region begin with the pattern that the sliders stand on."
        self.last.tooltip = "Let the region end with the pattern that the sliders stand on."
        self._corners = row(self.first, self.last)
        super().__init__(widgets=[self.rows, self.columns, self._corners, self.n])
        self._corners.label = ""
        self.first.changed.connect(lambda: self._take_corner(0))
        self.last.changed.connect(lambda: self._take_corner(1))
        self.margins = (0, 0, 0, 0)
        self.which.changed.connect(self._show)
        drawn_regions.changed.connect(self._drawn)
        self._show()

    def watch(self, dock: QWidget) -> None:
        """Listen to the navigator until this dock is closed."""
        when_closed(dock, lambda: drawn_regions.changed.disconnect(self._drawn))

    def fit(self, layer: Image | None) -> None:
        """Choose from another layer: the region drawn on its map, else the whole map is the region to begin with."""
        self._leave_drawn()
        self._layer = layer
        self._begin_with_whole()
        self._take_drawn()

    def show_region(self, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        """Choose a region: its first and last rows and columns."""
        self.which.value, self.rows.value, self.columns.value = REGION, rows, columns

    def choose(self, scan: Scan) -> Scan:
        """The patterns that were asked for, as a scan of their own.

        Raises
        ------
        ScanError
            If the scan has no map, or not that part of it.
        """
        if self.which.value == REGION:
            if scan.grid is None:
                raise ScanError("There is no map here to take a region of; tell the rows and columns of the map first.")
            (top, bottom), (left, right) = self.rows.value, self.columns.value
            return scan.region((top, bottom + 1), (left, right + 1))
        return scan.every(self.n.value) if self.which.value == EVERY else scan

    @property
    def told(self) -> str:
        """What was chosen, for the name of a layer; empty for all."""
        if self.which.value == REGION:
            (top, bottom), (left, right) = self.rows.value, self.columns.value
            return f"rows {top}-{bottom}, columns {left}-{right}"
        return f"every {self.n.value}" if self.which.value == EVERY else ""

    def place(self, layer: Image, source: Image) -> None:
        """Lay a layer of the chosen patterns where these lie in the layer that they were taken from."""
        if layer.ndim != source.ndim:
            return
        leading = source.ndim - 2
        scale, translate = source.scale.copy(), source.translate.copy()
        if self.which.value == EVERY:
            scale[:leading] *= self.n.value
        elif self.which.value == REGION and leading == 2:
            translate[:2] += scale[:2] * (self.rows.value[0], self.columns.value[0])
        layer.scale, layer.translate = scale, translate
        layer.units, layer.axis_labels = source.units, source.axis_labels

    def _drawn(self, event: Any) -> None:
        if event.layer is self._layer and not self._take_drawn():
            self._leave_drawn()

    def _take_drawn(self) -> bool:
        """Choose the region that was drawn on the layer's map, if there is one."""
        grid = _grid(self._layer)
        region = None if self._layer is None or grid is None else drawn_regions.of(self._layer, grid)
        if region is None:
            return False
        self.show_region(region.rows, region.columns)
        self._taken = region
        return True

    def _leave_drawn(self) -> None:
        """Go back to the whole layer, unless something else than the drawn region was chosen meanwhile."""
        if self.which.value == REGION and self._taken == MapRegion(self.rows.value, self.columns.value):
            self.which.value = WHOLE
            self._begin_with_whole()
        self._taken = None

    def _begin_with_whole(self) -> None:
        grid = _grid(self._layer)
        if grid is not None:
            self.rows.value, self.columns.value = (0, grid.rows - 1), (0, grid.columns - 1)

    def _take_corner(self, which: int) -> None:
        place = self._here()
        if place is None:
            return
        for pair, index in zip((self.rows, self.columns), place, strict=True):
            first, last = pair.value
            # A corner beyond the other one takes it along.
            pair.value = (index, max(index, last)) if which == 0 else (min(first, index), index)

    def _show(self) -> None:
        self.rows.visible = self.columns.visible = self._corners.visible = self.which.value == REGION
        self.n.visible = self.which.value == EVERY
        self.visible = self.which.value != WHOLE


def _grid(layer: Image | None) -> Grid | None:
    """The map of a layer; None if it has none, or holds no patterns."""
    try:
        return None if layer is None else scan_from_layer(layer).grid
    except ScanError:
        return None
