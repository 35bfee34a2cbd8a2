"""Two histograms over one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

__all__ = ["FIRST", "SECOND", "Histogram", "counted"]

FIRST, SECOND = QColor("#3d9be9"), QColor("#ff7a2a")
BINS = 30


def counted(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Both counted in the same bins.

    Parameters
    ----------
    first, second : array, shape (k,)

    Returns
    -------
    (array of shape (bins + 1,), array of shape (2, bins))
        Edges of the bins, and the counts in each.
    """
    values = np.concatenate([first, second])
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1e-6, BINS + 1)
    return edges, np.stack([np.histogram(one, edges)[0] for one in (first, second)])


class Histogram(QWidget):
    """How often values are found in two samples: the first in blue, the second in orange."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.edges, self.counts = counted(np.empty(0), np.empty(0))
        self.setMinimumSize(60, 60)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """As large as the patterns beside it."""
        return QSize(140, 140)

    def show_values(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        """Draw two samples."""
        self.edges, self.counts = counted(first, second)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw both as outlines, filled faintly, over an axis with its ends told."""
        painter = QPainter(self)
        line = self.fontMetrics().height()
        area = QRectF(2, line + 2, self.width() - 4, self.height() - 2 * line - 6)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignHCenter, self._title)
        if self.counts.any():
            below = QRectF(0, area.bottom() + 2, self.width(), line)
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, f"{self.edges[0]:.3g}")
            painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{self.edges[-1]:.3g}")
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for counts, colour in zip(self.counts, (FIRST, SECOND), strict=True):
            self._draw_outline(painter, area, counts / max(1, self.counts.max()), colour)
        painter.end()

    def _draw_outline(self, painter: QPainter, area: QRectF, heights: NDArray[np.float64], colour: QColor) -> None:
        width = area.width() / len(heights)
        corners = [area.bottomLeft()]
        for i, height in enumerate(heights):
            y = area.bottom() - height * area.height()
            corners += [QPointF(area.left() + i * width, y), QPointF(area.left() + (i + 1) * width, y)]
        corners.append(area.bottomRight())
        painter.setPen(QPen(colour, 1.5))
        faint = QColor(colour)
        faint.setAlpha(60)
        painter.setBrush(faint)
        painter.drawPolygon(QPolygonF(corners))
