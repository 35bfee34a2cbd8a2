"""A map to look at, walk on and zoom into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from .map_layout import MapLayout

__all__ = ["MapCanvas"]

CURSOR = QColor("#ff5a2a")
LARGEST_ZOOM = 64.0
# The cursor is drawn at least this large, in pixels of the screen.
SMALLEST_CURSOR = 9.0
MARGIN = 4


class MapCanvas(QWidget):
    """Draws a map; a click or drag picks a point, the wheel zooms, the middle or right button moves the map.

    Signals: `picked` with the number of a point, `hovered` with the number under the mouse, or -1.
    """

    picked = Signal(int)
    hovered = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        # Takes the keys from a number or list that would swallow them; those it does not know go on to the window.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(80, 80)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip(
            "Click or drag: go to that pattern. Wheel: zoom. Middle or right button: move the map.\n"
            "Double click: see the whole map. Shift and an arrow key: next pattern in that direction."
        )
        self.layout_shown: MapLayout | None = None
        self.number = 0
        self._image = QImage()
        self._pixels: NDArray[np.uint8] | None = None
        self._zoom, self._pan = 1.0, QPointF(0, 0)
        self._grabbed: QPointF | None = None

    def sizeHint(self) -> QSize:
        """Enough to see grains, little enough for two beside one another in a dock."""
        return QSize(200, 200)

    def show_layout(self, layout: MapLayout | None) -> None:
        """Begin another map, or show none."""
        if layout != self.layout_shown:
            self.fit()
        self.layout_shown, self._image = layout, QImage()
        self.update()

    def show_picture(self, pixels: NDArray[np.uint8]) -> None:
        """Draw the map as `MapLayout.picture` makes it."""
        self._pixels = np.ascontiguousarray(pixels)  # QImage does not keep what it draws from
        height, width = pixels.shape[:2]
        self._image = QImage(self._pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self.update()

    def show_cursor(self, number: int) -> None:
        """Mark a point, given by its number."""
        self.number = number
        self.update()

    def fit(self) -> None:
        """See the whole map."""
        self._zoom, self._pan = 1.0, QPointF(0, 0)
        self.update()

    def number_at(self, place: QPointF, *, nearest: bool = False) -> int | None:
        """Number of the point at a place of the widget, None where there is none."""
        if self.layout_shown is None:
            return None
        scale, corner = self._view(self.layout_shown)
        return self.layout_shown.at((place.x() - corner.x()) / scale, (place.y() - corner.y()) / scale, nearest=nearest)

    def place_of(self, number: int) -> QPointF:
        """Where on the widget a point is drawn."""
        assert self.layout_shown is not None
        scale, corner = self._view(self.layout_shown)
        x, y = self.layout_shown.centre(number)
        return QPointF(corner.x() + x * scale, corner.y() + y * scale)

    def _view(self, layout: MapLayout) -> tuple[float, QPointF]:
        """Pixels of the screen for one unit of the map, and where its upper left corner is."""
        width, height = layout.size
        inner_width, inner_height = self.width() - 2 * MARGIN, self.height() - 2 * MARGIN
        scale = self._zoom * max(min(inner_width / width, inner_height / height), 1e-9)
        corner = QPointF((self.width() - scale * width) / 2, (self.height() - scale * height) / 2)
        return scale, corner + self._pan

    # What Qt calls

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the map over a hatched ground, which shows where there is no point, and the cursor over it."""
        if self.layout_shown is None:
            return
        scale, corner = self._view(self.layout_shown)
        width, height = self.layout_shown.size
        whole = QRectF(corner.x(), corner.y(), scale * width, scale * height)
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.Text)
        ink.setAlpha(70)
        painter.fillRect(whole, QBrush(ink, Qt.BrushStyle.BDiagPattern))
        if not self._image.isNull():
            shrunk = whole.width() < self._image.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrunk)
            painter.drawImage(whole, self._image)
        self._draw_cursor(painter, self.layout_shown, scale)
        painter.end()

    def _draw_cursor(self, painter: QPainter, layout: MapLayout, scale: float) -> None:
        if self.number >= layout.n:
            return
        middle = self.place_of(self.number)
        width, height = (max(SMALLEST_CURSOR, scale * side) for side in layout.cell)
        box = QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)
        for colour, thickness in ((QColor(0, 0, 0, 200), 4), (CURSOR, 2)):
            painter.setPen(QPen(colour, thickness))
            painter.drawRect(box)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: pick; another button: take hold of the map."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pick(event)
        else:
            self._grabbed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pick on while the left button is down, move the map with another one, tell what is under the mouse."""
        if self._grabbed is not None:
            self._pan += event.position() - self._grabbed
            self._grabbed = event.position()
            self.update()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)
        number = self.number_at(event.position())
        self.hovered.emit(-1 if number is None else number)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the map go."""
        self._grabbed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """See the whole map again."""
        self.fit()

    def leaveEvent(self, event: object) -> None:
        """Nothing is under the mouse any more."""
        self.hovered.emit(-1)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the mouse."""
        if self.layout_shown is None:
            return
        zoom = min(max(self._zoom * 2 ** (event.angleDelta().y() / 240), 1.0), LARGEST_ZOOM)
        from_middle = event.position() - QPointF(self.width() / 2, self.height() / 2)
        self._pan = from_middle - (from_middle - self._pan) * (zoom / self._zoom) if zoom > 1 else QPointF(0, 0)
        self._zoom = zoom
        self.update()
        event.accept()

    def _pick(self, event: QMouseEvent) -> None:
        number = self.number_at(event.position(), nearest=True)
        if number is not None:
            self.picked.emit(number)
