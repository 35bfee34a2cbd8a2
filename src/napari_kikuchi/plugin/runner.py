"""Work in the background with its buttons: start, progress with rate and time left, cancel, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton, Widget
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy

from ..scan import ScanWarning
from .closing import when_closed

__all__ = ["RunFailed", "Runner", "let_wrap", "row"]


class RunFailed(Exception):
    """A run went wrong, in a sentence for the user."""


def row(*widgets: Widget) -> Container[Any]:
    """Widgets beside one another, without labels and margins."""
    container: Container[Any] = Container(widgets=list(widgets), layout="horizontal", labels=False)
    container.margins = (0, 0, 0, 0)
    return container


def let_wrap(label: QLabel) -> None:
    """Let a label break its lines, and never make a dock wider, as a long path would."""
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)


class Runner(Container[Any]):
    """A start button and all that follows from pressing it.

    Parameters
    ----------
    text : str
        The button's.
    nothing : str
        What is said after a run that was cancelled: what became of its result.
    """

    def __init__(self, text: str, nothing: str) -> None:
        self._worker: Any = None
        self._cancelled = self._closed = False
        self._nothing = nothing
        self._began: tuple[float, int] | None = None
        self.run_button = PushButton(text=text)
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, max=1, visible=False)
        self.status = Label(value="")
        super().__init__(widgets=[row(self.run_button, self.cancel_button), self.progress, self.status], labels=False)
        self.margins = (0, 0, 0, 0)
        let_wrap(self.status.native)
        self.status.min_height = 40  # two lines, so that a longer sentence moves nothing
        self.cancel_button.changed.connect(self.cancel)

    def watch(self, dock: Any) -> None:
        """End the run when this dock is closed; napari itself ends it with the window."""
        when_closed(dock, self._close)

    def start(
        self, work: Callable[..., Generator[int, None, Any]], *arguments: Any, total: int, finish: Callable[[Any], None]
    ) -> None:
        """Run a generator in a worker.

        Parameters
        ----------
        work : generator function
            Yields how much is done, in patterns, and returns the result. Stopped after a yield, it has to leave nothing
            half-written; where a stop is asked for after the last yield, it has come to its end all the same.
        total : int
            Patterns in all.
        finish : callable
            Called on the main thread with the result, unless the run was stopped before its end.
        """
        self._cancelled, self._began = False, None
        self._set_running(True)
        self.progress.max, self.progress.value = total, 0
        self._worker = create_worker(
            work,
            *arguments,
            _worker_class=_ClosingWorker,
            _connect={
                "yielded": self._if_open(partial(self._progressed, total=total)),
                "warned": self._if_open(self._warn),
                "finished": self._if_open(lambda: self._ended(self._worker.outcome, finish)),
            },
        )

    def start_task(
        self, work: Callable[[Callable[[int, int], None]], Any], *, total: int, finish: Callable[[Any], None]
    ) -> None:
        """Run a function in a worker that takes a progress callback, called with what is done and in all.

        The callback raises where the run was cancelled; the function has to leave nothing half-written then.
        """
        self._cancelled, self._began = False, None
        self._set_running(True)
        self.progress.max, self.progress.value = total, 0
        task = _Task()
        task.progressed.connect(self._if_open(self._progressed))
        self._worker = task.worker = create_worker(
            task.run,
            work,
            _connect={
                "warned": self._if_open(self._warn),
                "finished": self._if_open(lambda: self._ended(task.outcome, finish)),
            },
        )

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._worker is not None

    def cancel(self) -> None:
        """Stop after the block in work."""
        if self._worker is not None:
            self._cancelled = True
            self._worker.quit()
            self.say("Stopping after this block ...")

    def fail(self, error: Exception) -> None:
        """Say what went wrong, here and as a notification."""
        self.say(str(error))
        show_error(str(error))

    def say(self, sentence: str) -> None:
        """Show one sentence below the buttons."""
        self.status.value = sentence

    def _progressed(self, done: int, total: int) -> None:
        self.progress.value = done
        now = time.monotonic()
        # What is loaded, learnt and taken over from an earlier run comes before the first number: no part of the rate.
        if self._began is None:
            self._began = now, done
        if not self._cancelled:
            self.say(told(done, total, done - self._began[1], now - self._began[0]))

    def _ended(self, outcome: _Outcome, finish: Callable[[Any], None]) -> None:
        self._set_running(False)
        if outcome.error is not None:
            self.fail(outcome.error)
        elif outcome.whole:
            finish(outcome.result)
        else:
            self.say(self._nothing)

    def _warn(self, warning: tuple[Any, ...]) -> None:
        message, category = warning[0], warning[1]
        if issubclass(category, ScanWarning):
            show_warning(str(message))

    def _set_running(self, running: bool) -> None:
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.visible = running
        if not running:
            self._worker = None

    def _if_open(self, slot: Callable[..., None]) -> Callable[..., None]:
        # Answers of a worker arrive later, when the widgets may be gone.
        return lambda *answer: None if self._closed else slot(*answer)

    def _close(self) -> None:
        self._closed = True
        if self._worker is not None:
            self._worker.quit()


def told(done: int, total: int, fresh: int, seconds: float) -> str:
    """Progress in words: how many of how many, how fast, and how long it will take yet."""
    if done == 0:
        return "The first patterns are under way ..."
    so_far = f"{done} of {total} patterns"
    if not fresh or seconds <= 0:
        return so_far
    rate = fresh / seconds
    left = round((total - done) / rate)
    minutes, hours = left // 60 % 60, left // 3600
    clock = f"{hours}:{minutes:02}:{left % 60:02}" if hours else f"{minutes}:{left % 60:02}"
    return f"{so_far}, {rate:.3g} a second, {clock} left"


@dataclass(frozen=True)
class _Outcome:
    """How work ended: whole, with its result; with an error; or stopped.

    Kept by the work itself. Workers tell of no result and of no RuntimeError once they were stopped, and under PySide6
    napari's own listener to errors takes one argument too few (0.9.2).
    """

    whole: bool = False
    result: Any = None
    error: Exception | None = None


class _ClosingWorker(GeneratorWorker):
    """Closes the generator that it was stopped in, which then takes back what it had begun."""

    outcome = _Outcome()

    def work(self) -> None:
        """Run the generator to its end, or until a stop is asked for."""
        try:
            result = super().work()
        except Exception as error:  # noqa: BLE001  whatever it is, the user has to hear of it
            self.outcome = _Outcome(error=error)
        else:
            if isinstance(result, Exception):
                self.outcome = _Outcome(error=result)
            elif getgeneratorstate(self._gen) == GEN_CLOSED:
                # It came to its end, even if a stop was asked for meanwhile: what it made, such as a file, is there.
                self.outcome = _Outcome(True, result)
        finally:
            self._gen.close()


class _Cancelled(Exception):
    """The user stopped a task."""


class _Task(QObject):
    """A function that takes a progress callback, made stoppable, its progress told on the main thread.

    Without a parent: it has to be there for its thread when the window is gone.
    """

    progressed = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.worker: Any = None
        self.outcome = _Outcome()

    def run(self, function: Callable[[Callable[[int, int], None]], Any]) -> None:
        """Run in a worker's thread; how it ends is in `outcome`."""
        try:
            self.outcome = _Outcome(True, function(self._report))
        except _Cancelled:
            pass
        except MemoryError:
            self.outcome = _Outcome(error=RunFailed("The memory of this machine is not enough for that."))
        except Exception as error:  # noqa: BLE001  whatever it is, the user has to hear of it
            self.outcome = _Outcome(error=error)

    def _report(self, done: int, total: int) -> None:
        # The worker may report before the name of it is known here.
        if self.worker is not None and self.worker.abort_requested:
            raise _Cancelled
        self.progressed.emit(done, total)
