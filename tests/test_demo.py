"""The demo with a window and without one."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi import demo
from napari_kikuchi.cli import app
from napari_kikuchi.opencv import cv2


@pytest.fixture
def no_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_display_it_works_file_to_file(no_display, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["demo"])
    assert answer.exit_code == 0, answer.output
    folder = tmp_path / "demo-output"
    assert sorted(path.name for path in folder.iterdir()) == [
        "nickel-denoised.up1",
        "nickel-denoised.up1.recipe.toml",
        "side-by-side.png",
        "silicon-denoised.up1",
        "silicon-denoised.up1.recipe.toml",
    ]
    raw, denoised = nk.open_scan(nk.sample_path("nickel")), nk.open_scan(folder / "nickel-denoised.up1")
    for patterns in (raw.patterns, denoised.patterns):
        assert f"{nk.image_quality(patterns).mean():.3f}" in answer.stdout
    assert "It is not indexing" in answer.stdout
    assert "side-by-side.png" in answer.stdout

    picture = cv2.imdecode(np.fromfile(folder / "side-by-side.png", dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (2 * (demo.PANEL + 2 * demo.STRIP), 3 * (demo.PANEL + demo.MARGIN))
    panels = [picture[demo.STRIP :, column : column + demo.PANEL][: demo.PANEL] for column in (0, 492, 984)]
    assert all(panel.min() == 0 and panel.max() == 255 for panel in panels)
    assert not any(np.array_equal(a, b) for a, b in pairwise(panels))


def test_an_earlier_demo_is_replaced(tmp_path):
    for _ in range(2):
        demo.write(tmp_path / "somewhere" / "new")
    assert len(list((tmp_path / "somewhere" / "new").iterdir())) == 5


def test_with_a_display_it_shows_raw_and_denoised_side_by_side(make_napari_viewer):
    viewer = make_napari_viewer()
    demo.show(viewer)
    raw, denoised = viewer.layers
    assert raw.data.shape == denoised.data.shape == (3, 3, 60, 60)
    assert isinstance(denoised.data, np.ndarray)
    np.testing.assert_array_equal(raw.scale, denoised.scale)
    assert not np.array_equal(raw.data, denoised.data)
    assert viewer.canvas.grid.enabled
    docked = viewer.window.dock_widgets
    assert [name for name in demo.DOCKS if any(name in title for title in docked)] == list(demo.DOCKS)


def test_a_display_is_asked_of_the_system(no_display, monkeypatch):
    assert not demo.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert demo.has_display()
    monkeypatch.setitem(sys.modules, "qtpy", None)
    assert not demo.has_display()


def test_other_systems_have_one(no_display, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert demo.has_display()
