"""What the docks that process patterns share: pick a layer, preview, run, compare."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import napari
import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, create_widget
from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QLabel

from ..recipe import Recipe
from ..scan import Scan, ScanError
from .closing import when_closed
from .latest import Latest
from .layers import add_to_viewer, index_shown, scan_from_layer
from .preview import BeforeAfter, Learnt, Notes, Preview, compute_preview
from .run import Done, run_in_memory, run_lazily, run_to_file
from .runner import Runner, let_wrap, row
from .scrolled import Scrolled
from .subset import SubsetPicker, place_shown

__all__ = ["ProcessingDock", "layer_picker", "row"]

MEMORY, LAZY, FILE = "into memory", "as you browse", "into a file ..."

# Milliseconds of computing after which the preview says that it is being computed.
SLOW = 300


def layer_picker() -> ComboBox:
    """A choice among the viewer's image layers, kept up to date by napari."""
    picker = create_widget(annotation="napari.layers.Image", name="layer", label="Layer")
    picker.tooltip = "The image layer to process: (rows, columns, height, width) or (n, height, width)."
    return cast(ComboBox, picker)


class ProcessingDock(Container[Any]):
    """A dock that runs a recipe over an image layer and adds the result as a layer of its own.

    Subclasses give the parameters' widgets and make the recipe from them.

    Parameters
    ----------
    viewer : napari.Viewer
    parameters : list of magicgui Widget
        Shown between the layer and the preview, in a list that scrolls where there is too little room.
    preview : bool
        Whether the preview is on from the start.
    between : QWidget, optional
        Shown in place of the parameters' widgets; takes the room that is left.
    """

    def __init__(
        self, viewer: napari.Viewer, parameters: list[Any], *, preview: bool, between: Any | None = None
    ) -> None:
        self._viewer = viewer
        self._learnt: tuple[Any, Learnt] = (None, Learnt())
        self._grid_before: bool | None = None
        self.layer = layer_picker()
        self.preview = CheckBox(value=preview, text="Preview")
        self.preview.tooltip = "Show the pattern that the sliders stand on, before (left) and after, as you turn knobs."
        self.difference = CheckBox(value=False, text="and difference")
        self.difference.tooltip = "Show on the right what was raised (bright) and lowered (dark)."
        super().__init__(widgets=[self.layer])
        layout = self.native.layout()
        simple = between is None
        if between is None:
            self._parameters: Container[Any] = Container(widgets=parameters)
            self._parameters.margins = (0, 0, 0, 0)
            between = Scrolled(self._parameters.native)
        layout.addWidget(between, 0 if simple else 1)
        self._add_preview(layout)
        self._add_run(layout)
        if simple:
            layout.addStretch()
        self._latest = Latest(self._show_preview, self._preview_failed, self.native)
        self._slow = QTimer(self.native, singleShot=True, interval=SLOW)
        self._connect(parameters)

    def make_recipe(self) -> Recipe:
        """The recipe that the widgets now say.

        Raises
        ------
        ScanError
            If they are not complete.
        """
        raise NotImplementedError

    def _add_preview(self, layout: Any) -> None:
        self._shown = row(self.preview, self.difference)
        self.before_after = BeforeAfter()
        self.before_after.clear()
        self.quality = QLabel()
        self.quality.setToolTip(
            "Image quality Q (Krieger Lassen): how far a pattern's spectrum lies towards low frequencies. It measures "
            "smoothness, and does not say whether a pattern indexes better."
        )
        let_wrap(self.quality)
        self.notes = Notes()
        for widget in (self._shown.native, self.before_after, self.quality, self.notes):
            layout.addWidget(widget)

    def _add_run(self, layout: Any) -> None:
        self.subset = SubsetPicker(lambda: place_shown(self._viewer, self.layer.value))
        self.into = ComboBox(value=MEMORY, choices=[MEMORY, LAZY, FILE])
        self.into.tooltip = (
            "In memory: computed at once, and lost when napari closes unless you save it. As you browse: at once, "
            "whatever the size; each pattern is computed when you look at it. A file: written while it is computed, "
            "whatever its size, and opened when it is whole."
        )
        self.side_by_side = CheckBox(value=True, text="Show side by side when done")
        self.side_by_side.tooltip = "Switches napari's grid view on, and back when you untick this."
        self.runner = Runner("Run", "Cancelled; nothing was added.")
        self.runner.watch(self.native)
        self.subset.watch(self.native)
        what = row(self.subset.which, self.into)
        self._options: Container[Any] = Container(
            widgets=[what, self.subset, self.side_by_side, self.runner], labels=False
        )
        self._options.margins = (0, 0, 0, 0)
        layout.addWidget(self._options.native)
        self.run_button, self.cancel_button = self.runner.run_button, self.runner.cancel_button
        self.progress, self.status = self.runner.progress, self.runner.status

    def _connect(self, parameters: list[Any]) -> None:
        self.run_button.changed.connect(self.run)
        self.side_by_side.changed.connect(self._restore_grid)
        self.layer.changed.connect(self._layer_changed)
        for widget in (self.layer, self.preview, self.difference, *parameters):
            widget.changed.connect(self.update_preview)
        self._slow.timeout.connect(self._say_slow)
        moved = self._viewer.dims.events.point
        moved.connect(self.update_preview)
        when_closed(self.native, lambda: moved.disconnect(self.update_preview))
        self._layer_changed()

    # Preview

    def update_preview(self) -> None:
        """Preview the pattern that the sliders stand on, if that is wanted."""
        layer = self.layer.value
        if not self.preview.value or layer is None:
            self._latest.drop()
            self._slow.stop()
            self.before_after.clear()
            self.quality.clear()
            self.notes.show_notes(())
            return
        try:
            recipe, scan = self.make_recipe(), scan_from_layer(layer)
        except ScanError as error:
            self.quality.setText(str(error))
            return
        if self._learnt[0] is not layer.data:
            self._learnt = layer.data, Learnt()
        point = int(np.ravel_multi_index(index_shown(self._viewer, layer), layer.data.shape[:-2]))
        self._latest.request(partial(compute_preview, scan, point, recipe, self._learnt[1]))
        if not self._slow.isActive():
            self._slow.start()

    def _show_preview(self, preview: Preview) -> None:
        if not self._latest.busy:
            self._slow.stop()
        if not self.preview.value:
            return
        self.before_after.difference, self.before_after.mask = bool(self.difference.value), preview.mask
        self.before_after.show_patterns(preview.before, preview.after)
        first, second = preview.quality
        self.quality.setText(f"Image quality Q: {first:.3f} before, {second:.3f} after")
        self.notes.show_notes(preview.notes)

    def _preview_failed(self, error: Exception) -> None:
        # In the dock only: a notification at each move of a slider would bury the window.
        self._slow.stop()
        if self.preview.value:
            self.quality.setText(str(error))

    def _say_slow(self) -> None:
        self.quality.setText(self.loading_message)

    # Run

    def run(self) -> None:
        """Process the chosen patterns in a worker and add the result as a layer."""
        source = self.layer.value
        try:
            if source is None:
                raise ScanError("Open or choose a layer of patterns first.")
            scan, recipe = self.subset.choose(scan_from_layer(source)), self.make_recipe()
        except ScanError as error:
            self.runner.fail(error)
            return
        finish = partial(self._finish, source=source, name=self._name(source, recipe), part=self.subset.told)
        if self.into.value == FILE:
            target = self._ask_target(scan)
            if target is not None:
                self.run_to(target, scan, recipe, finish)
            return
        work = run_in_memory if self.into.value == MEMORY else run_lazily
        self.runner.say(self.loading_message)
        self.runner.start(work, scan, recipe, total=scan.n, finish=finish)

    def run_to(self, target: Path, scan: Scan, recipe: Recipe, finish: Any) -> None:
        """Process into a file; one that is there is replaced, as the file dialog asked."""
        self.runner.say(self.loading_message)
        self.runner.start(run_to_file, scan, recipe, target, target.exists(), total=scan.n, finish=finish)

    def cancel(self) -> None:
        """Stop after the block in work."""
        self.runner.cancel()

    @property
    def loading_message(self) -> str:
        """What to say until the first block is under way."""
        return "Starting ..."

    def _name(self, source: Image, recipe: Recipe) -> str:
        return f"{source.name} ({', '.join(filter(None, [recipe.title, self.subset.told]))})"

    def _ask_target(self, scan: Scan) -> Path | None:
        suffix = ".up1" if scan.pixel_type == np.uint8 else ".up2"
        suggested = (
            "" if scan.source is None else str(scan.source.path.with_name(f"{scan.source.path.stem}-done{suffix}"))
        )
        path, _ = QFileDialog.getSaveFileName(
            self.native, "Write the result to", suggested, "EDAX patterns (*.up1 *.up2)"
        )
        if not path:
            return None
        return Path(path) if Path(path).suffix.lower() in (".up1", ".up2") else Path(f"{path}{suffix}")

    def _finish(self, done: Done, source: Image, name: str, part: str) -> None:
        result, limits = done
        if part:
            layer = add_to_viewer(self._viewer, result, name, limits=limits)
            self.subset.place(layer, source)
        else:
            add_to_viewer(self._viewer, result, name, like=source, limits=limits)
        self.runner.say(f"Added the layer {name!r}: {result.n} patterns.")
        if self.side_by_side.value and not self._viewer.canvas.grid.enabled:
            self._grid_before = self._viewer.canvas.grid.enabled
            self._viewer.canvas.grid.enabled = True
            self._viewer.reset_view()

    def _layer_changed(self) -> None:
        self.subset.fit(self.layer.value)

    def _restore_grid(self, wanted: bool) -> None:
        if not wanted and self._grid_before is not None:
            self._viewer.canvas.grid.enabled, self._grid_before = self._grid_before, None
