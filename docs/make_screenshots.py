"""Make the pictures in docs/images: the real window, driven as a user would.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import QApplication

IMAGES = Path(__file__).parent / "images"


def wait_until(done: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window live until something has happened."""
    end = time.monotonic() + seconds
    while not done():
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there")


def rest(seconds: float) -> None:
    """Let the window draw."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def window(sample: str, theme: str = "dark") -> napari.Viewer:
    """A window of a lab laptop's size with a sample opened."""
    viewer = napari.Viewer()
    viewer.theme = theme
    viewer.window.resize(1366, 768)
    viewer.open_sample("napari-kikuchi", sample)
    return viewer


def dock(viewer: napari.Viewer, name: str) -> Any:
    """One of the plugin's docks."""
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", name)[1]


def shoot(viewer: napari.Viewer, name: str) -> None:
    """Save the whole window and close it."""
    rest(1)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)
    viewer.close()


def clahe(theme: str) -> None:
    """CLAHE on the nickel map, with its preview."""
    viewer = window("nickel", theme)
    widget = dock(viewer, "CLAHE")
    widget.clip_limit.value = 4.0
    widget.run()
    wait_until(lambda: len(viewer.layers) == 2)
    wait_until(lambda: widget.before_after.height() > 0)
    shoot(viewer, f"clahe-{theme}")


def autoencoder(sample: str) -> None:
    """The network on a sample, with its preview."""
    viewer = window(sample)
    widget = dock(viewer, "Autoencoder denoising")
    widget.preview.value = True
    widget.run()
    wait_until(lambda: len(viewer.layers) == 2)
    wait_until(lambda: widget.before_after.height() > 0)
    shoot(viewer, f"autoencoder-{sample}")


def images() -> None:
    """The docks for folders of images."""
    viewer = window("nickel")
    dock(viewer, "Import pattern images")
    dock(viewer, "Export pattern images")
    shoot(viewer, "images")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    clahe("dark")
    clahe("light")
    autoencoder("nickel")
    autoencoder("silicon")
    images()
