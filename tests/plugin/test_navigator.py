"""The navigator in the real window."""

import threading

import dask.array as da
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

import napari_kikuchi as nk
from napari_kikuchi.plugin.layers import index_shown
from napari_kikuchi.scan import Grid, Scan

DOCK = ("napari-kikuchi", "Navigator")


def opened(viewer):
    return viewer.window.add_plugin_dock_widget(*DOCK)[1]


@pytest.fixture
def dock(qtbot, viewer):
    dock = opened(viewer)
    grown(qtbot, dock)
    return dock


def grown(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.busy and not dock.canvas._image.isNull(), timeout=20_000)


def click(qtbot, canvas, number):
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.place_of(number).toPoint())


@pytest.fixture
def hexagonal(qtbot, make_napari_viewer, write_up, nickel, tmp_path):
    """A window with a hexagonal map, a point of which is missing."""
    patterns = np.concatenate([nickel, nickel])[:11]
    path = write_up(tmp_path / "hex.up1", patterns, grid=(5, 3), hexagonal=1)
    viewer = make_napari_viewer()
    with pytest.warns(nk.ScanWarning, match="missing"):
        viewer.open(path, plugin="napari-kikuchi")
    dock = opened(viewer)
    grown(qtbot, dock)
    return viewer, dock


def test_the_map_is_that_of_the_scripted_api(qtbot, viewer, dock, nickel_up2):
    scan = nk.open_scan(nickel_up2)
    for choice, of in (("Image quality", "image-quality"), ("Mean intensity", "mean-intensity")):
        dock.of.value = choice
        grown(qtbot, dock)
        np.testing.assert_array_equal(dock.maps[0].growing.values, nk.map_of(scan, of))
    dock.of.value = "Virtual backscatter"
    dock.region.value = "0,0.5,0.5,0.5"
    grown(qtbot, dock)
    expected = nk.map_of(scan, "virtual-backscatter", region=(0, 0.5, 0.5, 0.5))
    np.testing.assert_array_equal(dock.maps[0].growing.values, expected)


@pytest.mark.parametrize("number", range(9))
def test_a_click_moves_every_layer_to_the_pattern(qtbot, viewer, dock, number):
    raw = viewer.layers[0]
    other = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), like=raw)
    click(qtbot, dock.canvas, number)
    for layer in (raw, other):
        assert index_shown(viewer, layer) == divmod(number, 3)
        np.testing.assert_array_equal(layer._data_view, np.asarray(layer.data[divmod(number, 3)]))


def test_a_drag_moves_on_and_stays_on_the_map(qtbot, viewer, dock):
    canvas = dock.canvas
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=canvas.place_of(0).toPoint())
    far = QPoint(canvas.width() - 1, canvas.height() - 1)
    event = type_of_move(canvas, far)
    QApplication.sendEvent(canvas, event)
    assert index_shown(viewer, viewer.layers[0]) == (2, 2)


def type_of_move(canvas, place):
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent

    left = Qt.MouseButton.LeftButton
    return QMouseEvent(
        QEvent.Type.MouseMove, QPointF(place), QPointF(canvas.mapToGlobal(place)), left, left, Qt.KeyboardModifier(0)
    )


def test_the_cursor_follows_the_sliders(viewer, dock):
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 0)
    assert dock.canvas.number == 6
    assert "row 2, column 0, pattern 6" in dock.under_mouse.value


def test_what_is_under_the_mouse_is_told(qtbot, viewer, dock):
    dock.canvas.hovered.emit(5)
    value = dock.maps[0].growing.values[1, 2]
    assert dock.under_mouse.value == f"row 1, column 2, pattern 5: {value:.4g}"
    dock.canvas.hovered.emit(-1)
    assert "row 1, column 1, pattern 4" in dock.under_mouse.value


def test_a_hexagonal_map_is_drawn_and_walked_as_one(qtbot, hexagonal):
    viewer, dock = hexagonal
    assert dock.maps[0].layout.picture(dock.maps[0].growing.values).shape == (5, 6, 4)
    assert dock.canvas.place_of(3).x() == pytest.approx((dock.canvas.place_of(0).x() + dock.canvas.place_of(1).x()) / 2)
    for number in range(11):
        click(qtbot, dock.canvas, number)
        assert viewer.dims.current_step[0] == number
    viewer.dims.set_current_step(0, 4)
    assert dock.canvas.number == 4


def test_missing_points_stay_empty(qtbot, hexagonal):
    viewer, dock = hexagonal
    growing = dock.maps[0].growing
    assert growing.whole
    assert np.isnan(growing.values).sum() == 15 - 11
    shown = dock.canvas._pixels[..., 3]
    assert (shown[-1] == 0).sum() == 4  # the last pattern of five rows of three, two pixels a point: one row cut short
    place = dock.canvas.place_of(12).toPoint()
    assert dock.canvas.number_at(QPointF(place)) is None
    qtbot.mouseClick(dock.canvas, Qt.MouseButton.LeftButton, pos=place)
    assert viewer.dims.current_step[0] == 10


