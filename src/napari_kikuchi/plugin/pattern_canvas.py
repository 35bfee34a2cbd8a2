"""One pattern to look at, and a region of the detector to draw on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from ..processing.maps import Region
from ..scan import ScanError

__all__ = ["PatternCanvas", "RegionCanvas"]

MARK = QColor("#ff5a2a")


class PatternCanvas(QWidget):
    """Draws a pattern as large as there is room, in its true aspect."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(40, 40)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.levels: NDArray[np.uint8] | None = None

    def sizeHint(self) -> QSize:
        """Small, since docks have little room."""
        return QSize(140, 140)

    def show_levels(self, levels: NDArray[np.uint8] | None) -> None:
        """Draw grey levels, shape (height, width), or nothing."""
        self.levels = None if levels is None else np.ascontiguousarray(levels)
        self.update()

    def area(self) -> QRectF:
        """Where on the widget the pattern is."""
        assert self.levels is not None
        height, width = self.levels.shape
        scale = min(self.width() / width, self.height() / height)
        return QRectF(
            (self.width() - scale * width) / 2, (self.height() - scale * height) / 2, scale * width, scale * height
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pattern."""
        if self.levels is None:
            return
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw the pattern; more may be drawn over it."""
        assert self.levels is not None
        height, width = self.levels.shape
        image = QImage(self.levels.data, width, height, width, QImage.Format.Format_Grayscale8)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.area(), image)


class RegionCanvas(PatternCanvas):
    """A pattern with a rectangle, that is drawn anew by dragging.

    Signal: `drawn` with the `Region`, when the mouse is let go.
    """

    drawn = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("Drag a rectangle: the part of the detector whose mean intensity makes the image.")
        self.region = Region()
        self._start: QPointF | None = None

    def show_region(self, region: Region) -> None:
        """Draw a region."""
        self.region = region
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the pattern and the region."""
        super().draw(painter)
        area, region = self.area(), self.region
        box = QRectF(
            area.x() + region.x * area.width(),
            area.y() + region.y * area.height(),
            region.width * area.width(),
            region.height * area.height(),
        )
        for colour, thickness in ((QColor(0, 0, 0, 200), 4), (MARK, 2)):
            painter.setPen(QPen(colour, thickness))
            painter.drawRect(box)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a rectangle."""
        if self.levels is not None and event.button() == Qt.MouseButton.LeftButton:
            self._start = self._share(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw it on."""
        if self._start is None:
            return
        start, end = self._start, self._share(event.position())
        x, y = min(start.x(), end.x()), min(start.y(), end.y())
        try:
            rounded = (round(side, 3) for side in (x, y, abs(end.x() - start.x()), abs(end.y() - start.y())))
            self.show_region(Region(*rounded))
        except ScanError:  # no wider than a line yet
            return

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell the region."""
        if self._start is not None:
            self._start = None
            self.drawn.emit(self.region)

    def _share(self, place: QPointF) -> QPointF:
        """A place on the widget in shares of the pattern, brought onto it."""
        area = self.area()
        x, y = (place.x() - area.x()) / area.width(), (place.y() - area.y()) / area.height()
        return QPointF(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
