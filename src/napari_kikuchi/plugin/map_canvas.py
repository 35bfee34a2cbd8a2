"""A map to look at, walk on and zoom into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QBrush,
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QWheelEvent,
)
from qtpy.QtWidgets import QApplication, QSizePolicy, QWidget

from .map_layout import MapLayout, MapRegion

__all__ = ["MapCanvas"]

CURSOR = QColor("#ff5a2a")
REGION = QColor("#38c6ff")
LARGEST_ZOOM = 64.0
# The cursor is drawn at least this large, in pixels of the screen.
SMALLEST_CURSOR = 9.0
MARGIN = 4


class MapCanvas(QWidget):
    """Draws a map; a click or drag picks a point, the wheel zooms, the middle or right button moves the map.

    With `regions`, a drag with Shift, or any drag while `drawing` is set, draws a region of whole points.

    Signals: `picked` with the number of a point, `hovered` with the number under the mouse, or -1; `drawn` with the
    `MapRegion` when the mouse is let go, or None when the region is to be cleared.
    """

    picked = Signal(int)
    hovered = Signal(int)
    drawn = Signal(object)

    def __init__(self, *, regions: bool = False) -> None:
        super().__init__()
        self.setMouseTracking(True)
        # Takes the keys from a number or list that would swallow them; those it does not know go on to the window.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(80, 80)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip(
            "Click or drag: go to that pattern. Wheel: zoom. Middle or right button: move the map.\n"
            "Double click: see the whole map. Shift and an arrow key: next pattern in that direction."
            + ("\nShift and drag: draw a region for the other docks. Shift and click, or Escape: clear it." * regions)
        )
        self.layout_shown: MapLayout | None = None
        self.number = 0
        self._image = QImage()
        self._pixels: NDArray[np.uint8] | None = None
        self._zoom, self._pan = 1.0, QPointF(0, 0)
        self._grabbed: QPointF | None = None
        self._regions, self.drawing = regions, False
        self.region: MapRegion | None = None
        self._began: QPointF | None = None

    def sizeHint(self) -> QSize:
        """Enough to see grains, little enough for two beside one another in a dock."""
        return QSize(200, 200)

    def show_layout(self, layout: MapLayout | None) -> None:
        """Begin another map, or show none."""
        if layout != self.layout_shown:
            self.fit()
        self.layout_shown, self._image, self.region = layout, QImage(), None
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

    def show_region(self, region: MapRegion | None) -> None:
        """Outline a region of the map, or none."""
        self.region = region
        self.update()

    def fit(self) -> None:
        """See the whole map."""
        self._zoom, self._pan = 1.0, QPointF(0, 0)
        self.update()

    def number_at(self, place: QPointF, *, nearest: bool = False) -> int | None:
        """Number of the point at a place of the widget, None where there is none."""
        if self.layout_shown is None:
            return None
        return self.layout_shown.at(*self._on_map(self.layout_shown, place), nearest=nearest)

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

    def _on_map(self, layout: MapLayout, place: QPointF) -> tuple[float, float]:
        """A place of the widget as one of the layout."""
        scale, corner = self._view(layout)
        return (place.x() - corner.x()) / scale, (place.y() - corner.y()) / scale

    # What Qt calls

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the map over a hatched ground, which shows where there is no point, and region and cursor over it."""
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
        if self.region is not None:
            x, y, width, height = self.layout_shown.box(self.region)
            box = QRectF(corner.x() + x * scale, corner.y() + y * scale, width * scale, height * scale)
            _outline(painter, box, REGION)
        self._draw_cursor(painter, self.layout_shown, scale)
        painter.end()

    def _draw_cursor(self, painter: QPainter, layout: MapLayout, scale: float) -> None:
        if self.number >= layout.n:
            return
        middle = self.place_of(self.number)
        width, height = (max(SMALLEST_CURSOR, scale * side) for side in layout.cell)
        _outline(painter, QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height), CURSOR)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: pick, or begin a region; another button: take hold of the map."""
        if event.button() == Qt.MouseButton.LeftButton:
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            if self._regions and (self.drawing or shift):
                self._began = event.position()
            else:
                self._pick(event)
        else:
            self._grabbed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pick or draw on with the left button down, move the map with another one, tell what is under the mouse."""
        if self._grabbed is not None:
            self._pan += event.position() - self._grabbed
            self._grabbed = event.position()
            self.update()
        elif self._began is not None:
            self.show_region(self._spanned(self._began, event.position()))
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)
        number = self.number_at(event.position())
        self.hovered.emit(-1 if number is None else number)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the map go, or tell the region: none, if the mouse has hardly moved."""
        self._grabbed = None
        if self._began is None or event.button() != Qt.MouseButton.LeftButton:
            return
        began, self._began = self._began, None
        moved = (event.position() - began).manhattanLength() >= QApplication.startDragDistance()
        self.show_region(self._spanned(began, event.position()) if moved else None)
        self.drawn.emit(self.region)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape clears the region; other keys are the window's."""
        if not self._regions or event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
            return
        self._began = None
        self.show_region(None)
        self.drawn.emit(None)

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

    def _spanned(self, one: QPointF, other: QPointF) -> MapRegion | None:
        """The region of the points nearest to two places of the widget."""
        layout = self.layout_shown
        if layout is None:
            return None
        return layout.spanned(*(layout.nearest(*self._on_map(layout, place)) for place in (one, other)))


def _outline(painter: QPainter, box: QRectF, ink: QColor) -> None:
    """A rectangle that is seen on bright and on dark ground."""
    for colour, thickness in ((QColor(0, 0, 0, 200), 4), (ink, 2)):
        painter.setPen(QPen(colour, thickness))
        painter.drawRect(box)