def test_keys_work_after_a_click_on_the_map(qtbot, viewer, dock):
    viewer.window._qt_window.activateWindow()
    click(qtbot, dock.canvas, 0)
    qtbot.keyClick(dock.canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert index_shown(viewer, viewer.layers[0]) == (0, 1)
    assert dock.canvas.number == 1


def test_the_wheel_zooms_about_the_mouse_and_a_double_click_shows_all(qtbot, viewer, dock):
    canvas = dock.canvas
    place = canvas.place_of(8)
    for _ in range(4):
        wheel = QWheelEvent(
            place, QPointF(canvas.mapToGlobal(place.toPoint())), QPoint(0, 0), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(canvas, wheel)
    assert canvas.number_at(place) == 8
    assert canvas.place_of(0).x() < 0
    canvas.mouseDoubleClickEvent(None)
    assert canvas.place_of(0).x() > 0


def test_a_second_layer_has_its_map_beside(qtbot, viewer, dock):
    raw = viewer.layers[0]
    other = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), like=raw)
    dock.beside.value = other
    grown(qtbot, dock)
    assert [one.layer for one in dock.maps] == [raw, other]
    np.testing.assert_array_equal(dock.maps[1].growing.values, nk.map_of(nk.scan_from_layer(other)))
    click(qtbot, dock._views[1].canvas, 7)
    assert dock.canvas.number == 7


def test_a_region_is_drawn_on_the_pattern(qtbot, viewer, dock):
    dock.of.value = "Virtual backscatter"
    grown(qtbot, dock)
    canvas = dock.region_canvas
    qtbot.waitUntil(lambda: canvas.levels is not None, timeout=10_000)
    area = canvas.area()
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=area.topLeft().toPoint())
    QApplication.sendEvent(canvas, type_of_move(canvas, area.center().toPoint()))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=area.center().toPoint())
    x, y, width, height = (float(number) for number in dock.region.value.split(","))
    assert (x, y) == pytest.approx((0, 0), abs=0.02)
    assert (width, height) == pytest.approx((0.5, 0.5), abs=0.02)
    grown(qtbot, dock)
    scan = nk.scan_from_layer(viewer.layers[0])
    expected = nk.map_of(scan, "virtual-backscatter", region=(x, y, width, height))
    np.testing.assert_array_equal(dock.maps[0].growing.values, expected)


def test_the_region_lies_on_the_pattern_that_is_shown(qtbot, viewer, dock):
    dock.of.value = "Virtual backscatter"
    qtbot.waitUntil(lambda: dock.region_canvas.levels is not None, timeout=10_000)
    before = dock.region_canvas.levels
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: not np.array_equal(dock.region_canvas.levels, before), timeout=10_000)


@pytest.mark.parametrize("of", ["Image quality", "Virtual backscatter"])
def test_a_layer_of_no_patterns_is_told(viewer, dock, of):
    dock.of.value = of
    dock.layer.value = viewer.add_image(np.zeros((20, 20, 3), np.uint8), name="photograph", rgb=True)
    assert "colours" in dock.status.value
    assert not dock.maps


@pytest.mark.parametrize("text", ["nonsense", "0,0,2,2", ""])
def test_what_is_no_region_is_told(viewer, dock, text):
    dock.of.value = "Virtual backscatter"
    dock.region.value = text
    assert "region" in dock.status.value
    assert not dock.maps


