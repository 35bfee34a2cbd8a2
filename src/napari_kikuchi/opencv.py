"""OpenCV as this package uses it: `from .opencv import cv2`, inside the function that needs it."""

import os
from pathlib import Path

import cv2

__all__ = ["cv2"]

# opencv-python points Qt to the plugins of its own Qt 5, which a napari started later in the same process cannot load.
for _name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
    if Path(cv2.__file__).parent in Path(os.environ.get(_name, "")).parents:
        del os.environ[_name]
