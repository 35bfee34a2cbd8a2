"""The dock for denoising with a network."""

from __future__ import annotations

import napari
from magicgui.widgets import ComboBox

from ..recipe import Autoencoder, Placement, Recipe
from .dock import ProcessingDock
from .model_picker import ModelPicker
from .parameters import clahe_widgets, widget_of

__all__ = ["AutoencoderDock"]

PLACEMENTS: dict[str, Placement] = {
    "no CLAHE": "none",
    "before the network": "before",
    "after the network": "after",
    "before and after": "both",
}


class AutoencoderDock(ProcessingDock):
    """Denoise every pattern of a layer with a network, with CLAHE before or after it if wanted."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self.model = ModelPicker(name="model", label="Model")
        self.neighbours = widget_of(Autoencoder, "neighbours")
        self.placement = ComboBox(name="placement", label="CLAHE", choices=list(PLACEMENTS), value="no CLAHE")
        self.placement.tooltip = "Whether and where to equalise; you have to judge what suits your data."
        self.clip_limit, self.tiles = clahe_widgets()
        parameters = [self.model, self.neighbours, self.placement, self.clip_limit, self.tiles]
        super().__init__(napari_viewer, parameters, preview=False)
        self.preview.text = "Preview (loads the network)"
        self.placement.changed.connect(self._show_clahe)
        self._show_clahe()

    def make_recipe(self) -> Recipe:
        """The chosen network, with CLAHE where the dock says."""
        return Recipe.denoising(
            self.model.value,
            neighbours=self.neighbours.value,
            clahe=PLACEMENTS[self.placement.value],
            clip_limit=self.clip_limit.value,
            tiles=self.tiles.value,
            trust_model=self.model.trusted,
        )

    @property
    def loading_message(self) -> str:
        """Importing the network's library is what takes long the first time."""
        return "Loading the network; the first time this takes some seconds ..."

    def _show_clahe(self) -> None:
        wanted = PLACEMENTS[self.placement.value] != "none"
        self.clip_limit.visible = self.tiles.visible = wanted
