"""Something that is computed piece by piece beside the window, and can be dropped at any time."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock, Thread
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from .closing import when_closed

__all__ = ["Background"]


class Background(QObject):
    """Runs one iterator at a time in a thread of its own; a new one replaces the one before.

    Not one of napari's workers: these share a pool of as many threads as the machine has cores, so that a map that
    takes minutes would keep the preview of a pattern waiting.

    Signals, all on the main thread, and none of an iterator that was dropped: `advanced` with each item, then `ended`,
    or `failed` with the exception. It ends with the dock of the widget that owns it.
    """

    advanced = Signal(object)
    ended = Signal()
    failed = Signal(object)
    _told = Signal(object, str, object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._run: _Run | None = None
        self._one_at_a_time = Lock()
        self._told.connect(self._tell)
        when_closed(parent, self.drop)

    @property
    def busy(self) -> bool:
        """Whether something is being computed that has not been dropped."""
        return self._run is not None

    def start(self, items: Iterator[Any]) -> None:
        """Compute the items of an iterator, and drop what was being computed before."""
        self.drop()
        self._run = run = _Run(items, self._told, self._one_at_a_time)
        run.start()

    def drop(self) -> None:
        """Stop after the item in work; nothing of it is told any more."""
        if self._run is not None:
            self._run.wanted = False
            self._run = None

    def _tell(self, run: object, what: str, item: object) -> None:
        if run is not self._run:
            return
        if what == "advanced":
            self.advanced.emit(item)
            return
        self._run = None
        if what == "failed":
            self.failed.emit(item)
        else:
            self.ended.emit()


class _Run(Thread):
    def __init__(self, items: Iterator[Any], told: Any, one_at_a_time: Lock) -> None:
        super().__init__(daemon=True)
        self.wanted = True
        self._items, self._told, self._one_at_a_time = items, told, one_at_a_time

    def run(self) -> None:
        # Of many that were dropped while one was at work, none begins.
        with self._one_at_a_time:
            if self.wanted:
                self._compute()

    def _compute(self) -> None:
        try:
            for item in self._items:
                if not self._tell("advanced", item):
                    return
        except Exception as error:  # noqa: BLE001 - whatever it is, the user has to hear of it
            self._tell("failed", error)
        else:
            self._tell("ended", None)

    def _tell(self, what: str, item: object) -> bool:
        """Tell the main thread, if it still wants to hear; whether it does."""
        if not self.wanted:
            return False
        try:
            self._told.emit(self, what, item)
        except RuntimeError:  # the receiver was deleted in between, with the window
            return False
        return True
