"""What a dock cannot do without, above what may be longer than the screen."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget

__all__ = ["Scrolled"]

LEAST = 110
"""Height, in pixels, that is left to what scrolls if there is no more room: some three lines."""


class Scrolled(QScrollArea):
    """A widget that scrolls up and down where there is too little room for it, and is never cut off at its side."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """As high as the widget inside would like to be, if there is room."""
        return QSize(super().sizeHint().width(), self.widget().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Wide enough for the widget inside and the scroll bar."""
        inside = self.widget()
        width = inside.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width, min(LEAST, inside.sizeHint().height()))
