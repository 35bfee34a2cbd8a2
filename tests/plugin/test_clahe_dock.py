import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.plugin.clahe_dock import ClaheDock


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", "CLAHE")[1]


def wait_for_result(qtbot, viewer, dock, layers=2):
    qtbot.waitUntil(lambda: len(viewer.layers) == layers and dock.run_button.enabled, timeout=30_000)


def test_the_whole_layer_is_equalised_beside_the_raw_one(qtbot, viewer, dock, nickel_up2):
    raw = viewer.layers[0]
    dock.clip_limit.value, dock.tiles.value = 5.0, (4, 6)
    dock.run_button.native.click()
    wait_for_result(qtbot, viewer, dock)
    result = viewer.layers[-1]
    expected = nk.clahe(nk.open_scan(nickel_up2), clip_limit=5.0, tiles=(4, 6))
    np.testing.assert_array_equal(nk.scan_from_layer(result).patterns, expected.patterns)
    assert result.name == f"{raw.name} (clahe)"
    np.testing.assert_array_equal(result.scale, raw.scale)
    assert (result.units, result.axis_labels) == (raw.units, raw.axis_labels)
    assert nk.scan_from_layer(result).recipe == expected.recipe
    assert viewer.canvas.grid.enabled
    assert "9 patterns" in dock.status.value


def test_raw_and_result_move_together(qtbot, viewer, dock):
    dock.run()
    wait_for_result(qtbot, viewer, dock)
    viewer.dims.set_current_step(0, 0)
    viewer.dims.set_current_step(1, 2)
    raw, result = viewer.layers
    np.testing.assert_array_equal(result._data_view, nk.clahe(np.asarray(raw.data[0, 2])))


def test_grid_view_is_a_choice_and_is_put_back(qtbot, viewer, dock):
    dock.side_by_side.value = False
    dock.run()
    wait_for_result(qtbot, viewer, dock)
    assert not viewer.canvas.grid.enabled
    dock.side_by_side.value = True
    dock.run()
    wait_for_result(qtbot, viewer, dock, layers=3)
    assert viewer.canvas.grid.enabled
    dock.side_by_side.value = False
    assert not viewer.canvas.grid.enabled


@pytest.mark.bindings
def test_the_preview_follows_the_sliders_and_the_knobs(qtbot, viewer, dock):
    drawn = []
    dock.before_after.show_patterns = lambda before, after: drawn.append((before, after))
    raw = viewer.layers[0].data

    def shows(index, clip_limit):
        return lambda: (
            bool(drawn)
            and np.array_equal(drawn[-1][0], raw[index])
            and np.array_equal(drawn[-1][1], nk.clahe(np.asarray(raw[index]), clip_limit))
        )

    dock.clip_limit.value = 7.0
    qtbot.waitUntil(shows((1, 1), 7.0), timeout=10_000)
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(shows((2, 1), 7.0), timeout=10_000)


def test_the_preview_can_be_switched_off(qtbot, viewer, dock):
    qtbot.waitUntil(lambda: dock.before_after.height() > 0, timeout=10_000)
    dock.preview.value = False
    assert dock.before_after.height() == 0


def test_without_a_layer_it_says_what_to_do(make_napari_viewer, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", shown.append)
    dock = ClaheDock(make_napari_viewer())
    dock.run()
    assert "Open or choose a layer" in dock.status.value
    assert shown == [dock.status.value]


def test_cancel_adds_nothing_and_frees_the_dock(qtbot, viewer, dock, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.pipeline.blocks.BLOCK_PIXELS", 60 * 60)
    dock.run()
    dock.cancel_button.native.click()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert len(viewer.layers) == 1
    assert "Cancelled" in dock.status.value
    assert not dock.cancel_button.enabled


def test_an_error_reaches_the_user_and_ends_the_run(qtbot, viewer, dock, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", shown.append)

    def fail(*_):
        raise RuntimeError("the device vanished")

    dock.preview.value = False
    monkeypatch.setattr("napari_kikuchi.recipe.Clahe.__call__", fail)
    dock.run()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert shown == ["the device vanished"]
    assert len(viewer.layers) == 1


def test_a_result_that_does_not_fit_into_memory_is_refused(qtbot, viewer, dock, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", shown.append)
    monkeypatch.setattr("napari_kikuchi.plugin.run.SHARE", 0)
    dock.run()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert "memory" in shown[0]


def test_a_closed_dock_no_longer_listens(qtbot, viewer, dock):
    viewer.window.remove_dock_widget(dock.native)
    viewer.dims.set_current_step(0, 0)


@pytest.mark.parametrize("shape", [(60, 60), (4, 60, 60)])
def test_a_result_lies_where_its_source_lies(qtbot, make_napari_viewer, shape):
    viewer = make_napari_viewer()
    patterns = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    raw = viewer.add_image(patterns, rgb=False, scale=[2.0] * len(shape), translate=[5.0] * len(shape))
    dock = ClaheDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.run()
    wait_for_result(qtbot, viewer, dock)
    result = viewer.layers[-1]
    assert result.data.shape == shape
    np.testing.assert_array_equal(result.scale, raw.scale)
    np.testing.assert_array_equal(result.translate, raw.translate)
