"""Models by name or path, opened where they can run: here, or in a process of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .card import DEFAULT_MODEL, ModelCard, shipped_models

if TYPE_CHECKING:
    from .denoiser import DenoisingModel
    from .remote import RemoteModel

__all__ = ["DEFAULT_MODEL", "ModelCard", "device_summary", "load_model", "shipped_models"]


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


def device_summary() -> str:
    """One line: Keras' backend, the device that it computes on, and why where no graphics card is used."""
    if not _runs_apart():
        from .denoiser import device_summary_here

        return device_summary_here()
    from .remote import remote_device_summary

    return remote_device_summary()


def _runs_apart() -> bool:
    """Whether this process has a window, or might open one on Linux, where it could not after TensorFlow."""
    has_qt = any(binding in sys.modules for binding in ("PyQt5", "PyQt6", "PySide2", "PySide6"))
    has_display = sys.platform == "linux" and any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return has_qt or has_display
