"""Models by name or path, opened where they can run: here, or in a process of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .card import DEFAULT_MODEL, ModelCard, shipped_models
from .devices import Backend, Device, FoundDevice, Precision, devices

if TYPE_CHECKING:
    from .denoiser import DenoisingModel
    from .remote import RemoteModel

__all__ = [
    "DEFAULT_MODEL",
    "Device",
    "FoundDevice",
    "ModelCard",
    "device_summary",
    "devices",
    "load_model",
    "shipped_models",
    "use_device",
]


def load_model(name_or_path: str | Path = DEFAULT_MODEL, trust: bool = False) -> DenoisingModel | RemoteModel:
    """Open a model, in a process of its own if this one shows windows or may come to; see `remote`.

    Parameters, errors and what the model does are those of `open_model`.
    """
    if not _runs_apart():
        from .denoiser import open_model

        return open_model(name_or_path, trust)
    from .remote import RemoteModel

    name = str(name_or_path)
    is_file = name not in shipped_models() and Path(name).exists()
    return RemoteModel(str(Path(name).absolute()) if is_file else name, trust)


def use_device(name: str = "auto", *, backend: Backend = "auto", precision: Precision = "auto") -> Device:
    """Choose what networks compute on, for this process and those that it starts.

    Call it before the first network is loaded: a process cannot change Keras' backend, nor TensorFlow's GPU,
    afterwards. Beside a window, where networks have a process of their own, that is started anew.

    Parameters
    ----------
    name, backend, precision
        See `Device`.

    Returns
    -------
    Device
        What was chosen. It can be pickled; its `use` chooses the same in another process, as in a worker of a cluster.

    Raises
    ------
    ScanError
        If there is no such choice, the backend is not installed, or another one is loaded already.

    Examples
    --------
    >>> import napari_kikuchi as nk
    >>> nk.use_device("cpu").name
    'cpu'
    """
    device = Device(backend, name, precision)
    device.use()
    if _runs_apart():
        from .remote import restart

        restart()
    return device


def device_summary() -> str:
    """One line: Keras' backend, the device that it computes on, why where that is no GPU, and the precision."""
    if not _runs_apart():
        from .denoiser import import_keras
        from .devices import summary

        import_keras()
        return summary()
    from .remote import remote_device_summary

    return remote_device_summary()


def _runs_apart() -> bool:
    """Whether this process has a window, or might open one on Linux, where it could not after TensorFlow."""
    has_qt = any(binding in sys.modules for binding in ("PyQt5", "PyQt6", "PySide2", "PySide6"))
    has_display = sys.platform == "linux" and any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return has_qt or has_display
