"""When a dock is gone."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

__all__ = ["when_closed"]


# What waits for the end of a widget. Python's garbage collection takes functions apart before it ends the widget that
# alone holds them, and Qt would then call what is left of them: the program crashes (seen with PyQt 6.11).
_waiting: set[Callable[..., None]] = set()


def when_closed(widget: QWidget, react: Callable[[], None]) -> None:
    """Call a function once, when the dock of a widget is closed or the window goes.

    napari takes the widget out of a dock that is closed and lets it live on: it is not destroyed as long as somebody
    holds it, and goes on listening to the viewer.
    """

    # A function, since a watcher that goes with its widget can no longer be called then.
    def gone(*_: object) -> None:
        if gone in _waiting:
            _waiting.discard(gone)
            react()

    def closed() -> None:
        if gone in _waiting:
            widget.destroyed.disconnect(gone)
            gone()

    _waiting.add(gone)
    widget.installEventFilter(_Watcher(widget, closed))
    widget.destroyed.connect(gone)


class _Watcher(QObject):
    def __init__(self, widget: QWidget, closed: Callable[[], None]) -> None:
        super().__init__(widget)
        self._closed = closed

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            self._closed()
        return False
