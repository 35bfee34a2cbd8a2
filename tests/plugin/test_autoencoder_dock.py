import sys

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.model import DEFAULT_MODEL
from napari_kikuchi.plugin.subset import REGION


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", "Autoencoder denoising")[1]


def wait_for_result(qtbot, viewer, dock, layers=2):
    qtbot.waitUntil(lambda: len(viewer.layers) == layers and dock.run_button.enabled, timeout=120_000)


def test_opening_the_dock_loads_no_network(dock):
    assert dock.model.value == DEFAULT_MODEL
    assert dock.model.card.value
    assert "napari_kikuchi.autoencoder.networks" not in sys.modules or not dock.preview.value


def test_real_nickel_is_denoised_and_saved_with_its_header(qtbot, viewer, dock, nickel_up2, tmp_path):
    dock.run_button.native.click()
    assert "Loading the network" in dock.status.value
    wait_for_result(qtbot, viewer, dock)
    result = viewer.layers[-1]
    expected = nk.denoise(np.asarray(nk.open_scan(nickel_up2).patterns))
    np.testing.assert_array_equal(nk.scan_from_layer(result).patterns, expected)
    assert result.name == f"{nickel_up2.stem} (autoencoder)"
    assert viewer.canvas.grid.enabled

    target = tmp_path / "denoised.up2"
    result.save(str(target), plugin="napari-kikuchi")
    assert target.read_bytes()[:42] == nickel_up2.read_bytes()[:42]
    np.testing.assert_array_equal(nk.open_scan(target).patterns, expected)


def test_real_silicon_is_denoised_and_saved(qtbot, make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    viewer.open_sample("napari-kikuchi", "silicon")
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Autoencoder denoising")[1]
    dock.run()
    wait_for_result(qtbot, viewer, dock)
    raw, result = viewer.layers
    assert result.data.shape == raw.data.shape
    assert result.data.dtype == raw.data.dtype

    result.save(str(tmp_path / "denoised.up1"), plugin="napari-kikuchi")
    saved = nk.open_scan(tmp_path / "denoised.up1")
    assert saved.grid == nk.scan_from_layer(raw).grid
    np.testing.assert_array_equal(saved.patterns, nk.scan_from_layer(result).patterns)


@pytest.mark.parametrize(
    ("placement", "kinds"),
    [
        ("no CLAHE", ["autoencoder"]),
        ("before the network", ["clahe", "autoencoder"]),
        ("after the network", ["autoencoder", "clahe"]),
        ("before and after", ["clahe", "autoencoder", "clahe"]),
    ],
)
def test_clahe_goes_where_it_is_asked_for(dock, placement, kinds):
    dock.placement.value = placement
    dock.clip_limit.value = 2.5
    recipe = dock.make_recipe()
    assert [step.kind for step in recipe.steps] == kinds
    assert {step.clip_limit for step in recipe.steps if step.kind == "clahe"} <= {2.5}


def test_the_preview_shows_what_the_run_will_give(qtbot, viewer, dock):
    drawn = []
    dock.before_after.show_patterns = lambda before, after: drawn.append((before, after))
    dock.preview.value = True
    qtbot.waitUntil(lambda: bool(drawn), timeout=120_000)
    before, after = drawn[-1]
    raw = viewer.layers[0]
    np.testing.assert_array_equal(before, raw.data[1, 1])
    # A network adds up in another order for one pattern than for nine: within one level of 256.
    np.testing.assert_allclose(after, nk.denoise(nk.scan_from_layer(raw)).patterns[4], atol=257)


def test_a_model_that_is_not_there_is_said_before_the_work(qtbot, viewer, dock, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", shown.append)
    dock.model.add(tmp_path / "gone.keras")
    dock.run()
    qtbot.waitUntil(lambda: bool(shown) and dock.run_button.enabled, timeout=60_000)
    assert "gone.keras" in shown[0]
    assert len(viewer.layers) == 1


@pytest.mark.parametrize(
    ("answer", "chosen"), [(QMessageBox.StandardButton.Yes, True), (QMessageBox.StandardButton.No, False)]
)
def test_a_saved_model_is_asked_about(dock, tmp_path, monkeypatch, answer, chosen):
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or answer)
    dock.model.add(tmp_path)
    assert "can read and write files" in asked[0]
    assert (dock.model.value == str(tmp_path)) is chosen
    assert dock.make_recipe().steps[0].trust_model is chosen


def test_the_dock_fits_a_small_screen_with_all_that_it_can_show(dock):
    dock.placement.value, dock.subset.which.value = "before and after", REGION
    assert dock.native.minimumSizeHint().height() < 600
    assert dock.native.minimumSizeHint().width() < 420
