"""Rows and columns given in the real window."""

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.plugin.layers import index_shown, set_map
from napari_kikuchi.scan import Grid


@pytest.fixture
def told(monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_info", told.append)
    return told


@pytest.fixture
def viewer(make_napari_viewer, told, write_up, nickel, tmp_path):
    """A window with 12 patterns of a version-1 file that has no map."""
    path = write_up(tmp_path / "v1.up1", np.concatenate([nickel, nickel[:3]]), version=1)
    viewer = make_napari_viewer()
    viewer.open(path, plugin="napari-kikuchi")
    return viewer


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", "Set the map")[1]


def sizes(dock):
    return [(grid.rows, grid.columns) for grid in dock.fits.choices if isinstance(grid, Grid)]


def test_who_opens_a_file_without_a_map_is_told_where_to_set_it(viewer, told):
    assert len(told) == 1
    assert "v1.up1" in told[0]
    assert "Set the map" in told[0]


def test_a_file_with_a_map_is_opened_without_a_word(make_napari_viewer, told, nickel_up2):
    make_napari_viewer().open(nickel_up2, plugin="napari-kikuchi")
    assert told == []


def test_the_maps_that_fit_are_offered_nearest_to_square_first(dock):
    assert "12 patterns, no map" in dock.present.value
    assert sizes(dock) == [(3, 4), (4, 3), (2, 6), (6, 2), (1, 12), (12, 1)]
    dock.points.value = "hexagonal"
    assert all(grid.hexagonal and grid.size == 12 for grid in dock.fits.choices if isinstance(grid, Grid))
    assert (8, 2) in sizes(dock)


def test_the_layer_becomes_a_map_without_reading_it_again(viewer, dock):
    layer = viewer.layers[0]
    layer.contrast_limits = limits = (7, 99)
    mapped = layer.data
    viewer.dims.set_current_step(0, 6)
    dock.fits.value = Grid(4, 3)
    dock.step_x.value, dock.step_y.value = 0.5, 0.25
    dock.set_button.native.click()
    assert viewer.layers[0] is layer
    assert layer.data.shape == (4, 3, 60, 60)
    assert np.shares_memory(layer.data, mapped)
    assert index_shown(viewer, layer) == (2, 0)
    np.testing.assert_array_equal(layer._data_view, mapped[6])
    assert (layer.name, tuple(layer.contrast_limits)) == ("v1", limits)
    np.testing.assert_array_equal(layer.scale, (0.25, 0.5, 1, 1))
    assert tuple(layer.axis_labels) == ("row", "column", "y", "x")
    assert "4 rows x 3 columns" in dock.present.value
    viewer.dims.set_current_step(1, 2)
    np.testing.assert_array_equal(layer._data_view, mapped[8])


def test_what_is_saved_afterwards_carries_the_map(viewer, dock, tmp_path):
    dock.fits.value = Grid(4, 3)
    dock.step_x.value = dock.step_y.value = 0.5
    dock.set_map()
    viewer.layers[0].save(str(tmp_path / "saved.up1"), plugin="napari-kikuchi")
    again = nk.open_scan(tmp_path / "saved.up1")
    assert (again.grid, again.step) == (Grid(4, 3), (0.5, 0.5))
    np.testing.assert_array_equal(again.patterns, nk.open_scan(tmp_path / "v1.up1").patterns)


@pytest.mark.parametrize("short_first", [False, True])
def test_a_hexagonal_map_is_remembered_by_a_sequence(viewer, dock, tmp_path, short_first):
    dock.points.value = "hexagonal"
    dock.rows.value, dock.columns.value, dock.short_first.value = 5, 3, short_first
    assert ("1 points" in dock.status.value) == (not short_first)
    dock.set_map()
    scan = nk.scan_from_layer(viewer.layers[0])
    assert scan.grid == Grid(5, 3, hexagonal=True, short_first=short_first)
    assert viewer.layers[0].data.shape == (12, 60, 60)


def test_a_map_that_is_too_small_is_refused(viewer, dock, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.set_map_dock.show_error", shown.append)
    dock.rows.value, dock.columns.value = 2, 3
    assert "do not fit" in dock.status.value
    assert dock.fits.value == "other"
    dock.set_map()
    assert "12 patterns do not fit" in shown[0]
    assert viewer.layers[0].data.shape == (12, 60, 60)


def test_a_cut_scan_keeps_its_missing_points(viewer, dock):
    dock.rows.value, dock.columns.value = 4, 4
    assert "4 points" in dock.status.value
    dock.set_map()
    scan = nk.scan_from_layer(viewer.layers[0])
    assert (scan.grid, scan.missing) == (Grid(4, 4), 4)


def test_it_is_forgotten_again(viewer, dock):
    viewer.dims.set_current_step(0, 7)
    dock.set_map()
    assert index_shown(viewer, viewer.layers[0]) == (1, 3)
    dock.forget_button.native.click()
    layer = viewer.layers[0]
    assert layer.data.shape == (12, 60, 60)
    assert index_shown(viewer, layer) == (7,)
    assert nk.scan_from_layer(layer).grid is None
    assert viewer.dims.ndim == 3


def test_what_was_made_of_the_layer_gets_the_map_too_unless_unticked(viewer, dock):
    raw = viewer.layers[0]
    made = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), like=raw)
    assert not dock.others.native.isHidden()
    dock.set_map()
    assert made.data.shape == raw.data.shape == (3, 4, 60, 60)
    np.testing.assert_array_equal(np.asarray(made.data[1, 2]), nk.clahe(np.asarray(raw.data[1, 2])))
    dock.others.value = False
    dock.forget_map()
    assert (made.ndim, raw.ndim) == (4, 3)


