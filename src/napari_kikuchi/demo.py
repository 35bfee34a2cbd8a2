"""The main job on real patterns that come with the package: open, denoise, look, save."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
from numpy.typing import NDArray

from .formats import open_scan
from .pipeline import clahe, denoise, process_file
from .processing.quality import image_quality
from .processing.rescale import from_levels, stretch
from .recipe import Recipe
from .sample import ATTRIBUTION, sample_path

if TYPE_CHECKING:
    import napari

__all__ = ["has_display", "run", "show", "write"]

FOLDER = Path("demo-output")
DOCKS = "CLAHE", "Autoencoder denoising"

# Pixels of a panel in the picture, and of the strips for captions, above, and for the attributions, below.
PANEL, MARGIN, STRIP = 480, 12, 32


def run(folder: Path | None = None) -> None:
    """Show the job in napari where there is a display, else do it file to file.

    Parameters
    ----------
    folder : Path, optional
        Do it file to file, into this folder, even where there is a display.
    """
    if folder is None and has_display():
        import napari

        show(napari.Viewer())
        napari.run()
    else:
        write(folder or FOLDER)


def has_display() -> bool:
    """Whether a window can be opened: there is a screen, and a Qt binding."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        import qtpy  # noqa: F401
    except ImportError:
        return False
    return True


def show(viewer: napari.Viewer) -> None:
    """Load the nickel map, denoised beside raw, with the docks at the side.

    Parameters
    ----------
    viewer : napari.Viewer
        Its grid view is switched on.
    """
    from qtpy.QtWidgets import QApplication

    from .plugin.layers import add_to_viewer, scan_from_layer

    (raw,) = viewer.open_sample("napari-kikuchi", "nickel")
    denoised = denoise(scan_from_layer(raw))
    # Nine patterns: computed now, so that the sliders do not wait for the network.
    add_to_viewer(viewer, denoised.with_patterns(np.asarray(denoised.patterns)))
    for number, name in enumerate(DOCKS):
        viewer.window.add_plugin_dock_widget("napari-kikuchi", name, tabify=number > 0)
    viewer.canvas.grid.enabled = True
    # The docks have taken their room only after the window has drawn itself.
    QApplication.processEvents()
    viewer.reset_view()


def write(folder: Path) -> None:
    """Denoise the samples file to file, print their image quality before and after, and draw them side by side.

    Parameters
    ----------
    folder : Path
        Made if it is not there. What an earlier demo wrote there is replaced.

    Raises
    ------
    ScanError
        If the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    versions = {}
    for name in ATTRIBUTION:
        target = folder / f"{name}-denoised.up1"
        process_file(sample_path(name), target, Recipe.denoising(), overwrite=True)
        typer.echo(f"Wrote {target}")
        raw = open_scan(sample_path(name))
        patterns = {"raw": raw.patterns, "CLAHE": clahe(raw).patterns, "denoised": open_scan(target).patterns}
        versions[name] = {version: np.asarray(values) for version, values in patterns.items()}
    _print_quality(versions)
    picture = folder / "side-by-side.png"
    _draw(versions, picture)
    typer.echo(f"Wrote {picture}: raw, CLAHE and denoised side by side.")


def _print_quality(versions: dict[str, dict[str, NDArray[np.uint8]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("patterns", "raw", "CLAHE", "denoised", title="Image quality Q, mean over the patterns")
    for name, patterns in versions.items():
        table.add_row(name, *(f"{image_quality(version).mean():.3f}" for version in patterns.values()))
    Console().print(table)
    typer.echo(
        "Q says how smooth a pattern is, from 0 (noise) towards 1. It is not indexing: whether denoising helps,\n"
        "only an indexing run on raw and denoised patterns tells."
    )


def _draw(versions: dict[str, dict[str, NDArray[np.uint8]]], path: Path) -> None:
    """A row for each sample, its first pattern raw, equalised and denoised, each stretched to the full range."""
    from .opencv import cv2

    rows = []
    for name, patterns in versions.items():
        panels = [_panel(version[0], f"{name}, {label}") for label, version in patterns.items()]
        rows += [np.hstack(panels), _strip(f"{name}: {ATTRIBUTION[name]}", 3 * (PANEL + MARGIN))]
    _, png = cv2.imencode(".png", np.vstack(rows))
    # OpenCV itself cannot open every path that Windows has.
    path.write_bytes(png.tobytes())


def _panel(pattern: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    from .opencv import cv2

    stretched = np.rint(stretch(from_levels(pattern[None]))[0] * 255).astype(np.uint8)
    # Nearest neighbour: interpolation would smooth the noise that the picture is about.
    enlarged = cv2.resize(stretched, (PANEL, PANEL), interpolation=cv2.INTER_NEAREST)
    framed = np.pad(enlarged, ((0, 0), (0, MARGIN)), constant_values=255)
    return np.vstack([_strip(caption, PANEL + MARGIN), framed])


def _strip(text: str, width: int) -> NDArray[np.uint8]:
    from .opencv import cv2

    strip = np.full((STRIP, width), 255, dtype=np.uint8)
    # Before version 5 OpenCV draws ASCII only.
    cv2.putText(strip, text.replace("Å", "Aa"), (2, STRIP - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 0, 1, cv2.LINE_AA)
    return strip