def test_a_map_becomes_a_layer_with_the_scale_of_the_map(qtbot, viewer, dock):
    dock.add_button.native.click()
    layer = viewer.layers[-1]
    assert layer.name == "nickel image quality"
    np.testing.assert_allclose(layer.data, dock.maps[0].growing.values, rtol=1e-6)
    np.testing.assert_array_equal(layer.scale, (1.5, 1.5))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_a_map_is_saved_and_a_wrong_name_told(qtbot, viewer, dock, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.navigator.show_error", shown.append)
    dock.save(tmp_path / "map.tif")
    np.testing.assert_allclose(tifffile.imread(tmp_path / "map.tif"), dock.maps[0].growing.values, rtol=1e-6)
    dock.save(tmp_path / "map.docx")
    assert ".tif" in shown[0]


def test_a_layer_without_a_map_says_what_to_do(qtbot, make_napari_viewer, nickel, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.navigator.show_error", shown.append)
    viewer = make_napari_viewer()
    viewer.add_image(nickel, name="plain")
    dock = opened(viewer)
    assert "rows and columns" in dock.status.value
    dock.add_as_layer()
    dock.save("map.tif")
    assert len(shown) == 2
    assert len(viewer.layers) == 1


def test_without_a_layer_it_waits_for_one(qtbot, make_napari_viewer, nickel_up2):
    viewer = make_napari_viewer()
    dock = opened(viewer)
    assert not dock.maps
    viewer.open(nickel_up2, plugin="napari-kikuchi")
    grown(qtbot, dock)
    assert dock.maps[0].growing.whole


class Slow:
    """A lazy scan each of whose patterns waits to be let through."""

    def __init__(self, n=100):
        self.gate, self.computed = threading.Semaphore(0), 0
        numbers = da.from_array(np.arange(n, dtype=np.uint16), chunks=1)
        patterns = numbers.map_blocks(
            self.compute, chunks=((1,) * n, (4,), (4,)), new_axis=[1, 2], dtype=np.uint16,
            meta=np.empty((0, 0, 0), np.uint16),
        )  # fmt: skip
        self.scan = Scan(patterns, Grid(10, n // 10))

    def compute(self, numbers):
        if threading.current_thread() is not threading.main_thread():
            assert self.gate.acquire(timeout=20)
            self.computed += 1
        return np.broadcast_to(numbers[:, None, None], (len(numbers), 4, 4)).astype(np.uint16)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.BATCH_PIXELS", 4 * 4)
    import dask

    with dask.config.set(scheduler="synchronous"):
        slow = Slow()
        yield slow
        slow.gate.release(1000)


def threads_end(qtbot):
    def running():
        return [one for one in threading.enumerate() if type(one).__module__ == "napari_kikuchi.plugin.background"]

    qtbot.waitUntil(lambda: not running(), timeout=20_000)


def test_a_map_grows_while_the_window_lives(qtbot, make_napari_viewer, slow):
    viewer = make_napari_viewer()
    nk.add_to_viewer(viewer, slow.scan, "slow")
    dock = opened(viewer)
    slow.gate.release(10)
    qtbot.waitUntil(lambda: dock.maps[0].growing.known == 10, timeout=20_000)
    dock.go_to(55)
    assert index_shown(viewer, viewer.layers[0]) == (5, 5)
    slow.gate.release(1000)
    dock.of.value = "Mean intensity"
    grown(qtbot, dock)
    np.testing.assert_array_equal(dock.maps[0].growing.values.ravel(), np.arange(100))


def test_a_removed_layer_ends_its_map(qtbot, make_napari_viewer, slow, nickel_up2):
    viewer = make_napari_viewer()
    layer = nk.add_to_viewer(viewer, slow.scan, "slow")
    dock = opened(viewer)
    slow.gate.release(3)
    viewer.layers.remove(layer)
    slow.gate.release(1000)
    threads_end(qtbot)
    assert not dock.maps
    viewer.open(nickel_up2, plugin="napari-kikuchi")
    grown(qtbot, dock)


def test_a_closed_dock_ends_its_map_and_no_longer_listens(qtbot, make_napari_viewer, slow):
    viewer = make_napari_viewer()
    nk.add_to_viewer(viewer, slow.scan, "slow")
    dock = opened(viewer)
    slow.gate.release(3)
    before = len(viewer.dims.events.point.callbacks)
    viewer.window.remove_dock_widget(dock.native)
    assert len(viewer.dims.events.point.callbacks) == before - 1
    slow.gate.release(1000)
    threads_end(qtbot)
    assert slow.computed <= 3 + 1
    viewer.dims.set_current_step(0, 0)


def test_napari_closes_while_a_map_grows(qtbot, make_napari_viewer, slow):
    viewer = make_napari_viewer()
    nk.add_to_viewer(viewer, slow.scan, "slow")
    opened(viewer)
    slow.gate.release(3)
    viewer.close()
    slow.gate.release(1000)
    threads_end(qtbot)
    assert slow.computed <= 3 + 1


def test_going_back_to_a_map_goes_on_where_it_was(qtbot, make_napari_viewer, slow):
    viewer = make_napari_viewer()
    nk.add_to_viewer(viewer, slow.scan, "slow")
    dock = opened(viewer)
    slow.gate.release(1000)
    grown(qtbot, dock)
    dock.of.value = "Mean intensity"
    grown(qtbot, dock)
    dock.of.value = "Image quality"
    grown(qtbot, dock)
    assert slow.computed == 2 * 100


def test_what_has_to_be_computed_is_sampled_until_one_asks_for_more(qtbot, viewer, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.ON_DEMAND", 4)
    monkeypatch.setattr("napari_kikuchi.scan_maps.BATCH_PIXELS", 1)
    raw = viewer.layers[0]
    monkeypatch.setattr("napari_kikuchi.pipeline.blocks.BLOCK_PIXELS", 60 * 60)
    lazy = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), "lazy", like=raw)
    dock = opened(viewer)
    dock.layer.value = lazy
    qtbot.waitUntil(lambda: not dock.busy and dock.maps[0].growing.known > 0, timeout=20_000)
    assert 4 <= dock.maps[0].growing.known < 9
    assert "of 9)" in dock._views[0].state.text()
    dock.rest_button.native.click()
    qtbot.waitUntil(lambda: dock.maps[0].growing.whole and not dock.busy, timeout=20_000)


def test_an_error_while_a_map_grows_is_told(qtbot, viewer, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.navigator.show_error", shown.append)

    def fail(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("napari_kikuchi.scan_maps.measure", fail)
    dock = opened(viewer)
    qtbot.waitUntil(lambda: bool(shown), timeout=20_000)
    assert shown == ["the disk is gone"]
    assert not dock.busy
