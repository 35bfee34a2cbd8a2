"""When a dock is gone."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

__all__ = ["when_closed"]


def when_closed(widget: QWidget, react: Callable[[], None]) -> None:
    """Call a function once, when the dock of a widget is closed or the window goes.

    napari takes the widget out of a dock that is closed and lets it live on: it is not destroyed as long as somebody
    holds it, and goes on listening to the viewer.
    """
    watcher = _Watcher(widget, react)
    widget.installEventFilter(watcher)
    widget.destroyed.connect(watcher.react)


class _Watcher(QObject):
    def __init__(self, widget: QWidget, react: Callable[[], None]) -> None:
        super().__init__(widget)
        self._react: Callable[[], None] | None = react

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            self.react()
        return False

    def react(self, *_: object) -> None:
        react, self._react = self._react, None
        if react is not None:
            react()
