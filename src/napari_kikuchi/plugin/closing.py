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
    once = _Once(react)
    widget.installEventFilter(_Watcher(widget, once))
    # A function, since a watcher that goes with its widget can no longer be called then.
    widget.destroyed.connect(lambda *_: once())


class _Once:
    """A function that does nothing when it is called again."""

    def __init__(self, react: Callable[[], None]) -> None:
        self._react: Callable[[], None] | None = react

    def __call__(self) -> None:
        react, self._react = self._react, None
        if react is not None:
            react()


class _Watcher(QObject):
    def __init__(self, widget: QWidget, closed: Callable[[], None]) -> None:
        super().__init__(widget)
        self._closed = closed

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            self._closed()
        return False
