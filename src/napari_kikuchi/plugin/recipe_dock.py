"""The dock for recipes: any steps in any order, tried on the pattern shown, and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import napari
from magicgui.widgets import ComboBox, Container
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..circular_mask import find_mask
from ..recipe import STEPS, Autoencoder, Output, Recipe
from ..scan import ScanError
from .dock import ProcessingDock
from .latest import Latest
from .layers import scan_from_layer
from .step_list import TITLES, StepList

__all__ = ["RecipeDock"]

TOML = "Recipes (*.toml)"


class RecipeDock(ProcessingDock):
    """Put steps together, see what they do to the pattern shown, and run them over a layer.

    Steps that are switched off stay in the dock only: they are no part of the recipe that is run or saved.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self.output = ComboBox(value="auto", choices=list(get_args(Output)), label="Output")
        self.output.tooltip = (
            "stretch: each pattern is laid over the full range. keep: intensities stay as they are. auto: stretch if a "
            "step lost the absolute intensities."
        )
        self._last: Container[Any] = Container(widgets=[self.output])
        self._last.margins = (6, 0, 6, 0)
        self.steps = StepList(self._last.native)
        super().__init__(napari_viewer, [], preview=True, between=self._make_list())
        self.output.changed.connect(self.update_preview)
        self._finder = Latest(self._show_mask, self.runner.fail, self.native)
        self.steps.changed.connect(self.update_preview)
        self.steps.mask_wanted.connect(self.find_mask)
        self.update_preview()

    def make_recipe(self) -> Recipe:
        """The steps that are switched on, in their order."""
        return Recipe(self.steps.steps(), self.output.value, self.steps.mask())

    def show_recipe(self, recipe: Recipe) -> None:
        """Replace what the dock says by a recipe."""
        self.output.value = recipe.output
        self.steps.show_recipe(recipe)

    def load(self, path: Path) -> None:
        """Show the recipe in a TOML file, as it is written beside every output."""
        try:
            text = path.read_text(encoding="utf-8")
            self.show_recipe(Recipe.from_toml(text, str(path)))
        except UnicodeDecodeError:
            self.runner.fail(ScanError(f"{path} is not a TOML file, but something that is no text."))
        except (ScanError, OSError) as error:
            self.runner.fail(error)
        else:
            self.runner.say(f"Loaded {path}.")

    def load_from_layer(self) -> None:
        """Show the recipe that made the layer."""
        layer = self.layer.value
        try:
            recipe = "" if layer is None else scan_from_layer(layer).recipe
            if not recipe:
                raise ScanError("This layer's patterns are as they were opened: no recipe made them.")
            self.show_recipe(Recipe.from_toml(recipe, layer.name))
        except ScanError as error:
            self.runner.fail(error)

    def save(self, path: Path) -> None:
        """Write the recipe as a TOML file, which the command line takes with --recipe."""
        try:
            path.write_text(self.make_recipe().to_toml(), encoding="utf-8")
        except (ScanError, OSError) as error:
            self.runner.fail(error)
        else:
            self.runner.say(f"Saved {path}.")

    def find_mask(self) -> None:
        """Set the mask to the shadow around a round screen, if the scan shows one."""
        layer = self.layer.value
        if layer is None:
            self.runner.fail(ScanError("Open or choose a layer of patterns first."))
            return
        scan = scan_from_layer(layer)
        self._finder.request(lambda: find_mask(scan))

    @property
    def loading_message(self) -> str:
        """What takes long: a network's library, or what is learnt from the whole scan."""
        cards = [card.editor.kind for card in self.steps.cards if card.on.isChecked()]
        if Autoencoder in cards:
            return "Loading the network and learning from the scan; the first time this takes some seconds ..."
        return "Learning from the scan ..."

    def _show_mask(self, mask: Any) -> None:
        if self.steps.mask_card is not None:
            self.steps.mask_card.editor.show_step(mask)

    def _make_list(self) -> QWidget:
        box = QWidget()
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        buttons = QHBoxLayout()
        self.add_button = _menu_button("Add a step", "What to do to the patterns; steps are done from top to bottom.")
        for kind in ("mask", *STEPS):
            self.add_button.menu().addAction(TITLES[kind]).triggered.connect(lambda *_, kind=kind: self.steps.add(kind))
        self.load_button = _menu_button("Load", "Show a recipe that was saved, or the one that made this layer.")
        self.load_button.menu().addAction("From a file ...").triggered.connect(lambda *_: self._ask_load())
        self.load_button.menu().addAction("From the layer").triggered.connect(lambda *_: self.load_from_layer())
        self.save_button = QPushButton("Save")
        self.save_button.setToolTip("Write the recipe as a TOML file, which the command line takes with --recipe.")
        self.save_button.clicked.connect(lambda *_: self._ask_save())
        for button in (self.add_button, self.load_button, self.save_button):
            buttons.addWidget(button)
        layout.addLayout(buttons)
        layout.addWidget(self.steps, 1)
        return box

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.native, "Load a recipe", "", TOML)
        if path:
            self.load(Path(path))

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self.native, "Save the recipe", "recipe.toml", TOML)
        if path:
            self.save(Path(path))


def _menu_button(text: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tooltip)
    button.setMenu(QMenu(button))
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return button
