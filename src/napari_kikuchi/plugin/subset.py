"""Which patterns of a layer to run over: all, a rectangle of the map, or every n-th."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton, SpinBox
from napari.layers import Image

if TYPE_CHECKING:
    import napari

from ..scan import Scan, ScanError
from .layers import index_shown, scan_from_layer
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

    Rows and columns are counted as on the sliders, the last one included.

    Parameters
    ----------
    here : callable
        Tells the row and column of the pattern that is shown; None where there is no map.
    """

    def __init__(self, here: Callable[[], tuple[int, int] | None]) -> None:
        self._here = here
        self.which = ComboBox(value=WHOLE, choices=[WHOLE, REGION, EVERY])
        self.which.tooltip = "Which patterns to run over: try settings on a part before you run over a large map."
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
        self._show()

    def fit(self, scan: Scan | None) -> None:
        """Let the whole map be the region to begin with."""
        if scan is not None and scan.grid is not None:
            self.rows.value = 0, scan.grid.rows - 1
            self.columns.value = 0, scan.grid.columns - 1

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
