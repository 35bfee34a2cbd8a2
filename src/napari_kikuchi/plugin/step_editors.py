"""For each step, the widgets of its parameters: from its fields, and by hand where a field is a file or a model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from magicgui.types import FileDialogMode
from magicgui.widgets import Container, FileEdit, PushButton, Widget

from ..circular_mask import CircularMask
from ..formats import read_pattern
from ..recipe import Autoencoder, StaticBackground, Step
from ..scan import ScanError
from .model_picker import ModelPicker
from .parameters import parameter_widget

__all__ = ["AutoencoderEditor", "MaskEditor", "StaticBackgroundEditor", "StepEditor", "editor_of"]


class StepEditor(Container[Any]):
    """The parameters of one kind of step, or of the mask; emits `changed` as they are changed.

    Parameters
    ----------
    kind : type
        A dataclass whose fields were made by `step.parameter`.
    by_hand : dict of str to Widget or None
        Widgets for single fields instead of those made from them; None for a field that has none.
    """

    def __init__(self, kind: type[Any], **by_hand: Widget | None) -> None:
        self.kind = kind
        self._parameters: dict[str, Any] = {}
        for spec in fields(kind):
            if spec.name in by_hand or not spec.compare or not spec.metadata.get("saved", True):
                widget = by_hand.get(spec.name)
            else:
                widget = parameter_widget(spec)
            if widget is not None:
                self._parameters[spec.name] = widget
        super().__init__(widgets=list(self._parameters.values()))
        self.margins = (0, 0, 0, 0)

    def make(self) -> Any:
        """The step that the widgets now say.

        Raises
        ------
        ScanError
            If they say something that no step takes.
        """
        return self.kind(**self._values())

    def show_step(self, step: Any) -> None:
        """Set the widgets to a step's parameters."""
        for name, widget in self._parameters.items():
            widget.value = getattr(step, name)

    def _values(self) -> dict[str, Any]:
        return {name: widget.value for name, widget in self._parameters.items()}


class StaticBackgroundEditor(StepEditor):
    """The static background, with a file of the user's own if there is one."""

    def __init__(self) -> None:
        super().__init__(StaticBackground)
        self.file = FileEdit(
            mode=FileDialogMode.EXISTING_FILE,
            label="File",
            nullable=True,
            filter="Backgrounds (*.png *.tif *.tiff *.bmp *.jpg *.npy)",
            tooltip="A grey image of the patterns' size, or a .npy file with numbers in 0..1, to use as background.",
        )
        self.append(self.file)
        self._read: tuple[Path, Any] | None = None
        self._parameters["own"].changed.connect(self._show_file)
        self._show_file()

    def make(self) -> StaticBackground:
        """The step; a background of the user's own is read once.

        Raises
        ------
        ScanError
            If the file is missing, or is no background.
        """
        values = self._values()
        if not values["own"]:
            return StaticBackground(values["operation"])
        if self.file.value is None:
            raise ScanError("The static background is to be one of your own: choose its file.")
        path = Path(str(self.file.value))
        if self._read is None or self._read[0] != path:
            self._read = path, read_pattern(path)
        return StaticBackground(values["operation"], background=self._read[1])

    def _show_file(self) -> None:
        self.file.visible = bool(self._parameters["own"].value)


class AutoencoderEditor(StepEditor):
    """The network and what it looks at."""

    def __init__(self) -> None:
        self.picker = ModelPicker(name="model", label="Model")
        super().__init__(Autoencoder, model=self.picker)

    def make(self) -> Autoencoder:
        """The step, with the user's trust in a model of their own."""
        return Autoencoder(**self._values(), trust_model=self.picker.trusted)


class MaskEditor(StepEditor):
    """The detector's circle, and a button that finds it."""

    def __init__(self) -> None:
        super().__init__(CircularMask)
        self.find = PushButton(text="Find it in the scan")
        self.find.tooltip = "Look for the shadow around a round screen in the mean of up to 100 patterns."
        self.append(self.find)


def editor_of(kind: type[Step]) -> StepEditor:
    """A new editor for a kind of step."""
    if kind is StaticBackground:
        return StaticBackgroundEditor()
    return AutoencoderEditor() if kind is Autoencoder else StepEditor(kind)
