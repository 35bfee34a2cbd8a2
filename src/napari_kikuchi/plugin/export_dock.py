"""The dock that writes patterns: into an EDAX file, or into a folder of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, Container, FileEdit, PushButton
from qtpy.QtWidgets import QMessageBox

from ..formats import ImageFormat, Sidecars, export_images, save_scan, sidecars
from ..scan import Scan, ScanError
from .dock import layer_picker
from .layers import scan_from_layer
from .runner import Runner
from .subset import SubsetPicker, place_shown

__all__ = ["ExportDock"]

EDAX = {"EDAX UP2, 16 bits": ".up2", "EDAX UP1, 8 bits": ".up1"}
IMAGES: dict[str, ImageFormat] = {
    "PNG images, lossless": "png",
    "TIFF images, lossless": "tiff",
    "JPG images, 8 bits, lossy": "jpg",
    "BMP images, 8 bits": "bmp",
}


class ExportDock(Container[Any]):
    """Write the patterns of a layer, or a part of its map, as an EDAX file or as an image each."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._sidecars: Sidecars | None = None
        self.layer = layer_picker()
        self.format = ComboBox(choices=[*EDAX, *IMAGES], label="As")
        self.format.tooltip = (
            "EDAX files are for indexing, and keep the header of the file that the patterns came from. PNG and TIFF "
            "keep every level of 8 and 16 bits; BMP holds 8 bits; JPG does too, and loses detail."
        )
        self.target = FileEdit(mode=FileDialogMode.OPTIONAL_FILE, label="To")
        self.subset = SubsetPicker(lambda: place_shown(napari_viewer, self.layer.value))
        self.subset.which.label = "Which"
        self.runner = Runner("Export", "Cancelled; nothing was written.")
        self.copy_button = PushButton(text="", visible=False)
        super().__init__(
            widgets=[
                self.layer,
                self.format,
                self.target,
                self.subset.which,
                self.subset,
                self.runner,
                self.copy_button,
            ]
        )
        self.runner.label = self.subset.label = self.copy_button.label = ""
        self.runner.watch(self.native)
        self.subset.watch(self.native)
        self.export_button, self.cancel_button = self.runner.run_button, self.runner.cancel_button
        self.status = self.runner.status
        layout = self.native.layout()
        for widget in (self.runner, self.copy_button):
            layout.addWidget(widget.native)
        layout.addStretch()
        self.export_button.changed.connect(self.run)
        self.format.changed.connect(self._show_target)
        self.layer.changed.connect(self._layer_changed)
        self.copy_button.changed.connect(self.copy_sidecars)
        self._show_target()
        self._layer_changed()

    def run(self) -> None:
        """Export in a worker; the file or folder appears when it is whole."""
        self._offer(None)
        try:
            if self.layer.value is None:
                raise ScanError("Open or choose a layer of patterns first.")
            scan, target = self.subset.choose(scan_from_layer(self.layer.value)), self._target()
        except ScanError as error:
            self.runner.fail(error)
            return
        if self.format.value in EDAX:
            if target.is_file() and not self._may_replace(target):
                return
            work = partial(_save, target, scan, target.is_file())
        else:
            work = partial(_export, target, scan, IMAGES[self.format.value])
        self.runner.start_task(work, total=scan.n, finish=partial(self._finish, scan=scan, target=target))

    def cancel(self) -> None:
        """Stop; nothing of the export stays behind."""
        self.runner.cancel()

    def copy_sidecars(self) -> None:
        """Copy what the indexing software looks for beside the file that was written; nothing is overwritten."""
        if self._sidecars is None:
            return
        try:
            copies = self._sidecars.copy()
        except (ScanError, OSError) as error:
            self.runner.fail(error)
            return
        self._offer(None)
        self.runner.say(f"Copied {', '.join(copy.name for copy in copies)} into {copies[0].parent}.")

    def _target(self) -> Path:
        if self.target.value is None or str(self.target.value) in ("", "."):
            raise ScanError("Say first where to export to.")
        path = Path(str(self.target.value))
        suffix = EDAX.get(self.format.value)
        if suffix is None or path.suffix.lower() == suffix:
            return path
        return path.with_name(f"{path.stem if path.suffix.lower() in EDAX.values() else path.name}{suffix}")

    def _may_replace(self, target: Path) -> bool:
        answer = QMessageBox.question(self.native, "Replace the file?", f"{target} exists already. Replace it?")
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _finish(self, _: Any, scan: Scan, target: Path) -> None:
        if self.format.value in IMAGES:
            self.runner.say(f"Wrote {scan.n} images into {target.name}.")
            return
        found = None if scan.source is None else sidecars(scan.source.path, target)
        self.runner.say("\n".join([f"Wrote {scan.n} patterns to {target.name}.", *([str(found)] if found else [])]))
        self._offer(found)

    def _offer(self, found: Sidecars | None) -> None:
        self._sidecars = found
        self.copy_button.visible = found is not None and bool(found.offer)
        if found is not None:
            self.copy_button.text = f"Copy {found.offer}"

    def _show_target(self) -> None:
        if self.format.value in EDAX:
            suffix = EDAX[self.format.value]
            self.target.mode, self.target.filter = FileDialogMode.OPTIONAL_FILE, f"EDAX patterns (*{suffix})"
            self.target.tooltip = f"A file name that ends in {suffix}."
        else:
            self.target.mode, self.target.filter = FileDialogMode.EXISTING_DIRECTORY, None
            self.target.tooltip = "A folder that does not exist yet, or is empty."

    def _layer_changed(self) -> None:
        self.subset.fit(self.layer.value)


def _save(target: Path, scan: Scan, overwrite: bool, progress: Any) -> None:
    save_scan(target, scan, overwrite=overwrite, progress=progress)


def _export(folder: Path, scan: Scan, kind: ImageFormat, progress: Any) -> None:
    export_images(scan, folder, kind, progress=progress)
