"""Work off the main thread of which only the latest counts: what a preview asks for as knobs are turned."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ClassVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

__all__ = ["Latest"]

# Milliseconds in which requests that come together, as when a recipe is loaded, are taken for one.
PATIENCE = 10

Task = Callable[[], Any]


class Latest(QObject):
    """Runs one task at a time in a thread of its own; of those that are asked for meanwhile, the latest comes next.

    Every answer is given, so that what is shown follows a knob while it is being turned. Not napari's workers, each of
    which the window keeps a note of until it closes.

    Parameters
    ----------
    done : callable
        Called on the main thread with what the task gave.
    failed : callable
        Called on the main thread with the exception.
    parent : QObject
        With its end, answers are no longer given.
    """

    def __init__(self, done: Callable[[Any], None], failed: Callable[[Exception], None], parent: QObject) -> None:
        super().__init__(parent)
        self._done, self._failed = done, failed
        self._waiting: Task | None = None
        self._busy = False
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self, singleShot=True, interval=PATIENCE)
        self._timer.timeout.connect(self._next)
        self._post = _Post.office()
        # The thread waits for tasks; it must not keep this object, nor a window that ends, alive.
        weakref.finalize(self, self._tasks.put, None).atexit = False

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return self._busy or self._waiting is not None

    def request(self, task: Task) -> None:
        """Ask for a task, instead of one that waits."""
        self._waiting = task
        if not self._busy and not self._timer.isActive():
            self._timer.start()

    def drop(self) -> None:
        """Forget the task that waits."""
        self._waiting = None

    def _next(self) -> None:
        if self._busy or self._waiting is None:
            return
        task, self._waiting, self._busy = self._waiting, None, True
        if self._thread is None:
            # A daemon: at the end of Python nobody waits for a preview.
            self._thread = threading.Thread(
                target=_work, args=(self._tasks, self._post, weakref.ref(self)), daemon=True
            )
            self._thread.start()
        self._tasks.put(task)

    def _answer(self, answer: Any, error: Exception | None) -> None:
        self._busy = False
        if error is None:
            self._done(answer)
        else:
            self._failed(error)
        self._next()


class _Post(QObject):
    """Brings answers to the main thread. One for all, which lives as long as the program.

    An object of Qt that a thread holds may be destroyed by that thread, and takes the program with it.
    """

    came = Signal(object, object, object)
    _only: ClassVar[_Post | None] = None

    @classmethod
    def office(cls) -> _Post:
        """The only one; first asked for on the main thread."""
        if cls._only is None:
            cls._only = cls()
            cls._only.came.connect(cls._only.deliver)
        return cls._only

    def deliver(self, asked_by: weakref.ref[Latest], answer: Any, error: Exception | None) -> None:
        """Give an answer, on the main thread, if who asked is still there: Qt ends an object before Python does."""
        latest = asked_by()
        if latest is not None and isalive(latest):
            latest._answer(answer, error)


def _work(tasks: SimpleQueue[Task | None], post: _Post, asked_by: weakref.ref[Latest]) -> None:
    while (task := tasks.get()) is not None:
        answer, error = None, None
        try:
            answer = task()
        except Exception as failure:  # noqa: BLE001  whatever it is, the main thread has to hear of it
            error = failure
        post.came.emit(asked_by, answer, error)
