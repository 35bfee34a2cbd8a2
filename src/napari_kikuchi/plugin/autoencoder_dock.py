"""The dock for denoising with a network."""

from __future__ import annotations

from pathlib import Path

import napari
from magicgui.widgets import ComboBox, Label, PushButton
from qtpy.QtWidgets import QFileDialog, QMessageBox

from ..autoencoder.model import DEFAULT_MODEL, ModelCard, shipped_models
from ..recipe import Autoencoder, Placement, Recipe
from .dock import ProcessingDock, row
from .parameters import choice_widget, clahe_widgets

__all__ = ["AutoencoderDock"]

PLACEMENTS: dict[str, Placement] = {
    "no CLAHE": "none",
    "before the network": "before",
    "after the network": "after",
    "before and after": "both",
}

WARNING = (
    "{name} is a TensorFlow SavedModel. Its graph can read and write files on this computer. "
    "Open it only if you know where it comes from.\n\nDo you trust this model?"
)


def described(card: ModelCard) -> str:
    """A model's card in two short lines."""
    return f"{card.title}\n{'Judge by indexing whether it helps.' if card.experimental else card.trained_on}"


class AutoencoderDock(ProcessingDock):
    """Denoise every pattern of a layer with a network, with CLAHE before or after it if wanted."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._trusted: set[str] = set()
        self._own: list[str] = []
        self.model = ComboBox(name="model", label="Model", choices=self._models, value=DEFAULT_MODEL)
        self.model.tooltip = "A network that came with the plugin, or one of your own."
        self.card = Label(value="")
        self.open_file = PushButton(text="Own .keras or .h5 ...")
        self.open_folder = PushButton(text="Own SavedModel folder ...")
        own = row(self.open_file, self.open_folder)
        self.neighbours = choice_widget(Autoencoder, "neighbours")
        self.placement = ComboBox(name="placement", label="CLAHE", choices=list(PLACEMENTS), value="no CLAHE")
        self.placement.tooltip = "Whether and where to equalise; you have to judge what suits your data."
        self.clip_limit, self.tiles = clahe_widgets()
        parameters = [self.model, self.card, own, self.neighbours, self.placement, self.clip_limit, self.tiles]
        super().__init__(napari_viewer, parameters, preview=False)
        self.card.native.setWordWrap(True)
        self.preview.text = "Preview the pattern now shown (loads the network)"
        self.model.changed.connect(self._show_card)
        self.placement.changed.connect(self._show_clahe)
        self.open_file.changed.connect(self._ask_file)
        self.open_folder.changed.connect(self._ask_folder)
        self._show_card()
        self._show_clahe()

    def make_recipe(self) -> Recipe:
        """The chosen network, with CLAHE where the dock says."""
        return Recipe.denoising(
            self.model.value,
            neighbours=self.neighbours.value,
            clahe=PLACEMENTS[self.placement.value],
            clip_limit=self.clip_limit.value,
            tiles=self.tiles.value,
            trust_model=self.model.value in self._trusted,
        )

    def add_model(self, path: str | Path) -> None:
        """Add a user's own model to the choices and choose it; a SavedModel folder only if the user trusts it."""
        name = str(path)
        if Path(path).is_dir() and name not in self._trusted:
            if not self._trusts(name):
                return
            self._trusted.add(name)
        if name not in self._own:
            self._own.append(name)
        self.model.reset_choices()
        self.model.value = name

    @property
    def loading_message(self) -> str:
        """Importing the network's library is what takes long the first time."""
        return "Loading the network; the first time this takes some seconds ..."

    def _models(self, _: object) -> list[str]:
        return [*shipped_models(), *self._own]

    def _show_card(self) -> None:
        card = shipped_models().get(self.model.value)
        self.card.value = described(card) if card else "Your own model: judge by indexing whether it helps."
        self.card.tooltip = f"Trained on {card.trained_on}.\n{card.limits}" if card else ""

    def _show_clahe(self) -> None:
        wanted = PLACEMENTS[self.placement.value] != "none"
        self.clip_limit.visible = self.tiles.visible = wanted

    def _trusts(self, name: str) -> bool:
        answer = QMessageBox.question(self.native, "Trust this model?", WARNING.format(name=name))
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.native, "Your trained network", "", "Keras models (*.keras *.h5)")
        if path:
            self.add_model(path)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self.native, "Your SavedModel folder")
        if path:
            self.add_model(path)