def test_what_is_computed_as_one_browses_gets_the_map_too(viewer, dock):
    raw = viewer.layers[0]
    lazy = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)))
    dock.set_map()
    assert lazy.data.shape == (3, 4, 60, 60)
    assert not isinstance(lazy.data, np.ndarray)
    np.testing.assert_array_equal(np.asarray(lazy.data[2, 1]), nk.clahe(np.asarray(raw.data[2, 1])))
    dock.rows.value, dock.columns.value = 2, 6
    dock.set_map()
    np.testing.assert_array_equal(np.asarray(lazy.data[1, 3]), nk.clahe(np.asarray(raw.data[1, 3])))
    dock.forget_map()
    np.testing.assert_array_equal(np.asarray(lazy.data[9]), nk.clahe(np.asarray(raw.data[9])))


def test_the_navigator_shows_a_map_as_soon_as_it_is_set(qtbot, viewer, dock):
    navigator = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Navigator")[1]
    assert "rows and columns" in navigator.status.value
    dock.set_map()
    qtbot.waitUntil(lambda: bool(navigator.maps) and navigator.maps[0].growing.whole, timeout=20_000)
    assert navigator.maps[0].growing.grid == Grid(3, 4)
    dock.points.value = "hexagonal"
    dock.set_map()
    qtbot.waitUntil(lambda: navigator.maps[0].growing.grid.hexagonal, timeout=20_000)


def test_a_map_of_the_choice_is_drawn(qtbot, viewer, dock):
    qtbot.waitUntil(lambda: not dock.view.canvas._image.isNull(), timeout=20_000)
    assert dock.view.canvas.layout_shown.grid == Grid(3, 4)
    dock.fits.value = Grid(6, 2)
    assert dock.view.canvas.layout_shown.grid == Grid(6, 2)


def test_without_a_layer_it_says_what_to_do(make_napari_viewer, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.set_map_dock.show_error", shown.append)
    viewer = make_napari_viewer()
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Set the map")[1]
    dock.set_map()
    assert "Open or choose" in shown[0]


def test_a_single_pattern_has_no_map(viewer, dock):
    dock.layer.value = viewer.add_image(np.zeros((60, 60), np.uint8), name="one")
    assert dock.present.value == "no patterns"


def test_a_script_may_set_it(viewer):
    set_map(viewer.layers[0], Grid(2, 6), (1.0, 1.0))
    assert nk.scan_from_layer(viewer.layers[0]).grid == Grid(2, 6)
    with pytest.raises(nk.ScanError, match="do not fit"):
        set_map(viewer.layers[0], Grid(2, 5))
    assert viewer.layers[0].data.shape == (2, 6, 60, 60)
