"""OpenCV and a Qt window in one process."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "later", ["from qtpy.QtWidgets import QApplication; QApplication([])", "import napari; napari.Viewer()"]
)
def test_a_window_opens_after_opencv_was_used(later):
    code = (
        "import os, numpy as np, napari_kikuchi as nk\n"
        "nk.clahe(np.zeros((1, 60, 60), np.uint8))\n"
        "assert 'cv2' not in os.environ.get('QT_QPA_PLATFORM_PLUGIN_PATH', '')\n"
        f"{later}\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_opencv_works_after_a_window_was_opened():
    code = (
        "import os, napari, numpy as np, napari_kikuchi as nk\n"
        "viewer = napari.Viewer()\n"
        "nk.clahe(np.zeros((1, 60, 60), np.uint8))\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
