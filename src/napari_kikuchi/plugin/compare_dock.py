"""The dock that compares two layers: their patterns beside one another, and figures of both."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import napari
import numpy as np
from magicgui.widgets import CheckBox, Container, FloatSpinBox, Label, PushButton, SpinBox
from napari.layers import Image
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ..comparison import Comparison, check_comparable, compare_patterns, compared, points_to_compare
from ..formats.targets import whole_file
from ..processing.quality import FIGURES
from ..processing.rescale import PERCENTILES, from_levels
from ..scan import Scan, ScanError
from ..scan_maps import read_points
from . import shortcuts
from .background import Background
from .closing import when_closed
from .dock import layer_picker, row
from .histogram import FIRST, SECOND, Histogram
from .latest import Latest
from .layers import scan_from_layer
from .narrow import let_shrink
from .pattern_canvas import PatternCanvas
from .places import is_pattern_layer, number_shown
from .staging import Staging

__all__ = ["CompareDock", "as_pictures"]

Patterns = NDArray[Any]
ROWS = [*FIGURES, "correlation"]
COLUMNS = ["A", "B", "A, mean", "B, mean"]


class CompareDock(Container[Any]):
    """Show the present pattern of two layers with their difference, and how good many of both are."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._viewer = napari_viewer
        self._heard: set[Image] = set()
        self._present: tuple[Patterns, Patterns] | None = None
        self._sample = Comparison()
        self._here = Comparison()
        self.first, self.second = layer_picker(), layer_picker()
        self.first.label, self.first.tooltip = "A", "The layer that is called A here, such as the raw patterns."
        self.second.label, self.second.tooltip = "B", "The layer that is called B here, such as the denoised ones."
        for picker in (self.first, self.second):
            let_shrink(picker)
        self.one_contrast = CheckBox(value=True, text="One contrast for A and B", tooltip=_CONTRAST_TOOLTIP)
        self.side_by_side = CheckBox(value=False, text="Side by side in the window", tooltip=_SIDE_TOOLTIP)
        self.blink = CheckBox(value=False, text="Blink", tooltip=_BLINK_TOOLTIP)
        self.rate = FloatSpinBox(value=2.0, min=0.2, max=10.0, step=0.2, tooltip="Changes per second.")
        self.patterns = SpinBox(value=100, min=1, max=100_000, label="Patterns", tooltip=_COUNT_TOOLTIP)
        self.copy_button = PushButton(text="Copy", tooltip="Copy the figures of every pattern, for a spreadsheet.")
        self.save_button = PushButton(text="Save ...", tooltip="Save the figures of every pattern as CSV.")
        self.status = Label(value="")
        super().__init__(widgets=[self.first, self.second])
        self._lay_out()
        self._staging = Staging(napari_viewer, self.native)
        self._reading = Latest(self._show_here, self._say, self.native)
        self._sampling = Background(self.native)
        self._connect()
        shortcuts.bind_shortcuts(napari_viewer)
        self._choose_second()
        self.restart()

    @property
    def sample(self) -> Comparison:
        """The figures of the patterns spread over the map, as far as they are known."""
        return self._sample

    @property
    def busy(self) -> bool:
        """Whether anything is still being read or computed."""
        return self._reading.busy or self._sampling.busy

    def restart(self) -> None:
        """Compare the layers that are chosen."""
        self._sampling.drop()
        self._here, self._sample, self.status.value = Comparison(), Comparison(), ""
        self._listen()
        scans = self._scans()
        self._stage()
        if scans is None:
            self._show_patterns(None)
        else:
            shortcuts.compared[self._viewer] = self.first.value, self.second.value
            self._sampling.start(compare_patterns(*scans, points_to_compare(*scans, self.patterns.value)))
            self._read()
        self._show_figures()

    def text(self, delimiter: str = ",") -> str:
        """The figures of the present pattern and of those of the sample, a line each."""
        scans = self._scans()
        grid = scans[0].grid if scans else None
        lines = io.StringIO()
        table = csv.writer(lines, delimiter=delimiter, lineterminator="\n")
        table.writerows(self._here.with_more(self._sample).table(grid))
        return lines.getvalue()

    def copy(self) -> None:
        """Put the figures on the clipboard, separated by tabs."""
        QApplication.clipboard().setText(self.text("\t"))
        self.status.value = f"Copied the figures of {self._told()}."

    def save(self, path: str | Path) -> None:
        """Save the figures as CSV."""
        data = self.text().encode()
        try:
            with whole_file(Path(path), len(data), overwrite=True) as file:
                file.write(data)
        except ScanError as error:
            self._fail(error)
            return
        self.status.value = f"Saved the figures of {self._told()} to {path}."

    # Putting it together

    def _lay_out(self) -> None:
        self.canvases = [PatternCanvas() for _ in range(3)]
        self.histogram = Histogram("image quality Q")
        pictures = QWidget()
        grid = QGridLayout(pictures)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for place, (canvas, title, colour) in enumerate(
            zip(self.canvases, ("A", "B", "B − A"), (FIRST.name(), SECOND.name(), ""), strict=True)
        ):
            label = QLabel(title)
            label.setStyleSheet(f"color: {colour}; font-weight: bold" if colour else "font-weight: bold")
            above = 2 * (place // 2)
            grid.addWidget(label, above, place % 2)
            grid.addWidget(canvas, above + 1, place % 2)
            grid.setRowStretch(above + 1, 1)
        grid.addWidget(self.histogram, 2, 1, 2, 1)
        self.table = QTableWidget(len(ROWS), len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setVerticalHeaderLabels(ROWS)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setToolTip(_TABLE_TOOLTIP)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setFixedHeight(round((1 + len(ROWS)) * 1.7 * self.table.fontMetrics().height()))
        self._rows = [
            row(self.one_contrast, self.side_by_side),
            row(self.blink, self.rate, Label(value="per second")),
            row(Label(value="Mean of"), self.patterns, Label(value="patterns"), self.copy_button, self.save_button),
        ]
        column = self.native.layout()
        how, blinking, numbers = (one.native for one in self._rows)
        for widget in (pictures, how, blinking, self.table, numbers, self.status.native):
            column.addWidget(widget)
        column.setStretchFactor(pictures, 1)
        self.status.native.setWordWrap(True)

    def _connect(self) -> None:
        for chooser in (self.first, self.second, self.patterns):
            chooser.changed.connect(self.restart)
        self.one_contrast.changed.connect(lambda: self._show_patterns(self._present))
        self.side_by_side.changed.connect(lambda wanted: self._stage(self.blink if wanted else None))
        self.blink.changed.connect(lambda wanted: self._stage(self.side_by_side if wanted else None))
        self.rate.changed.connect(self._staging.set_rate)
        self.copy_button.changed.connect(self.copy)
        self.save_button.changed.connect(self._ask_where)
        self._sampling.advanced.connect(self._show_sample)
        self._sampling.failed.connect(self._fail)
        self._viewer.dims.events.point.connect(self._read)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.connect(self._layers_changed)
        when_closed(self.native, self._disconnect)

    def _disconnect(self) -> None:
        self._viewer.dims.events.point.disconnect(self._read)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._layers_changed)
        for layer in self._heard:
            layer.events.data.disconnect(self.restart)
        shortcuts.compared.pop(self._viewer, None)
        self._staging.end()

    def _listen(self) -> None:
        """Begin anew when a layer gets other patterns, or another map."""
        for layer in self._heard:
            layer.events.data.disconnect(self.restart)
        self._heard = {layer for layer in (self.first.value, self.second.value) if layer is not None}
        for layer in self._heard:
            layer.events.data.connect(self.restart)

    def _layers_changed(self) -> None:
        """Take a new layer as B where there was none, and do without one that is gone."""
        self.reset_choices()
        if self.first.value is self.second.value:
            self._choose_second()
        if any(layer not in self._viewer.layers for layer in self._heard):
            self.restart()

    def _choose_second(self) -> None:
        """Begin with the last pattern layer as B, which is the newest."""
        others = [layer for layer in self.second.choices if layer is not self.first.value and is_pattern_layer(layer)]
        if others:
            self.second.value = others[-1]

    def _scans(self) -> tuple[Scan, Scan] | None:
        """The scans of the layers; None, with the reason told, if they cannot be compared."""
        layers = self.first.value, self.second.value
        try:
            if None in layers or any(layer not in self._viewer.layers for layer in layers):
                raise ScanError("Open or choose two layers of patterns.")
            if layers[0] is layers[1]:
                raise ScanError("Choose two layers: A and B are the same.")
            first, second = map(scan_from_layer, layers)
            check_comparable(first, second)
        except ScanError as error:
            self.status.value = str(error)
            return None
        return first, second

    def _stage(self, other: CheckBox | None = None) -> None:
        """Show the layers in the window as is ticked; ticking one way unticks the other."""
        if other is not None and other.value:
            other.value = False
        self._staging.end()
        if self._scans() is None:
            return
        pair = self.first.value, self.second.value
        if self.side_by_side.value:
            self._staging.side_by_side(*pair)
        elif self.blink.value:
            self._staging.blink(*pair, self.rate.value)

    # The present pattern

    def _read(self) -> None:
        """Read the patterns that the sliders stand on, and compute what is told of them."""
        scans = self._scans()
        if scans is not None:
            point = np.array([number_shown(self._viewer, self.first.value)])
            self._reading.request(lambda: _read_pair(*scans, point))

    def _show_here(self, read: tuple[Patterns, Patterns, Comparison]) -> None:
        if self._scans() is None:  # a layer was taken away meanwhile
            return
        first, second, self._here = read
        self._show_patterns((first, second))
        self._show_figures()

    def _show_patterns(self, both: tuple[Patterns, Patterns] | None) -> None:
        self._present = both
        pictures = as_pictures(*both, one_contrast=self.one_contrast.value) if both else (None, None, None)
        for canvas, levels in zip(self.canvases, pictures, strict=True):
            canvas.show_levels(levels)

    # Figures

    def _show_sample(self, sample: Comparison) -> None:
        self._sample = sample
        self._show_figures()

    def _show_figures(self) -> None:
        """Write what is known into the table, and draw the histogram."""
        for line, name in enumerate(FIGURES):
            of = (self._here.first, self._here.second, self._sample.first, self._sample.second)
            for place, figures in enumerate(of):
                self._write(line, place, figures[name])
        self._write(len(FIGURES), 1, self._here.correlation)
        self._write(len(FIGURES), 3, self._sample.correlation)
        quality = next(iter(FIGURES))
        self.histogram.show_values(self._sample.first[quality], self._sample.second[quality])

    def _write(self, line: int, place: int, values: NDArray[np.float64]) -> None:
        self.table.setItem(line, place, QTableWidgetItem(f"{values.mean():.4g}" if len(values) else ""))

    def _told(self) -> str:
        return f"the pattern shown and of {len(self._sample.points)} spread over the map"

    def _ask_where(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self.native, "Save the figures", "comparison.csv", "CSV (*.csv)")
        if path:
            self.save(path if Path(path).suffix else f"{path}.csv")

    def _say(self, error: Exception) -> None:
        self.status.value = str(error)

    def _fail(self, error: Exception) -> None:
        self._say(error)
        show_error(str(error))


def as_pictures(first: Patterns, second: Patterns, *, one_contrast: bool) -> tuple[NDArray[np.uint8], ...]:
    """Two patterns and their difference as grey levels.

    Parameters
    ----------
    first, second : array, shape (height, width)
        Of an integer type, taken as shares of its maximum, or floating point in 0..1.
    one_contrast : bool
        Between percentiles 0.1 and 99.9 of both together, instead of each between its own.

    Returns
    -------
    three arrays, shape (height, width), uint8
        The difference, second less first as they are drawn, has 0 at middle grey.
    """
    both = [from_levels(pattern) for pattern in (first, second)]
    if one_contrast:
        limits = [np.percentile(np.stack(both), PERCENTILES)] * 2
    else:
        limits = [np.percentile(pattern, PERCENTILES) for pattern in both]
    drawn = [
        np.clip((pattern - low) / (high - low if high > low else 1), 0, 1)
        for pattern, (low, high) in zip(both, limits, strict=True)
    ]
    difference = drawn[1] - drawn[0]
    most = max(float(np.percentile(np.abs(difference), PERCENTILES[1])), 1e-6)
    drawn.append(np.clip(0.5 + difference / (2 * most), 0, 1))
    return tuple(np.rint(picture * 255).astype(np.uint8) for picture in drawn)


def _read_pair(first: Scan, second: Scan, point: NDArray[np.int64]) -> tuple[Patterns, Patterns, Comparison]:
    """The patterns of one number in two scans, and what is told of them."""
    both = [read_points(scan.patterns, point) for scan in (first, second)]
    return both[0][0], both[1][0], compared(point, *both)


_CONTRAST_TOOLTIP = (
    "Draw A and B between the same black and white, so that brightness can be compared; or each between its own."
)
_BLINK_TOOLTIP = "Show A and B in turns in the window. Shift and D shows the other one once."
_SIDE_TOOLTIP = (
    "Show A and B alone, beside one another in napari's grid view, with the contrast of A for both.\n"
    "The window is put back as it was when you untick this or close the dock."
)
_COUNT_TOOLTIP = "As many patterns, spread over the map, make the means and the histogram."
_TABLE_TOOLTIP = (
    "Image quality Q: how far the spectrum lies towards low frequencies; blurring raises it.\n"
    "Noise share: fine noise as a share of all that varies in the pattern; 1 is noise alone.\n"
    "Contrast: deviation of the pattern after its background is divided out; bands and noise.\n"
    "Correlation: of A with B; 1 if only brightness and contrast differ.\n"
    "None of them says whether the patterns index better."
)
