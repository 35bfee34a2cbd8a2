"""Networks in a process of their own, for processes that show windows.

TensorFlow and a window are bad company: importing it holds the interpreter, and so the window, for seconds; and on
Linux it shares the names of LLVM's functions with Mesa's OpenGL drivers, so that whichever of the two comes second
calls the other's and the process crashes (seen with TensorFlow 2.21 and Mesa 22 on LLVM 15, in either order).

`python -m napari_kikuchi.autoencoder.remote` is the other side: it answers requests until its input ends.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .card import ModelCard

__all__ = ["RemoteModel", "remote_device_summary", "restart"]


class RemoteModel:
    """A network that computes in another process; used like a `DenoisingModel`.

    Parameters
    ----------
    name : str
        Name or absolute path, as for `load_model`.
    trust : bool
        As for `load_model`.

    Raises
    ------
    ScanError
        Whatever opening the model there raised.
    """

    def __init__(self, name: str, trust: bool) -> None:
        self._name, self._trust = name, trust
        self.card: ModelCard = _process.ask("card", name, trust)

    def predict(
        self,
        patterns: NDArray[np.float32],
        mask: NDArray[np.bool_] | None = None,
        average: NDArray[np.float32] | None = None,
        batch: int | None = None,
        careful: bool = False,
    ) -> NDArray[np.float32]:
        """Denoise patterns; see `DenoisingModel.predict`."""
        how = mask, average, batch, careful
        return np.asarray(_process.ask("predict", self._name, self._trust, np.asarray(patterns), *how))


def remote_device_summary() -> str:
    """What the other process computes on; see `device_summary`."""
    return str(_process.ask("device"))


def restart() -> None:
    """End the other process; the next request starts one anew, with the environment as it is then."""
    _process.restart()


class _Process:
    """The other process: started with the first request, ended with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, *request: Any) -> Any:
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _send(process.stdin, request)
                kind, answer = pickle.load(process.stdout)
            except (OSError, EOFError) as error:
                self.stop()
                raise ScanError(
                    f"The network's process ended unexpectedly (exit code {process.returncode}); "
                    "most often there was too little memory. Close other programs, or bin the patterns, and try again."
                ) from error
        if kind == "error":
            raise ScanError(answer)
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        # A forked copy of this process must not share the pipes of its parent.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self.stop()
            here = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": os.pathsep.join(here)},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            self._owner = os.getpid()
        return self._process

    def restart(self) -> None:
        """End the process once it has answered."""
        with self._lock:
            self.stop()

    def stop(self) -> None:
        """End the process, if it is ours and not ended yet."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            # What was on its way to a process that is gone cannot be written any more.
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


_process = _Process()
atexit.register(_process.stop)


def _send(pipe: IO[bytes], message: Any) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _serve() -> None:
    # Ctrl-C reaches this process too; the one that was meant ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers go out by the standard output that was; whatever a library prints goes to the standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            reply = ("answer", _answer(*request))
        except Exception as error:  # noqa: BLE001  whatever it is, the other side has to hear of it
            reply = ("error", str(error) or type(error).__name__)
        _send(answers, reply)


def _answer(kind: str, *arguments: Any) -> Any:
    from .denoiser import import_keras, open_model
    from .devices import summary

    if kind == "device":
        import_keras()
        return summary()
    name, trust, *patterns = arguments
    model = open_model(name, trust)
    return model.card if kind == "card" else model.predict(*patterns)


if __name__ == "__main__":
    _serve()
