"""The dock for CLAHE."""

from __future__ import annotations

import napari

from ..recipe import Clahe, Recipe
from .dock import ProcessingDock
from .parameters import clahe_widgets

__all__ = ["ClaheDock"]


class ClaheDock(ProcessingDock):
    """Equalise the histogram of every pattern of a layer, tile by tile, with limited contrast."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self.clip_limit, self.tiles = clahe_widgets()
        super().__init__(napari_viewer, [self.clip_limit, self.tiles], preview=True)
        self.update_preview()

    def make_recipe(self) -> Recipe:
        """CLAHE with the clip limit and tiles of the dock."""
        return Recipe([Clahe(self.clip_limit.value, self.tiles.value)])
