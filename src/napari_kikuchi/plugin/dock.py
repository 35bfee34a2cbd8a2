"""What the docks that process patterns share: pick a layer, preview, run, compare."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import napari
import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, Label, ProgressBar, PushButton, Widget, create_widget
from napari.layers import Image
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from numpy.typing import NDArray

from ..recipe import Recipe
from ..scan import Scan, ScanError
from .layers import add_to_viewer, index_shown, scan_from_layer
from .preview import BeforeAfter, Previewer
from .run import run_in_memory

__all__ = ["ProcessingDock", "layer_picker", "row"]


def layer_picker() -> ComboBox:
    """A choice among the viewer's image layers, kept up to date by napari."""
    picker = create_widget(annotation="napari.layers.Image", name="layer", label="Patterns")
    picker.tooltip = "The image layer to process: (rows, columns, height, width) or (n, height, width)."
    return cast(ComboBox, picker)


def row(*widgets: Widget) -> Container[Any]:
    """Widgets beside one another, without labels and margins."""
    container: Container[Any] = Container(widgets=list(widgets), layout="horizontal", labels=False)
    container.margins = (0, 0, 0, 0)
    return container


class ProcessingDock(Container[Any]):
    """A dock that runs a recipe over an image layer and adds the result as a layer of its own.

    Subclasses give the parameters' widgets and make the recipe from them.

    Parameters
    ----------
    viewer : napari.Viewer
    parameters : list of magicgui Widget
        Shown between the layer and the preview.
    preview : bool
        Whether the preview is on from the start.
    """

    def __init__(self, viewer: napari.Viewer, parameters: list[Any], *, preview: bool) -> None:
        self._viewer = viewer
        self._worker: Any = None
        self._cancelled = False
        self._fit: tuple[Image, Recipe, Recipe] | None = None
        self._grid_before: bool | None = None
        self.layer = layer_picker()
        self.preview = CheckBox(value=preview, text="Preview the pattern now shown")
        self.side_by_side = CheckBox(value=True, text="Show side by side when done")
        self.side_by_side.tooltip = "Switches napari's grid view on, and back when you untick this."
        self.run_button = PushButton(text="Run on the whole layer")
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, max=1, visible=False)
        self.status = Label(value="")
        buttons = row(self.run_button, self.cancel_button)
        report: Container[Any] = Container(widgets=[self.progress, self.status], labels=False)
        report.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.layer, *parameters, self.preview, self.side_by_side, buttons, report])
        self.status.native.setWordWrap(True)
        self.status.min_height = 40  # two lines, so that a longer sentence moves nothing
        self.before_after = BeforeAfter()
        self.before_after.clear()
        self.native.layout().addWidget(self.before_after)
        self.native.layout().addStretch()
        self._previewer = Previewer(self._show_preview, self._preview_failed, self.native)
        self._connect(parameters)

    def make_recipe(self) -> Recipe:
        """The recipe that the widgets now say."""
        raise NotImplementedError

    def _connect(self, parameters: list[Any]) -> None:
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        self.side_by_side.changed.connect(self._restore_grid)
        for widget in (self.layer, self.preview, *parameters):
            widget.changed.connect(self.update_preview)
        self._viewer.dims.events.point.connect(self.update_preview)
        # Events of the viewer outlive a closed dock, whose widgets are gone.
        moved = self._viewer.dims.events.point
        self.native.destroyed.connect(lambda *_: moved.disconnect(self.update_preview))

    # Preview

    def update_preview(self) -> None:
        """Preview the pattern that the sliders stand on, if that is wanted."""
        layer = self.layer.value
        if not self.preview.value or layer is None:
            self._previewer.drop()
            self.before_after.clear()
            return
        try:
            recipe, scan = self.make_recipe(), scan_from_layer(layer)
        except ScanError as error:
            self._say(str(error))
            return
        point = int(np.ravel_multi_index(index_shown(self._viewer, layer), layer.data.shape[:-2]))
        self._previewer.request(lambda: (scan, point, self._fitted(recipe, scan, layer)))

    def _fitted(self, recipe: Recipe, scan: Scan, layer: Image) -> Recipe:
        """The recipe with what it learns from the whole layer, learnt once for all patterns that are previewed."""
        known = self._fit
        if known is None or known[0] is not layer or known[1] != recipe:
            self._fit = known = layer, recipe, recipe.fit(scan)
        return known[2]

    def _show_preview(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        if self.preview.value:
            self.before_after.show_patterns(before, after)

    def _preview_failed(self, error: Exception) -> None:
        # In the dock only: a notification at each move of a slider would bury the window.
        if self.preview.value:
            self._say(str(error))

    # Run

    def run(self) -> None:
        """Process the whole layer in a worker and add the result as a layer."""
        source = self.layer.value
        if source is None:
            self._fail(ScanError("Open or choose a layer of patterns first."))
            return
        try:
            scan, recipe = scan_from_layer(source), self.make_recipe()
        except ScanError as error:
            self._fail(error)
            return
        self._cancelled = False
        self._set_running(True)
        self.progress.max = scan.n
        self.progress.value = 0
        self._say(self.loading_message)
        self._worker = create_worker(
            run_in_memory,
            scan,
            recipe,
            _connect={
                "yielded": partial(self._progressed, total=scan.n),
                "returned": partial(self._finish, source=source, title=recipe.title),
                "errored": self._fail,
                "aborted": partial(self._say, "Cancelled; nothing was added."),
                "finished": partial(self._set_running, False),
            },
        )

    def cancel(self) -> None:
        """Stop after the block in work."""
        if self._worker is not None:
            self._cancelled = True
            self._worker.quit()
            self._say("Stopping after this block ...")

    @property
    def loading_message(self) -> str:
        """What to say until the first block is under way."""
        return "Starting ..."

    def _progressed(self, done: int, total: int) -> None:
        self.progress.value = done
        self._say(f"{done} of {total} patterns")

    def _finish(self, result: Scan, source: Image, title: str) -> None:
        if self._cancelled:  # during the last block, when the worker no longer looks
            self._say("Cancelled; nothing was added.")
            return
        name = f"{source.name} ({title})"
        add_to_viewer(self._viewer, result, name, like=source)
        self._say(f"Added the layer {name!r}: {result.n} patterns.")
        if self.side_by_side.value and not self._viewer.canvas.grid.enabled:
            self._grid_before = self._viewer.canvas.grid.enabled
            self._viewer.canvas.grid.enabled = True
            self._viewer.reset_view()

    def _restore_grid(self, wanted: bool) -> None:
        if not wanted and self._grid_before is not None:
            self._viewer.canvas.grid.enabled, self._grid_before = self._grid_before, None

    def _set_running(self, running: bool) -> None:
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.visible = running
        if not running:
            self._worker = None

    def _fail(self, error: Exception) -> None:
        self._say(str(error))
        show_error(str(error))

    def _say(self, sentence: str) -> None:
        self.status.value = sentence
