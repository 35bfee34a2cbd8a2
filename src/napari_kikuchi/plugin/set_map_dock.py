"""The dock that says how the patterns of a layer lie on the map, where their file does not."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, Label, PushButton, SpinBox
from napari.layers import Image
from napari.utils.notifications import show_error
from numpy.typing import NDArray

from ..processing.maps import Region
from ..scan import Grid, Scan, ScanError, fitting_grids
from .background import Background
from .closing import when_closed
from .dock import layer_picker, row
from .layers import scan_from_layer, set_map
from .map_view import LayerMap, MapView, pictures
from .narrow import let_shrink
from .places import is_pattern_layer, move_to, number_shown
from .shortcuts import bind_shortcuts

__all__ = ["SetMapDock"]

OTHER = "other"
KINDS = ("square", "hexagonal")
LARGEST = 1_000_000


class SetMapDock(Container[Any]):
    """Give a layer rows and columns; a coarse map of the choice shows whether it is right."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._viewer = napari_viewer
        self._shown: LayerMap | None = None
        self._filling = False
        self._choices: list[tuple[str, Any]] = []
        self.layer = layer_picker()
        let_shrink(self.layer)
        self.present = Label(label="Now", value="")
        self.points = ComboBox(label="Points", choices=list(KINDS), tooltip=_POINTS_TOOLTIP)
        self.fits = ComboBox(label="Map", choices=self._fitting, tooltip=_FITS_TOOLTIP)
        self.rows = SpinBox(value=1, min=1, max=LARGEST, tooltip="Rows of the map.")
        self.columns = SpinBox(value=1, min=1, max=LARGEST, tooltip="Points in a row; if hexagonal, in a longer one.")
        self.short_first = CheckBox(text="The first row is a short one", visible=False)
        self.step_x, self.step_y = (FloatSpinBox(value=0, min=0, max=1e6, step=0.05) for _ in range(2))
        self.step_x.tooltip = "Distance of points in a row, micrometres; 0 if you do not know."
        self.step_y.tooltip = "Distance of rows, micrometres; 0 if you do not know."
        self.others = CheckBox(value=True, text="Also the other layers of as many patterns", visible=False)
        self.set_button = PushButton(text="Set the map")
        self.forget_button = PushButton(text="Forget the map", tooltip="Show the patterns as a plain sequence again.")
        self.status = Label(value="")
        size = row(self.rows, Label(value="x"), self.columns)
        size.label, size.tooltip = "Rows x columns", "Rows and columns of the map."
        steps = row(self.step_x, Label(value="x"), self.step_y)
        steps.label = "Step in µm"
        choice = [self.layer, self.present, self.points, self.fits, size, self.short_first, steps]
        super().__init__(widgets=[*choice, self.others, row(self.set_button, self.forget_button), row(self.status)])
        self.status.native.setWordWrap(True)
        self.view = MapView()
        self.native.layout().addWidget(self.view, stretch=1)
        self._background = Background(self.native)
        self._connect()
        bind_shortcuts(napari_viewer)
        self._choose_layer()

    def grid(self) -> Grid:
        """The map that the widgets now say.

        Raises
        ------
        ScanError
            If there is no such map.
        """
        hexagonal = self.points.value == "hexagonal"
        return Grid(self.rows.value, self.columns.value, hexagonal, hexagonal and self.short_first.value)

    def set_map(self) -> None:
        """Give the layer, and others of as many patterns if wanted, the chosen map."""
        try:
            grid = self.grid()
            self._apply(grid, (self.step_x.value, self.step_y.value))
        except ScanError as error:
            self._fail(error)
            return
        self.status.value = f"The map is set: {grid}. Files saved from now on carry it."

    def forget_map(self) -> None:
        """Show the patterns as a plain sequence again."""
        try:
            self._apply(None, (0.0, 0.0))
        except ScanError as error:
            self._fail(error)
            return
        self.status.value = "The patterns are a plain sequence now."

    def _connect(self) -> None:
        self.layer.changed.connect(self._choose_layer)
        self.points.changed.connect(self._choose_kind)
        self.fits.changed.connect(self._choose_fit)
        for number in (self.rows, self.columns, self.short_first, self.step_x, self.step_y):
            number.changed.connect(self._show_choice)
        self.set_button.changed.connect(self.set_map)
        self.forget_button.changed.connect(self.forget_map)
        self._background.advanced.connect(self._draw)
        self._background.failed.connect(self._fail)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.connect(self._show_others)
        when_closed(self.native, self._disconnect)

    def _disconnect(self) -> None:
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._show_others)

    def _apply(self, grid: Grid | None, step: tuple[float, float]) -> None:
        layer = self.layer.value
        if layer is None:
            raise ScanError("Open or choose a layer of patterns first.")
        number = number_shown(self._viewer, layer)
        for one in [layer, *(self._alike() if self.others.value else [])]:
            set_map(one, grid, step)
        move_to(self._viewer, layer, number)
        self._choose_layer()

    def _alike(self) -> list[Image]:
        """The other layers whose patterns have the same number and the same map, if any, as those of the layer."""
        chosen = self.layer.value
        return [
            layer
            for layer in self._viewer.layers
            if layer is not chosen and is_pattern_layer(layer) and layer.data.shape[:-2] == chosen.data.shape[:-2]
        ]

    # What the widgets show

    def _choose_layer(self) -> None:
        """Begin with what is known of the layer."""
        self.status.value = ""
        scan = self._scan()
        if scan is None:
            self.present.value = "no patterns"
            self._preview(None)
            return
        self.present.value = f"{scan.n:,} patterns, {scan.grid or 'no map'}"
        grid = scan.grid or (fitting_grids(scan.n) or [Grid(1, scan.n)])[0]
        self._fill(grid, scan.n)
        self.step_x.value, self.step_y.value = scan.step
        self._show_others()
        self._show_choice()

    def _choose_kind(self) -> None:
        scan = self._scan()
        if scan is None or self._filling:
            return
        fitting = fitting_grids(scan.n, hexagonal=self.points.value == "hexagonal")
        self._fill(fitting[0] if fitting else self.grid(), scan.n)
        self._show_choice()

    def _choose_fit(self) -> None:
        if isinstance(self.fits.value, Grid) and not self._filling:
            self._fill(self.fits.value, None)
            self._show_choice()

    def _fill(self, grid: Grid, n: int | None) -> None:
        """Bring the widgets to a grid; with a number of patterns, also the choice of grids that fit them."""
        self._filling = True
        self.points.value = KINDS[grid.hexagonal]
        if n is not None:
            self._offer(fitting_grids(n, hexagonal=grid.hexagonal))
        self.rows.value, self.columns.value, self.short_first.value = grid.rows, grid.columns, grid.short_first
        self.short_first.visible = grid.hexagonal
        self._filling = False

    def _show_choice(self) -> None:
        """Show the chosen map, and which of those that fit it is."""
        scan = self._scan()
        if self._filling or scan is None:
            return
        try:
            grid = self.grid()
            chosen = Scan(scan.patterns, grid, (self.step_x.value, self.step_y.value), scan.source, scan.recipe)
        except ScanError as error:
            self.status.value = str(error)
            self._choose_in_list(OTHER)
            self._preview(None)
            return
        self.status.value = f"{chosen.missing:,} points at the end have no pattern." if chosen.missing else ""
        self._choose_in_list(grid if chosen.missing == 0 else OTHER)
        self._preview(LayerMap.begin(self.layer.value, chosen, "mean-intensity", Region()))

    def _offer(self, grids: list[Grid]) -> None:
        # Emptied first, since a choice that was there before would keep its place in the list.
        self._choices = []
        self.fits.reset_choices()
        self._choices = [*((_named(grid), grid) for grid in grids), (OTHER, OTHER)]
        self.fits.reset_choices()

    def _fitting(self, _: object) -> list[tuple[str, Any]]:
        return self._choices

    def _choose_in_list(self, what: Grid | str) -> None:
        self._filling = True
        self.fits.value = what if what in self.fits.choices else OTHER
        self._filling = False

    def _show_others(self) -> None:
        self.others.visible = self.layer.value is not None and bool(self._alike())

    def _preview(self, one: LayerMap | None) -> None:
        self._background.drop()
        self._shown = one
        self.view.show_map(one)
        if one is not None:
            self.view.canvas.show_cursor(number_shown(self._viewer, one.layer))
            self._background.start(pictures([one]))

    def _draw(self, drawn: list[NDArray[np.uint8]]) -> None:
        if drawn and self._shown is not None:
            self.view.canvas.show_picture(drawn[0])
            self.view.state.setText(self._shown.described())

    def _scan(self) -> Scan | None:
        """The scan of the layer; None if there is none, or but a single pattern."""
        layer = self.layer.value
        return scan_from_layer(layer) if layer is not None and is_pattern_layer(layer) else None

    def _fail(self, error: Exception) -> None:
        self.status.value = str(error)
        show_error(str(error))


_POINTS_TOOLTIP = "Whether rows lie straight below one another, or every second one half a point to the right."
_FITS_TOOLTIP = (
    "Rows and columns that fit the number of patterns, nearest to square first.\n"
    "The map below is wrong if it looks sheared."
)


def _named(grid: Grid) -> str:
    return f"{grid.rows} x {grid.columns}" + (", short row first" if grid.short_first else "")
