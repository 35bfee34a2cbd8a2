"""A recipe as a list of cards, one a step: switched on and off, moved, removed."""

from __future__ import annotations

from inspect import getdoc

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..circular_mask import CircularMask
from ..recipe import STEPS, Recipe, Step
from .scrolled import Scrolled
from .step_editors import MaskEditor, StepEditor, editor_of

__all__ = ["TITLES", "StepCard", "StepList"]

TITLES = {
    "mask": "Detector mask",
    "static-background": "Static background",
    "dynamic-background": "Dynamic background",
    "neighbour-average": "Neighbour average",
    "clahe": "CLAHE",
    "autoencoder": "Autoencoder",
    "rescale": "Rescale",
}
"""What steps are called in the dock, by the name that recipe files have for them."""


class StepCard(QFrame):
    """One step with its parameters; off, it stays in the list and out of the recipe."""

    changed = Signal()
    moved = Signal(int)
    removed = Signal()

    def __init__(self, title: str, editor: StepEditor, *, fixed: bool = False) -> None:
        super().__init__()
        self.editor = editor
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.on = QCheckBox(title)
        self.on.setChecked(True)
        self.on.setToolTip((getdoc(editor.kind) or "").split("\n\n")[0].replace("\n", " "))
        self.up = _button("\N{UPWARDS ARROW}", "Do this step earlier")
        self.down = _button("\N{DOWNWARDS ARROW}", "Do this step later")
        self.remove = _button("\N{MULTIPLICATION SIGN}", "Take this out of the recipe")
        head = QHBoxLayout()
        head.addWidget(self.on, 1)
        for button in (self.remove,) if fixed else (self.up, self.down, self.remove):
            head.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 4)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(editor.native)
        self.on.toggled.connect(self._switched)
        self.up.clicked.connect(lambda: self.moved.emit(-1))
        self.down.clicked.connect(lambda: self.moved.emit(1))
        self.remove.clicked.connect(self.removed)
        editor.changed.connect(lambda: self.changed.emit())

    def _switched(self, on: bool) -> None:
        self.editor.native.setVisible(on)
        self.changed.emit()


class StepList(Scrolled):
    """The cards of a recipe, the mask's first, in a list that scrolls; `last` is a widget to show after them."""

    changed = Signal()
    mask_wanted = Signal()

    def __init__(self, last: QWidget) -> None:
        inside = QWidget()
        super().__init__(inside)
        # Takes what room there is, so that steps can be added without anything moving.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.cards: list[StepCard] = []
        self.mask_card: StepCard | None = None
        # A new card has its place only once the window has laid it out.
        self._scroll = QTimer(self, singleShot=True, interval=0)
        self._scroll.timeout.connect(self._show_last)
        self._layout = QVBoxLayout(inside)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(last)
        self._layout.addStretch()

    def add(self, kind: str) -> StepCard:
        """Add a step of this kind, with its defaults, after the others; or the mask, before them."""
        if kind == "mask":
            return self._add_mask()
        card = StepCard(TITLES[kind], editor_of(STEPS[kind]))
        card.moved.connect(lambda by: self._move(card, by))
        self._connect(card)
        self._layout.insertWidget(self._layout.count() - 2, card)
        self.cards.append(card)
        self._refresh()
        self._scroll.start()
        return card

    def show_recipe(self, recipe: Recipe) -> None:
        """Replace the cards by those of a recipe."""
        self.blockSignals(True)
        for card in [*self.cards, *filter(None, [self.mask_card])]:
            self._remove(card)
        if recipe.mask is not None:
            self.add("mask").editor.show_step(recipe.mask)
        for step in recipe.steps:
            self.add(step.kind).editor.show_step(step)
        self.blockSignals(False)
        self.changed.emit()

    def steps(self) -> list[Step]:
        """The steps that are switched on, in order.

        Raises
        ------
        ScanError
            If one of them is not complete.
        """
        return [card.editor.make() for card in self.cards if card.on.isChecked()]

    def mask(self) -> CircularMask | None:
        """The mask, if there is one and it is switched on."""
        card = self.mask_card
        return card.editor.make() if card is not None and card.on.isChecked() else None

    def _add_mask(self) -> StepCard:
        if self.mask_card is None:
            editor = MaskEditor()
            self.mask_card = StepCard(TITLES["mask"], editor, fixed=True)
            editor.find.changed.connect(lambda: self.mask_wanted.emit())
            self._connect(self.mask_card)
            self._layout.insertWidget(0, self.mask_card)
            self._refresh()
        return self.mask_card

    def _connect(self, card: StepCard) -> None:
        card.changed.connect(self._refresh)
        card.removed.connect(lambda: self._remove(card))

    def _move(self, card: StepCard, by: int) -> None:
        place = self.cards.index(card)
        self.cards.insert(place + by, self.cards.pop(place))
        self._layout.removeWidget(card)
        self._layout.insertWidget(place + by + (self.mask_card is not None), card)
        self._refresh()

    def _remove(self, card: StepCard) -> None:
        if card is self.mask_card:
            self.mask_card = None
        else:
            self.cards.remove(card)
        self._layout.removeWidget(card)
        card.hide()
        card.deleteLater()
        self._refresh()

    def _show_last(self) -> None:
        if self.cards:
            self.ensureWidgetVisible(self.cards[-1])

    def _refresh(self) -> None:
        for place, card in enumerate(self.cards):
            card.up.setEnabled(place > 0)
            card.down.setEnabled(place < len(self.cards) - 1)
        self.updateGeometry()
        self.changed.emit()


def _button(text: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tooltip)
    button.setAutoRaise(True)
    return button
