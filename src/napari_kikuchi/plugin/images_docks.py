"""Docks for scans that are, or become, folders of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import (
    ComboBox,
    Container,
    FileEdit,
    Label,
    ProgressBar,
    PushButton,
    SpinBox,
)
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from ..formats import ImageFormat, export_images, open_images
from ..scan import Scan, ScanError
from .dock import layer_picker
from .layers import add_to_viewer, scan_from_layer
from .runner import row

__all__ = ["ExportDock", "ImportDock"]

DIRECTORY = FileDialogMode.EXISTING_DIRECTORY
FORMATS: dict[str, ImageFormat] = {
    "PNG, lossless": "png",
    "TIFF, lossless": "tiff",
    "JPG, 8 bits, lossy": "jpg",
    "BMP, 8 bits": "bmp",
}


class ImportDock(Container[Any]):
    """Open a folder of pattern images, sorted by number, as one scan."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._viewer = napari_viewer
        self.folder = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            label="Folder",
            tooltip="PNG, TIFF, JPG or BMP images, one pattern each.",
        )
        self.rows = SpinBox(value=0, max=1_000_000, label="Rows", tooltip="Rows of the map; 0 if you do not know.")
        self.columns = SpinBox(value=0, max=1_000_000, label="Columns", tooltip="Columns of the map; 0 if not known.")
        self.like = FileEdit(mode=FileDialogMode.EXISTING_FILE, label="Like", filter="*.up1 *.up2", nullable=True)
        self.like.tooltip = "The pattern file that the images came from, if there is one: gives the map and the header."
        self.import_button = PushButton(text="Import")
        self.status = Label(value="")
        super().__init__(widgets=[self.folder, self.rows, self.columns, self.like, self.import_button, self.status])
        self.status.native.setWordWrap(True)
        self.native.layout().addStretch()
        self.import_button.changed.connect(self.run)

    def run(self) -> None:
        """Add the folder as a layer; images are read when they are looked at."""
        folder = Path(str(self.folder.value))
        try:
            scan = open_images(folder, grid=self._grid(), like=Path(str(self.like.value)) if self.like.value else None)
            add_to_viewer(self._viewer, scan, folder.name)
        except ScanError as error:
            self.status.value = str(error)
            show_error(str(error))
            return
        self.status.value = f"Opened {scan.n} patterns of {scan.height}x{scan.width} pixels."

    def _grid(self) -> tuple[int, int] | None:
        rows, columns = self.rows.value, self.columns.value
        if bool(rows) != bool(columns):
            raise ScanError(f"The map has {rows} rows and {columns} columns; give both, or neither.")
        return (rows, columns) if rows else None


class ExportDock(Container[Any]):
    """Write every pattern of a layer as an image."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._task: Task | None = None
        self.layer = layer_picker()
        self.folder = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            label="New folder",
            tooltip="A folder that does not exist yet, or is empty.",
        )
        self.format = ComboBox(choices=list(FORMATS), label="Format")
        self.export_button = PushButton(text="Export")
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, max=1, visible=False, label="")
        self.status = Label(value="")
        buttons = row(self.export_button, self.cancel_button)
        super().__init__(widgets=[self.layer, self.folder, self.format, buttons, self.progress, self.status])
        self.status.native.setWordWrap(True)
        self.native.layout().addStretch()
        self.export_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)

    def run(self) -> None:
        """Export in a worker; the folder appears when it is whole."""
        try:
            if self.layer.value is None:
                raise ScanError("Open or choose a layer of patterns first.")
            scan = scan_from_layer(self.layer.value)
        except ScanError as error:
            self._fail(error)
            return
        folder, kind = Path(str(self.folder.value)), FORMATS[self.format.value]
        self._set_running(True)
        self._task = Task(self.native)
        self._task.progressed.connect(self._progressed)
        create_worker(
            self._task.run,
            lambda progress: export_images(scan, folder, kind, progress=progress),
            _connect={
                "returned": lambda _: self._say(scan, folder),
                "errored": self._fail,
                "finished": lambda: self._set_running(False),
            },
        )

    def cancel(self) -> None:
        """Stop; nothing of the export stays behind."""
        if self._task is not None:
            self._task.cancelled = True

    def _progressed(self, done: int, total: int) -> None:
        self.progress.max, self.progress.value = total, done

    def _say(self, scan: Scan, folder: Path) -> None:
        self.status.value = f"Wrote {scan.n} images into {folder}."

    def _fail(self, error: Exception) -> None:
        self.status.value = str(error)
        if not isinstance(error, Cancelled):
            show_error(str(error))

    def _set_running(self, running: bool) -> None:
        self.export_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.visible = running


class Cancelled(Exception):
    """The user stopped a task."""


class Task(QObject):
    """A function that takes a progress callback, made stoppable, its progress told on the main thread."""

    progressed = Signal(int, int)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.cancelled = False

    def run(self, function: Callable[[Callable[[int, int], None]], Any]) -> Any:
        """Run in a worker's thread; whatever goes wrong arrives there as an error that says what."""
        try:
            return function(self._report)
        except RuntimeError as error:  # which a worker would swallow silently
            raise ScanError(str(error)) from error

    def _report(self, done: int, total: int) -> None:
        if self.cancelled:
            raise Cancelled("Cancelled; nothing was written.")
        self.progressed.emit(done, total)
