"""Choosing a network: the shipped ones with what is known of them, or one of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, PushButton
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from ..autoencoder.model import DEFAULT_MODEL, ModelCard, shipped_models
from .device_picker import DevicePicker
from .runner import let_wrap

__all__ = ["ModelPicker"]

WARNING = (
    "{name} is a TensorFlow SavedModel. Its graph can read and write files on this computer. "
    "Open it only if you know where it comes from.\n\nDo you trust this model?"
)


def described(card: ModelCard) -> str:
    """A model's card in two short lines."""
    return f"{card.title}\n{'Judge by indexing whether it helps.' if card.experimental else card.trained_on}"


def told_in_full(card: ModelCard) -> str:
    """All that a model's card says, a line each."""
    lines = {
        "Trained on": card.trained_on,
        "Held out": card.held_out,
        "Noise": card.noise,
        "Training": card.training_time,
        **card.figures,
        "Limits": card.limits,
        "Licence": card.licence,
    }
    return "\n".join(f"{what}: {text}" for what, text in lines.items() if text)


class ModelPicker(Container[Any]):
    """A model by its name or path as `value`, with its card, buttons to bring one's own, and what it computes on."""

    def __init__(self, **described: Any) -> None:
        self._trusted: set[str] = set()
        self._own: list[str] = []
        self.choice = ComboBox(name="choice", choices=self._models, value=DEFAULT_MODEL)
        self.choice.tooltip = "A network that came with the plugin, or one of your own."
        self.card = Label(value="")
        self.open_card = PushButton(text="Card")
        self.open_card.tooltip = "What this network was trained on, what was measured of it, and its limits."
        self.open_file = PushButton(text="Own file")
        self.open_file.tooltip = "A trained network of yours: a .keras, .h5 or .weights.h5 file."
        self.open_folder = PushButton(text="Own folder")
        self.open_folder.tooltip = "A TensorFlow SavedModel folder of yours."
        buttons: Container[Any] = Container(
            widgets=[self.open_card, self.open_file, self.open_folder], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        self.device = DevicePicker()
        super().__init__(widgets=[self.choice, self.card, buttons, self.device], labels=False, **described)
        self.margins = (0, 0, 0, 0)
        let_wrap(self.card.native)
        self.choice.changed.connect(self._show_card)
        self.open_card.changed.connect(self._tell)
        self.open_file.changed.connect(self._ask_file)
        self.open_folder.changed.connect(self._ask_folder)
        self._show_card()

    @property
    def value(self) -> str:
        """Name of a shipped model, or path of one of the user's own."""
        return str(self.choice.value)

    @value.setter
    def value(self, name: str) -> None:
        if name not in shipped_models() and name not in self._own:
            self._own.append(name)
            self.choice.reset_choices()
        self.choice.value = name

    @property
    def trusted(self) -> bool:
        """Whether the user said that the model chosen may do what it likes, which SavedModels can."""
        return self.value in self._trusted

    def add(self, path: str | Path) -> None:
        """Add a user's own model to the choices and choose it; a SavedModel folder only if the user trusts it."""
        name = str(path)
        if Path(path).is_dir() and name not in self._trusted:
            if not self._trusts(name):
                return
            self._trusted.add(name)
        self.value = name

    def reset_choices(self, *_: Any) -> None:
        """Keep the choice: models do not come and go with the viewer's layers, as what napari calls this for does."""

    def _models(self, _: object) -> list[str]:
        return [*shipped_models(), *self._own]

    def _show_card(self) -> None:
        card = shipped_models().get(self.value)
        self.card.value = described(card) if card else "Your own model: judge by indexing whether it helps."
        self.card.tooltip = told_in_full(card) if card else ""
        self.open_card.enabled = card is not None

    def _tell(self) -> None:
        card = shipped_models()[self.value]
        box = QMessageBox(self.native)
        box.setWindowTitle(f"The model {card.name}")
        box.setText(card.title)
        box.setInformativeText(told_in_full(card))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _trusts(self, name: str) -> bool:
        answer = QMessageBox.question(self.native, "Trust this model?", WARNING.format(name=name))
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.native, "Your trained network", "", "Keras models (*.keras *.h5)")
        if path:
            self.add(path)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self.native, "Your SavedModel folder")
        if path:
            self.add(path)
