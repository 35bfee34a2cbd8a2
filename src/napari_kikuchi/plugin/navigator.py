"""The dock that shows a scan as a map and goes where one clicks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import napari
import numpy as np
from magicgui.widgets import ComboBox, Container, Label, LineEdit, PushButton, create_widget
from napari.layers import Image
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtWidgets import QBoxLayout, QFileDialog, QHBoxLayout, QPushButton, QWidget

from ..formats.maps import save_map
from ..processing.maps import Measure, Region
from ..processing.rescale import from_levels, stretch
from ..scan import Scan, ScanError
from ..scan_maps import read_points
from .background import Background
from .closing import when_closed
from .dock import layer_picker, row
from .drawn_regions import drawn_regions
from .latest import Latest
from .layers import scan_from_layer
from .map_layout import MapRegion
from .map_view import TITLES, LayerMap, MapView, pictures, written
from .narrow import ElidedLabel, let_shrink
from .pattern_canvas import RegionCanvas
from .places import is_pattern_layer, layer_in_hand, move_to, number_shown
from .shortcuts import bind_shortcuts

__all__ = ["NavigatorDock"]

CHOICES: dict[str, Measure] = {title.capitalize(): of for of, title in TITLES.items()}
FILTERS = "TIFF, 32-bit values (*.tif);;PNG, 8-bit picture (*.png);;CSV, a line for each point (*.csv)"


class NavigatorDock(Container[Any]):
    """Show a layer's scan as a map; a click moves the viewer there, and a cursor follows the sliders."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._viewer = napari_viewer
        self._maps: list[LayerMap] = []
        self._pointed = (0, -1)
        self._heard: set[Image] = set()
        self._known: dict[Image, dict[Any, LayerMap]] = {}
        self.layer = layer_picker()
        self.layer.tooltip = "The layer whose map is shown, and in which a click goes to a pattern."
        self.of = ComboBox(label="Map", choices=list(CHOICES), tooltip=_MAP_TOOLTIP)
        self.beside = cast(ComboBox, create_widget(annotation=Image | None, name="beside", label="Beside it"))
        self.beside.tooltip = "Another layer, such as the denoised one, whose map is shown beside the first."
        self.region = LineEdit(label="Region", value=_written(Region()), tooltip=_REGION_TOOLTIP)
        self.rest_button = PushButton(text="Compute the rest", visible=False)
        self.rest_button.tooltip = "Every pattern of this layer has to be computed first, which may take long."
        self.add_button = PushButton(text="Add as layer", tooltip="Add the map as an image layer of its own.")
        self.save_button = PushButton(text="Save ...", tooltip="Save the map as TIFF, PNG or CSV.")
        self.under_mouse, self.status = Label(value=""), Label(value="")
        for picker in (self.layer, self.beside):
            let_shrink(picker)
        super().__init__(widgets=[self.layer, self.of, self.beside, self.region])
        self._views = [MapView(regions=True), MapView(regions=True)]
        self.region_canvas = RegionCanvas()
        self.draw_button, self.drawn_region = QPushButton(), ElidedLabel()
        self.draw_button.setCheckable(True)
        self.draw_button.setToolTip(_DRAW_TOOLTIP)
        self._lay_out()
        self._background = Background(self.native)
        self._reading = Latest(self.region_canvas.show_levels, self._say, self.native)
        self._connect()
        bind_shortcuts(napari_viewer)
        if layer_in_hand(napari_viewer) in self.layer.choices:
            self.layer.value = layer_in_hand(napari_viewer)
        self.restart()

    @property
    def canvas(self) -> Any:
        """The canvas of the first map."""
        return self._views[0].canvas

    @property
    def maps(self) -> list[LayerMap]:
        """The maps that are shown: of the layer, and of the one beside it."""
        return self._maps

    @property
    def busy(self) -> bool:
        """Whether a map is still growing."""
        return self._background.busy

    def restart(self) -> None:
        """Show the map that is chosen, and let it grow from what is known of it."""
        self._background.drop()
        self._show_region_widgets()
        self.status.value = ""
        try:
            layers = [layer for layer in (self.layer.value, self.beside.value) if layer in self._viewer.layers]
            self._maps = [self._map_of(layer) for layer in layers[: 1 if len(set(layers)) == 1 else 2]]
        except ScanError as error:
            self._maps = []
            self.status.value = str(error)
        self._listen()
        for view, one in zip(self._views, [*self._maps, None, None], strict=False):
            view.show_map(one)
        self._show_drawn()
        self._views[1].setVisible(len(self._maps) == 2)
        self._turn()
        self._follow()
        self._grow()

    def compute_rest(self) -> None:
        """Go on where a map stopped because every pattern has to be computed."""
        self._grow(beyond_sample=True)

    def go_to(self, number: int) -> None:
        """Move the viewer to a pattern of the layer, by its number in scanning order."""
        if self.layer.value is not None:
            move_to(self._viewer, self.layer.value, number)

    def add_as_layer(self) -> None:
        """Add the map, as far as it is known, as an image layer."""
        if not self._maps:
            self._fail(ScanError("There is no map to add yet: choose a layer of patterns first."))
            return
        shown, (dx, dy) = self._maps[0], self._maps[0].scan.step
        known = min(dx, dy) > 0
        layer = self._viewer.add_image(
            np.array(shown.growing.values, dtype=np.float32),
            name=shown.title,
            colormap="gray",
            contrast_limits=_limits(shown.growing.values),
            axis_labels=("row", "column"),
            scale=(dy, dx) if known else (1, 1),
            units=("um", "um") if known else ("pixel", "pixel"),
            visible=False,
        )
        self.status.value = f"Added the layer {layer.name!r}. It is hidden, since it would lie over the patterns."

    def save(self, path: str | Path) -> None:
        """Save the map, as far as it is known, by the extension of the path."""
        try:
            if not self._maps:
                raise ScanError("There is no map to save yet: choose a layer of patterns first.")
            shown = self._maps[0]
            save_map(path, shown.growing.values, shown.growing.grid, shown.scan.step, overwrite=True)
        except ScanError as error:
            self._fail(error)
            return
        self.status.value = f"Saved {path}."

    # Putting it together

    def _lay_out(self) -> None:
        self._both = QWidget()
        self._beside_one_another = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._both)
        self._beside_one_another.setContentsMargins(0, 0, 0, 0)
        for view in self._views:
            self._beside_one_another.addWidget(view, stretch=1)
        buttons = row(self.rest_button, self.add_button, self.save_button)
        column = self.native.layout()
        self.region_canvas.setMaximumHeight(190)
        drawing = QWidget()
        line = QHBoxLayout(drawing)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.draw_button)
        line.addWidget(self.drawn_region, stretch=1)
        above, below = (self.region_canvas, self._both, self.under_mouse.native), (buttons.native, self.status.native)
        for widget in (*above, drawing, *below):
            column.addWidget(widget)
        column.setStretchFactor(self._both, 1)
        self._buttons = buttons  # magicgui's widgets live as long as somebody holds them
        self.status.native.setWordWrap(True)
        for line in (self.under_mouse, self.status):
            line.native.setMinimumHeight(line.native.fontMetrics().height())

    def _connect(self) -> None:
        for chooser in (self.layer, self.of, self.beside, self.region):
            chooser.changed.connect(self.restart)
        self.rest_button.changed.connect(self.compute_rest)
        self.add_button.changed.connect(self.add_as_layer)
        self.save_button.changed.connect(self._ask_where)
        self.region_canvas.drawn.connect(self._region_drawn)
        self.draw_button.clicked.connect(self._draw_or_clear)
        drawn_regions.changed.connect(self._show_drawn)
        self._background.advanced.connect(self._draw)
        self._background.ended.connect(self._ended)
        self._background.failed.connect(self._fail)
        for index, view in enumerate(self._views):
            view.canvas.picked.connect(self.go_to)
            view.canvas.hovered.connect(partial(self._say_under_mouse, index))
            view.canvas.drawn.connect(partial(self._map_region_drawn, index))
        self._viewer.dims.events.point.connect(self._follow)
        self._viewer.layers.events.removed.connect(self._forget)
        when_closed(self.native, self._disconnect)

    def _disconnect(self) -> None:
        for layer in self._heard:
            layer.events.data.disconnect(self.restart)
        self._viewer.dims.events.point.disconnect(self._follow)
        self._viewer.layers.events.removed.disconnect(self._forget)
        drawn_regions.changed.disconnect(self._show_drawn)

    # Maps

    def _map_of(self, layer: Image) -> LayerMap:
        """The map that is chosen, of a layer: one begun before, if the layer still shows the same."""
        scan, of = scan_from_layer(layer), CHOICES[self.of.value]
        region = self._chosen_region() if of == "virtual-backscatter" else Region()
        maps = self._known.setdefault(layer, {})
        key = of, region, id(layer.data), scan.grid
        if key not in maps:
            maps[key] = LayerMap.begin(layer, scan, of, region)
        return maps[key]

    def _listen(self) -> None:
        """Begin anew when a layer gets other patterns, or another map."""
        for layer in self._heard:
            layer.events.data.disconnect(self.restart)
        self._heard = {layer for layer in (self.layer.value, self.beside.value) if layer is not None}
        for layer in self._heard:
            layer.events.data.connect(self.restart)

    def _grow(self, *, beyond_sample: bool = False) -> None:
        self._show_rest_button(False)
        if self._maps:
            self._background.start(pictures(self._maps, beyond_sample=beyond_sample))

    def _draw(self, drawn: list[NDArray[np.uint8]]) -> None:
        if not drawn:
            return
        for view, one, pixels in zip(self._views, self._maps, drawn, strict=False):
            view.canvas.show_picture(pixels)
            view.state.setText(one.described())
        self._say_under_mouse(*self._pointed)

    def _ended(self) -> None:
        self._show_rest_button(not all(one.growing.whole for one in self._maps))

    def _show_rest_button(self, wanted: bool) -> None:
        self.rest_button.visible = wanted

    def _forget(self, event: Any) -> None:
        self._known.pop(event.value, None)
        if any(one.layer is event.value for one in self._maps):
            self.restart()

    # The region of a virtual backscatter image

    def _chosen_region(self) -> Region:
        try:
            x, y, width, height = (float(number) for number in self.region.value.split(","))
        except ValueError:
            raise ScanError(
                f"{self.region.value!r} is no region: give x, y, width and height, such as {_written(Region())}."
            ) from None
        return Region(x, y, width, height)

    def _region_drawn(self, region: Region) -> None:
        self.region.value = _written(region)

    def _show_region_widgets(self) -> None:
        wanted = CHOICES[self.of.value] == "virtual-backscatter"
        self.region.visible = wanted
        self.region_canvas.setVisible(wanted)
        if wanted:
            self._show_pattern()

    def _show_pattern(self) -> None:
        """Draw the present pattern, on which the region is drawn."""
        layer = self.layer.value
        if not is_pattern_layer(layer):
            self.region_canvas.show_levels(None)
            return
        scan, number = scan_from_layer(layer), number_shown(self._viewer, layer)
        self._reading.request(lambda: _levels(scan, number))
        try:
            self.region_canvas.show_region(self._chosen_region())
        except ScanError:  # said by the status line already
            return

    # The region of the map

    def _map_region_drawn(self, index: int, region: MapRegion | None) -> None:
        """Keep a region for the layer on whose map it was drawn, and for the one beside it if it has the same map."""
        for one in self._maps:
            grid = one.growing.grid
            if region is None or grid == self._maps[index].growing.grid:
                drawn_regions.draw(one.layer, grid, region)
        self._show_drawn()

    def _draw_or_clear(self) -> None:
        """What the button says: let the next drag draw, or clear what was drawn."""
        wanted = self.draw_button.isChecked()
        if self.canvas.region is not None:
            self._map_region_drawn(0, None)
            return
        for view in self._views:
            view.canvas.drawing = wanted

    def _show_drawn(self, *_: object) -> None:
        """Outline the regions that were drawn, and say of the first one what it holds."""
        for view, one in zip(self._views, self._maps, strict=False):
            view.canvas.show_region(drawn_regions.of(one.layer, one.growing.grid))
        for view in self._views:
            view.canvas.drawing = False
        region = self.canvas.region if self._maps else None
        self.draw_button.setChecked(False)
        self.draw_button.setEnabled(bool(self._maps))
        self.draw_button.setText("Draw a region" if region is None else "Clear")
        self.drawn_region.setText("" if region is None else _told(region, self._maps[0].layout.count(region)))

    # The cursor and the mouse

    def _follow(self) -> None:
        """Put the cursor where the sliders are."""
        for view, one in zip(self._views, self._maps, strict=False):
            view.canvas.show_cursor(number_shown(self._viewer, one.layer))
        self._say_under_mouse(0, -1)
        if not self.region_canvas.isHidden():
            self._show_pattern()

    def _say_under_mouse(self, index: int, number: int) -> None:
        """Tell place and value of the point under the mouse, or of the one shown if the mouse is nowhere."""
        self._pointed = index, number
        if index >= len(self._maps):
            self.under_mouse.value = ""
            return
        one = self._maps[index]
        if number < 0:
            number = number_shown(self._viewer, one.layer)
        place = one.growing.grid.position(number)
        value = one.growing.values[place]
        said = written(value) if np.isfinite(value) else "not measured yet"
        self.under_mouse.value = f"row {place[0]}, column {place[1]}, pattern {number}: {said}"

    def _turn(self) -> None:
        """Two wide maps below one another, two others beside one another."""
        width, height = self._maps[0].layout.size if self._maps else (1, 1)
        way = QBoxLayout.Direction.TopToBottom if width > 1.4 * height else QBoxLayout.Direction.LeftToRight
        self._beside_one_another.setDirection(way)

    def _ask_where(self) -> None:
        title = self._maps[0].title if self._maps else "map"
        path, chosen = QFileDialog.getSaveFileName(self.native, "Save the map", f"{title}.tif", FILTERS)
        if path:
            suffix = "" if Path(path).suffix else chosen[chosen.index("*") + 1 :].rstrip(")")
            self.save(path + suffix)

    def _say(self, error: Exception) -> None:
        self.status.value = str(error)

    def _fail(self, error: Exception) -> None:
        self._say(error)
        show_error(str(error))


_MAP_TOOLTIP = (
    "Image quality Q: how sharp the bands are; shows grain boundaries and poor patterns.\n"
    "Mean intensity: of the whole detector.\n"
    "Virtual backscatter: mean intensity of a region of the detector that you draw."
)
_REGION_TOOLTIP = (
    "Rectangle of the detector: left and upper edge, width and height, as fractions of its width and height.\n"
    "Drag one on the pattern below. The command line takes the same numbers: --region."
)

_DRAW_TOOLTIP = (
    "Drag a rectangle on the map; Shift and drag does so without this button.\n"
    "The docks that run over this layer, or export it, take it as their region. Escape clears it."
)


def _levels(scan: Scan, number: int) -> NDArray[np.uint8]:
    """A pattern as it is drawn."""
    patterns = read_points(scan.patterns, np.array([number]))
    return (stretch(from_levels(patterns))[0] * 255).astype(np.uint8)


def _written(region: Region) -> str:
    return f"{region.x:g},{region.y:g},{region.width:g},{region.height:g}"


def _told(region: MapRegion, count: int) -> str:
    (top, bottom), (left, right) = region.rows, region.columns
    return f"rows {top}-{bottom}, columns {left}-{right}: {count:,} patterns"


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1
