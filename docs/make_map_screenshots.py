"""Make the pictures of docs/navigating.md: the real window, with a simulated map of nickel grains.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_map_screenshots.py
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import napari
import numpy as np
from make_screenshots import IMAGES, dock, rest, shoot, wait_until
from numpy.typing import NDArray

import napari_kikuchi as nk

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from simulated import Dataset, camera, grain_map  # noqa: E402

SIDE, GRAINS, ELECTRONS = 60, 45, 60.0


def grains(folder: Path) -> Path:
    """A square scan of grains that differ in brightness and sharpness, with mixed patterns along their boundaries."""
    data = grain_map(nk.MasterPattern.load(BENCHMARKS / "nickel.npz"), 60, side=SIDE, grains=GRAINS)
    random = np.random.default_rng(1)
    count = data.grains.max() + 1
    brightness, sharpness = random.uniform(0.7, 1.0, count), random.uniform(0.5, 1.0, count)
    bands = sharpness[data.grains, None, None].astype(np.float32)
    pixels = camera(data.background * (1 - bands) + at_boundaries(data) * bands, ELECTRONS)
    pixels = (pixels * brightness[data.grains, None, None]).astype(np.uint16)
    return nk.save_scan(folder / "grains.up2", nk.Scan(pixels, data.grid, (0.5, 0.5)))


def at_boundaries(data: Dataset) -> NDArray[np.float32]:
    """The patterns, where a point lies beside another grain mixed with that one's."""
    on_map = data.intensity.reshape(SIDE, SIDE, *data.intensity.shape[1:])
    owners = data.grains.reshape(SIDE, SIDE)
    mixed = on_map.copy()
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        differ = owners[here] != owners[there]
        mixed[here][differ] = (on_map[here][differ] + on_map[there][differ]) / 2
    return mixed.reshape(data.intensity.shape)


def hexagonal(folder: Path, square: Path) -> Path:
    """The same grains on a hexagonal grid that was cut short."""
    scan = nk.open_scan(square)
    grid = nk.Grid(SIDE + 8, SIDE, hexagonal=True)
    places = [grid.position(number) for number in range(grid.size - 200)]
    numbers = [round(row * (SIDE - 1) / (grid.rows - 1)) * SIDE + column for row, column in places]
    return nk.save_scan(folder / "hexagonal.up2", nk.Scan(scan.patterns[numbers], grid, (0.5, 0.433)))


def window(path: Path, theme: str = "dark") -> napari.Viewer:
    """A window of a lab laptop's size with a scan opened."""
    viewer = napari.Viewer()
    viewer.theme = theme
    viewer.window.resize(1366, 768)
    viewer.open(path, plugin="napari-kikuchi")
    return viewer


def with_denoised(viewer: napari.Viewer) -> None:
    """Add what the default network makes of the first layer."""
    raw = viewer.layers[0]
    denoised = nk.denoise(nk.scan_from_layer(raw))
    nk.add_to_viewer(viewer, denoised.with_patterns(np.asarray(denoised.patterns)), like=raw)


def navigator(path: Path, name: str, theme: str = "dark", of: str = "Image quality", point: int = 1300) -> None:
    """The navigator on one map."""
    viewer = window(path, theme)
    widget = dock(viewer, "Navigator")
    widget.of.value = of
    widget.go_to(point)
    wait_until(lambda: not widget.busy)
    shoot(viewer, name)


def comparison(path: Path) -> None:
    """Raw and denoised patterns side by side, in the light theme."""
    viewer = window(path, "light")
    with_denoised(viewer)
    widget = dock(viewer, "Compare layers")
    widget.one_contrast.value = False
    viewer.dims.set_current_step(0, 12)
    wait_until(lambda: not widget.busy)
    rest(0.5)
    shoot(viewer, "compare")


def set_map(path: Path, folder: Path) -> None:
    """Rows and columns of the same scan without its map."""
    plain = nk.save_scan(folder / "no-map.up2", replace(nk.open_scan(path), grid=None, step=(0.0, 0.0), source=None))
    viewer = window(plain)
    widget = dock(viewer, "Set the map")
    widget.fits.value = next(grid for grid in widget.fits.choices if grid.columns != SIDE)
    wait_until(lambda: widget.view.canvas.layout_shown is not None)
    rest(2)
    shoot(viewer, "set-map")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        scan = grains(Path(made))
        navigator(scan, "navigator")
        navigator(scan, "navigator-backscatter", of="Virtual backscatter")
        navigator(hexagonal(Path(made), scan), "navigator-hexagonal", "light")
        set_map(scan, Path(made))
        comparison(scan)
