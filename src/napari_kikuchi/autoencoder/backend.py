"""Keras as this package uses it; for modules that are imported only when a network is needed."""

import os
import sys
from importlib.util import find_spec

__all__ = ["keras"]


def _load_tensorflow_apart() -> None:
    """Load TensorFlow so that it uses its own copy of LLVM.

    Mesa's OpenGL drivers put theirs in the global scope of a Linux process; TensorFlow, loaded after a napari
    window was drawn, would pick its functions from there and crash (seen with TensorFlow 2.21 and Mesa 22 on
    LLVM 15).
    """
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_DEEPBIND)
    try:
        import tensorflow  # noqa: F401
    finally:
        sys.setdlopenflags(before)


# Set before Keras is imported, which reads it then; TensorFlow's C++ side else writes pages about CPU instructions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if (
    os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    and sys.platform == "linux"
    and "tensorflow" not in sys.modules
    and find_spec("tensorflow") is not None
):
    _load_tensorflow_apart()

import keras  # noqa: E402
