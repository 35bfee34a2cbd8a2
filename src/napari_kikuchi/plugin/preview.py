"""The pattern now shown, before and after, what the difference is, and the quality of both."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPixmap, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from ..processing.quality import image_quality
from ..processing.rescale import from_levels, stretch
from ..recipe import CircularMask, Recipe, Step, around
from ..scan import Scan

__all__ = ["BeforeAfter", "Learnt", "Notes", "Preview", "compute_preview"]

# What steps learnt is remembered for this many settings of the knobs before them.
REMEMBERED = 64


@dataclass(frozen=True)
class Preview:
    """One pattern before and after a recipe.

    Attributes
    ----------
    before, after : array, shape (height, width)
        Of the scan's pixel type.
    quality : (float, float)
        Their image quality Q.
    mask : CircularMask or None
        The recipe's.
    notes : tuple of str
        What the steps warned of when they learnt from the scan.
    """

    before: NDArray[Any]
    after: NDArray[Any]
    quality: tuple[float, float]
    mask: CircularMask | None = None
    notes: tuple[str, ...] = ()


class Learnt(dict[Hashable, Step]):
    """What steps learnt from one scan, each with what it warned of while it did."""

    def __init__(self) -> None:
        super().__init__()
        self._notes: dict[Hashable, tuple[str, ...]] = {}

    def fit(self, recipe: Recipe, scan: Scan) -> tuple[Recipe, tuple[str, ...]]:
        """A recipe fitted to the scan, which has to be the same each time, and the notes of all its steps."""
        if len(self) > REMEMBERED:
            self.clear()
        with warnings.catch_warnings(record=True) as self._caught:
            warnings.simplefilter("always")
            self._used: list[Hashable] = []
            fitted = recipe.fit(scan, self)
        return fitted, tuple(note for key in self._used for note in self._notes[key])

    def __setitem__(self, key: Hashable, step: Step) -> None:
        self._notes[key] = tuple(str(warning.message) for warning in self._caught)
        self._caught.clear()
        super().__setitem__(key, step)

    def __getitem__(self, key: Hashable) -> Step:
        self._used.append(key)
        return super().__getitem__(key)


def compute_preview(scan: Scan, point: int, recipe: Recipe, learnt: Learnt) -> Preview:
    """Run a recipe over one pattern of a scan.

    Parameters
    ----------
    scan : Scan
    point : int
        Number of the pattern in scanning order.
    recipe : Recipe
    learnt : Learnt
        From this scan, before and now.

    Raises
    ------
    ScanError
        If the recipe cannot be run on the scan.
    """
    recipe.prepare()
    fitted, notes = learnt.fit(recipe, scan)
    patterns, patch = around(scan, point, fitted.rim)
    before, after = np.asarray(scan.patterns[point]), fitted(patterns, patch)[0]
    first, second = image_quality(np.stack([before, after]))
    return Preview(before, after, (first, second), recipe.mask, notes)


class BeforeAfter(QLabel):
    """Two patterns side by side, and by choice their difference, as wide as the dock allows.

    Attributes
    ----------
    difference : bool
        Whether to show a third picture: what was added (bright) and taken away (dark), on mid-grey where nothing was.
    mask : CircularMask or None
        A circle to draw over the pattern before.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.difference = False
        self.mask: CircularMask | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._pixmap = QPixmap()

    def show_patterns(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Draw two patterns of one shape (height, width), each stretched to the full range."""
        pictures = list(stretch(from_levels(np.stack([before, after]))))
        told = "The pattern now shown: before on the left, after"
        if self.difference:
            pictures.append(np.float32(0.5) + (pictures[1] - pictures[0]) / 2)
            told += " in the middle, and on the right after less before: bright where it was raised."
        self.setToolTip(told if self.difference else f"{told} on the right.")
        gap = np.ones((pictures[0].shape[0], max(1, pictures[0].shape[1] // 40)), dtype=np.float32)
        row = [piece for picture in pictures for piece in (gap, picture)][1:]
        levels = np.ascontiguousarray(np.hstack(row) * 255).astype(np.uint8)
        image = QImage(levels.data, levels.shape[1], levels.shape[0], levels.shape[1], QImage.Format.Format_Grayscale8)
        self._pixmap = QPixmap.fromImage(image)
        if self.mask is not None:
            self._draw(self.mask, *before.shape)
        self._fit()

    def clear(self) -> None:
        """Show nothing, and take no room."""
        self._pixmap = QPixmap()
        super().clear()
        self.setFixedHeight(0)

    def minimumSizeHint(self) -> QSize:
        """Let the dock be narrower than the picture now is."""
        return QSize(0, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the picture as wide as the dock."""
        super().resizeEvent(event)
        self._fit()

    def _draw(self, mask: CircularMask, height: int, width: int) -> None:
        painter = QPainter(self._pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(0, 0, width, height)
        pen = painter.pen()
        pen.setColor(QColor("#ffb000"))
        pen.setWidthF(max(1.0, width / 120))
        painter.setPen(pen)
        painter.drawEllipse(QPointF(mask.x * width, mask.y * height), mask.radius * width, mask.radius * width)
        painter.end()

    def _fit(self) -> None:
        if self._pixmap.isNull():
            return
        height = round(self.width() * self._pixmap.height() / self._pixmap.width())
        self.setFixedHeight(height)
        smooth = Qt.TransformationMode.SmoothTransformation
        self.setPixmap(self._pixmap.scaled(self.width(), height, Qt.AspectRatioMode.KeepAspectRatio, smooth))


class Notes(QLabel):
    """What there is to know of a preview, in one line; in full where the mouse rests."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_notes(self, notes: tuple[str, ...]) -> None:
        """Show these, or nothing."""
        self.setToolTip("\n".join(notes))
        self.setVisible(bool(notes))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        one_line = " ".join(self.toolTip().split())
        self.setText(self.fontMetrics().elidedText(f"Note: {one_line}", Qt.TextElideMode.ElideRight, self.width()))
