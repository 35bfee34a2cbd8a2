"""Make the pictures in docs/images: the real window, driven as a user would.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
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


def picture(viewer: napari.Viewer, name: str) -> None:
    """Save the whole window."""
    rest(1)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)


def shoot(viewer: napari.Viewer, name: str) -> None:
    """Save the whole window and close it."""
    picture(viewer, name)
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


def recipe(theme: str) -> None:
    """A recipe with its preview, on nickel."""
    viewer = window("nickel", theme)
    widget = dock(viewer, "Recipe")
    for kind in ("dynamic-background", "clahe"):
        widget.steps.add(kind)
    wait_until(lambda: widget.before_after.height() > 0)
    shoot(viewer, f"recipe-{theme}")


def mask() -> None:
    """The detector's mask, found in the silicon pattern, and the difference."""
    viewer = window("silicon")
    widget = dock(viewer, "Recipe")
    for kind in ("mask", "dynamic-background", "clahe"):
        widget.steps.add(kind)
    widget.difference.value = True
    widget.find_mask()
    wait_until(lambda: widget.steps.mask().y != 0.5)
    wait_until(lambda: widget.before_after.height() > 0)
    shoot(viewer, "recipe-mask")


def tutorial() -> None:
    """The tutorial on the nickel sample, from opening to saving, in one window."""
    viewer = window("nickel")
    picture(viewer, "tutorial-1-opened")
    widget = dock(viewer, "Recipe")
    widget.steps.add("dynamic-background").on.setChecked(False)
    widget.steps.add("autoencoder")
    wait_until(lambda: widget.before_after.height() > 0)
    picture(viewer, "tutorial-2-preview")
    widget.run()
    wait_until(lambda: len(viewer.layers) == 2 and widget.run_button.enabled)
    picture(viewer, "tutorial-3-result")
    viewer.window.remove_dock_widget(widget.native)
    with TemporaryDirectory() as folder:
        raw, result = viewer.layers
        osc = Path(folder) / "nickel.osc"
        osc.write_bytes(b"")
        for layer in (raw, result):
            kept = dict(layer.metadata["napari_kikuchi"])
            kept["source"] = replace(kept["source"], path=osc.with_suffix(".up1"))
            layer.metadata = {**layer.metadata, "napari_kikuchi": kept}
        widget = dock(viewer, "Export patterns")
        widget.layer.value, widget.format.value = result, "EDAX UP1, 8 bits"
        widget.target.value = Path(folder) / "nickel-denoised.up1"
        widget.run()
        wait_until(lambda: bool(widget.copy_button.visible))
        widget.target.line_edit.value = "C:/scans/nickel-denoised.up1"
        widget.runner.say(widget.status.value.replace(folder, "C:/scans"))
        shoot(viewer, "tutorial-4-saved")


def images() -> None:
    """The docks for folders of images."""
    viewer = window("nickel")
    dock(viewer, "Import pattern images")
    dock(viewer, "Export patterns").format.value = "PNG images, lossless"
    shoot(viewer, "images")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    clahe("dark")
    clahe("light")
    autoencoder("nickel")
    autoencoder("silicon")
    recipe("dark")
    recipe("light")
    mask()
    tutorial()
    images()
