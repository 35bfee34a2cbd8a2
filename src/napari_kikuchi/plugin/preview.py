"""The pattern now shown, before and after: computed off the main thread, always for the latest settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.qt.threading import create_worker
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QSize, Qt, QTimer
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from ..processing.rescale import from_levels, stretch
from ..recipe import Recipe, around
from ..scan import Scan

__all__ = ["BeforeAfter", "Previewer"]

# Milliseconds to wait for the next turn of a knob before computing.
PATIENCE = 30


class BeforeAfter(QLabel):
    """Two patterns side by side, as wide as the dock allows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("The pattern now shown: before on the left, after on the right.")
        self._pixmap = QPixmap()

    def show_patterns(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Draw two patterns of one shape (height, width), each stretched to the full range."""
        both = stretch(from_levels(np.stack([before, after])))
        gap = np.ones((both.shape[1], max(1, both.shape[2] // 40)), dtype=np.float32)
        levels = np.ascontiguousarray(np.hstack([both[0], gap, both[1]]) * 255).astype(np.uint8)
        image = QImage(levels.data, levels.shape[1], levels.shape[0], levels.shape[1], QImage.Format.Format_Grayscale8)
        self._pixmap = QPixmap.fromImage(image)
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

    def _fit(self) -> None:
        if self._pixmap.isNull():
            return
        height = round(self.width() * self._pixmap.height() / self._pixmap.width())
        self.setFixedHeight(height)
        smooth = Qt.TransformationMode.SmoothTransformation
        self.setPixmap(self._pixmap.scaled(self.width(), height, Qt.AspectRatioMode.KeepAspectRatio, smooth))


class Previewer(QObject):
    """Runs a recipe over one pattern at a time; of several requests only the latest counts.

    Parameters
    ----------
    done : callable
        Called on the main thread with the pattern before and after.
    failed : callable
        Called on the main thread with the exception.
    """

    def __init__(
        self, done: Callable[[NDArray[Any], NDArray[Any]], None], failed: Callable[[Exception], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._done, self._failed = done, failed
        self._latest: Callable[[], tuple[Scan, int, Recipe]] | None = None
        self._busy = False
        self._timer = QTimer(self, singleShot=True, interval=PATIENCE)
        self._timer.timeout.connect(self._start)

    def request(self, latest: Callable[[], tuple[Scan, int, Recipe]]) -> None:
        """Ask for a preview; `latest` gives the scan, the pattern's number and the recipe, in the worker's thread."""
        self._latest = latest
        self._timer.start()

    def drop(self) -> None:
        """Forget the request that has not been started."""
        self._latest = None
        self._timer.stop()

    def _start(self) -> None:
        if self._busy or self._latest is None:
            return
        latest, self._latest, self._busy = self._latest, None, True
        create_worker(
            _compute,
            latest,
            _connect={"returned": self._show, "errored": self._failed, "finished": self._next},
        )

    def _show(self, both: tuple[NDArray[Any], NDArray[Any]]) -> None:
        if self._latest is None:
            self._done(*both)

    def _next(self) -> None:
        self._busy = False
        self._start()


class PreviewFailed(Exception):
    """A preview went wrong; workers swallow a plain RuntimeError silently, so it travels under this name."""


def _compute(latest: Callable[[], tuple[Scan, int, Recipe]]) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        scan, point, recipe = latest()
        return np.asarray(scan.patterns[point]), recipe(*around(scan, point, recipe.rim))[0]
    except RuntimeError as error:
        raise PreviewFailed(str(error)) from error
