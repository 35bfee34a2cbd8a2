"""The dock that opens a folder of images as a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import Container, FileEdit, Label, PushButton, SpinBox
from napari.utils.notifications import show_error

from ..formats import open_images
from ..scan import ScanError
from .layers import add_to_viewer

__all__ = ["ImportDock"]


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
