"""A region drawn on the navigator's map, and the docks that take it over, in the real window."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

import napari_kikuchi as nk
from napari_kikuchi.plugin.drawn_regions import drawn_regions
from napari_kikuchi.plugin.layers import index_shown, set_map
from napari_kikuchi.plugin.map_layout import MapRegion
from napari_kikuchi.plugin.subset import REGION, WHOLE
from napari_kikuchi.scan import Grid

LEFT, SHIFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier(0)


def opened(viewer, name):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", name)[1]


@pytest.fixture
def navigator(viewer):
    return opened(viewer, "Navigator")


@pytest.fixture
def dock(viewer):
    dock = opened(viewer, "Recipe")
    dock.preview.value = False
    dock.show_recipe(nk.Recipe([nk.Clahe(2.0)]))
    return dock


def drag(qtbot, canvas, first, last, key=SHIFT):
    """Drag from the middle of one point to that of another one."""
    start, end = canvas.place_of(first).toPoint(), canvas.place_of(last).toPoint()
    qtbot.mousePress(canvas, LEFT, key, start)
    place = QPointF(end)
    move = QMouseEvent(QEvent.Type.MouseMove, place, QPointF(canvas.mapToGlobal(end)), LEFT, LEFT, key)
    QApplication.sendEvent(canvas, move)
    qtbot.mouseRelease(canvas, LEFT, key, end)


def corners(subset):
    return subset.which.value, subset.rows.value, subset.columns.value


@pytest.mark.bindings
def test_a_region_drawn_on_the_map_is_what_the_recipe_runs_over(qtbot, viewer, navigator, dock):
    raw = viewer.layers[0]
    stood = index_shown(viewer, raw)
    drag(qtbot, navigator.canvas, 7, 3)
    assert navigator.canvas.region == MapRegion((1, 2), (0, 1))
    assert navigator.drawn_region.text() == "rows 1-2, columns 0-1: 4 patterns"
    assert corners(dock.subset) == (REGION, (1, 2), (0, 1))
    assert index_shown(viewer, raw) == stood
    dock.run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and dock.run_button.enabled, timeout=30_000)
    result = nk.scan_from_layer(viewer.layers[-1])
    expected = nk.clahe(nk.scan_from_layer(raw).region((1, 3), (0, 2)), 2.0)
    np.testing.assert_array_equal(result.patterns, expected.patterns)


def test_the_button_lets_a_plain_drag_draw_once_and_clears(qtbot, navigator, dock):
    navigator.draw_button.click()
    drag(qtbot, navigator.canvas, 0, 4, NO_KEY)
    assert corners(dock.subset) == (REGION, (0, 1), (0, 1))
    drag(qtbot, navigator.canvas, 4, 8, NO_KEY)
    assert corners(dock.subset) == (REGION, (0, 1), (0, 1))
    navigator.draw_button.click()
    assert navigator.canvas.region is None
    assert navigator.drawn_region.text() == ""
    assert corners(dock.subset) == (WHOLE, (0, 2), (0, 2))


@pytest.mark.parametrize("how", ["Escape", "click"])
def test_a_region_is_cleared_on_the_map_itself(qtbot, navigator, dock, how):
    drag(qtbot, navigator.canvas, 0, 4)
    if how == "Escape":
        qtbot.keyClick(navigator.canvas, Qt.Key.Key_Escape)
    else:
        qtbot.mouseClick(navigator.canvas, LEFT, SHIFT, navigator.canvas.place_of(2).toPoint())
    assert navigator.canvas.region is None
    assert dock.subset.which.value == WHOLE


def test_corners_that_were_typed_stay_when_the_drawn_ones_are_cleared(qtbot, navigator, dock):
    drag(qtbot, navigator.canvas, 0, 4)
    dock.subset.rows.value = 0, 2
    qtbot.keyClick(navigator.canvas, Qt.Key.Key_Escape)
    assert corners(dock.subset) == (REGION, (0, 2), (0, 1))


@pytest.mark.parametrize("name", ["Export patterns", "CLAHE"])
def test_a_dock_that_is_opened_later_takes_the_region_over(qtbot, viewer, navigator, name):
    drag(qtbot, navigator.canvas, 1, 5)
    assert corners(opened(viewer, name).subset) == (REGION, (0, 1), (1, 2))


def test_a_region_is_that_of_the_layer_on_whose_map_it_was_drawn(qtbot, viewer, navigator, dock):
    raw = viewer.layers[0]
    other = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), "other", like=raw)
    dock.layer.value = other
    drag(qtbot, navigator.canvas, 0, 4)
    assert dock.subset.which.value == WHOLE
    dock.layer.value = raw
    assert dock.subset.which.value == REGION
    dock.layer.value = other
    assert dock.subset.which.value == WHOLE
    navigator.layer.value = other
    assert navigator.canvas.region is None


def test_two_maps_beside_one_another_have_one_region(qtbot, viewer, navigator, dock):
    raw = viewer.layers[0]
    navigator.beside.value = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), "other", like=raw)
    second = navigator._views[1].canvas
    drag(qtbot, second, 0, 4)
    assert navigator.canvas.region == second.region == MapRegion((0, 1), (0, 1))
    assert dock.subset.which.value == REGION


def test_another_map_has_no_region_yet(qtbot, viewer, navigator):
    drag(qtbot, navigator.canvas, 0, 4)
    set_map(viewer.layers[0], Grid(1, 9))
    assert navigator.canvas.region is None


def test_closed_docks_no_longer_listen(qtbot, viewer, navigator, dock):
    canvas, layer = navigator.canvas, viewer.layers[0]
    viewer.window.remove_dock_widget(dock.native)
    drag(qtbot, canvas, 0, 4)
    assert dock.subset.which.value == WHOLE
    viewer.window.remove_dock_widget(navigator.native)
    drawn_regions.draw(layer, Grid(3, 3), None)
    assert canvas.region == MapRegion((0, 1), (0, 1))


def test_setting_a_map_draws_no_region(qtbot, viewer):
    canvas = opened(viewer, "Set the map").view.canvas
    drag(qtbot, canvas, 0, 4)
    assert canvas.region is None
