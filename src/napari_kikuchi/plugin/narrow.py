"""Widgets that do not make a dock as wide as the longest name of a layer."""

from __future__ import annotations

from magicgui.widgets import ComboBox
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPainter, QPaintEvent
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy

__all__ = ["ElidedLabel", "let_shrink"]

# Characters of a choice that are shown however narrow the dock is.
SHOWN = 14
# Left and right of a text, as in other labels of the window.
MARGIN = 5


def let_shrink(picker: ComboBox) -> None:
    """Let a choice be narrower than its longest entry."""
    picker.native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    picker.native.setMinimumContentsLength(SHOWN)


class ElidedLabel(QLabel):
    """A line that is cut in its middle where there is no room; the whole is in its tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self.setToolTip(text)

    def minimumSizeHint(self) -> QSize:
        """One line, however short."""
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as there is room for."""
        painter = QPainter(self)
        room = self.rect().adjusted(MARGIN, 0, -MARGIN, 0)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.end()
