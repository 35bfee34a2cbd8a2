"""Two layers compared in the real window."""

import csv

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

import napari_kikuchi as nk
from napari_kikuchi.plugin.compare_dock import as_pictures
from napari_kikuchi.plugin.histogram import counted
from napari_kikuchi.plugin.shortcuts import compared
from napari_kikuchi.processing.quality import image_quality


@pytest.fixture
def made(viewer):
    raw = viewer.layers[0]
    scan = nk.clahe(nk.scan_from_layer(raw))
    return nk.add_to_viewer(viewer, scan.with_patterns(np.asarray(scan.patterns)), like=raw)


def opened(qtbot, viewer):
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Compare layers")[1]
    qtbot.waitUntil(lambda: not dock.busy, timeout=20_000)
    return dock


@pytest.fixture
def dock(qtbot, viewer, made):
    return opened(qtbot, viewer)


def cell(dock, line, place):
    return dock.table.item(line, place).text()


def settled(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.busy, timeout=20_000)


def test_the_first_and_the_newest_layer_are_compared(viewer, made, dock):
    assert (dock.first.value, dock.second.value) == (viewer.layers[0], made)
    assert compared[viewer] == (viewer.layers[0], made)


def test_the_pattern_shown_is_drawn_and_measured(qtbot, viewer, made, dock):
    raw = viewer.layers[0]
    viewer.dims.set_current_step(0, 2)
    settled(qtbot, dock)
    expected = as_pictures(np.asarray(raw.data[2, 1]), np.asarray(made.data[2, 1]), one_contrast=True)
    for canvas, picture in zip(dock.canvases, expected, strict=True):
        np.testing.assert_array_equal(canvas.levels, picture)
    assert cell(dock, 0, 0) == f"{image_quality(raw.data[2, 1][None])[0]:.4g}"
    assert cell(dock, 0, 1) == f"{image_quality(made.data[2, 1][None])[0]:.4g}"


def test_contrast_is_one_for_both_or_each_its_own(qtbot, viewer, made, dock):
    raw = viewer.layers[0]
    dock.one_contrast.value = False
    expected = as_pictures(np.asarray(raw.data[1, 1]), np.asarray(made.data[1, 1]), one_contrast=False)
    np.testing.assert_array_equal(dock.canvases[0].levels, expected[0])


def test_means_and_histogram_are_of_patterns_spread_over_the_map(qtbot, viewer, made, dock):
    assert len(dock.sample.points) == 9
    expected = [image_quality(layer.data.reshape(9, 60, 60)) for layer in (viewer.layers[0], made)]
    assert cell(dock, 0, 2) == f"{expected[0].mean():.4g}"
    assert cell(dock, 0, 3) == f"{expected[1].mean():.4g}"
    np.testing.assert_array_equal(dock.histogram.counts, counted(*expected)[1])
    dock.patterns.value = 3
    settled(qtbot, dock)
    assert dock.sample.points.tolist() == [0, 4, 8]


def test_figures_are_copied_and_saved_a_line_for_each_pattern(qtbot, viewer, dock, tmp_path):
    dock.copy_button.native.click()
    copied = QApplication.clipboard().text()
    dock.save(tmp_path / "figures.csv")
    with (tmp_path / "figures.csv").open() as file:
        lines = list(csv.reader(file))
    assert [line.split("\t") for line in copied.splitlines()] == lines
    assert len(lines) == 1 + 1 + 9
    assert lines[1][:3] == ["4", "1", "1"]


def test_a_file_that_cannot_be_written_is_told(dock, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.compare_dock.show_error", shown.append)
    dock.save(tmp_path / "nowhere" / "figures.csv")
    assert "no folder" in shown[0]


def test_side_by_side_shows_the_two_with_one_contrast_and_puts_all_back(qtbot, viewer, made, dock):
    raw = viewer.layers[0]
    other = viewer.add_image(np.zeros((3, 3, 60, 60)), name="other")
    raw.contrast_limits, made.contrast_limits = (100, 40_000), (0, 60_000)
    dock.side_by_side.value = True
    assert viewer.canvas.grid.enabled
    assert [layer.visible for layer in (raw, made, other)] == [True, True, False]
    raw.contrast_limits = (50, 30_000)
    assert tuple(made.contrast_limits) == (50, 30_000)
    dock.side_by_side.value = False
    assert not viewer.canvas.grid.enabled
    assert other.visible
    assert tuple(made.contrast_limits) == (0, 60_000)
    raw.contrast_limits = (1, 2)
    assert tuple(made.contrast_limits) == (0, 60_000)


def test_a_blink_shows_them_in_turns_and_puts_all_back(qtbot, viewer, made, dock):
    raw = viewer.layers[0]
    dock.rate.value = 10.0
    dock.blink.value = True
    seen = set()

    def both_were_seen():
        seen.add((raw.visible, made.visible))
        return seen == {(True, False), (False, True)}

    qtbot.waitUntil(both_were_seen, timeout=10_000)
    dock.blink.value = False
    assert (raw.visible, made.visible) == (True, True)
    assert not dock._staging._timer.isActive()


def test_one_way_of_showing_ends_the_other(viewer, dock):
    dock.blink.value = True
    dock.side_by_side.value = True
    assert not dock.blink.value
    assert viewer.canvas.grid.enabled
    dock.blink.value = True
    assert not dock.side_by_side.value
    assert not viewer.canvas.grid.enabled


@pytest.mark.parametrize("way", ["blink", "side_by_side"])
def test_a_closed_dock_puts_the_window_back_and_no_longer_listens(qtbot, viewer, made, dock, way):
    getattr(dock, way).value = True
    viewer.window.remove_dock_widget(dock.native)
    assert not viewer.canvas.grid.enabled
    assert all(layer.visible for layer in viewer.layers)
    assert viewer not in compared
    viewer.dims.set_current_step(0, 0)
    viewer.layers.remove(made)


@pytest.mark.parametrize("way", ["blink", "side_by_side"])
def test_a_layer_that_is_removed_ends_the_comparison(qtbot, viewer, made, dock, way):
    getattr(dock, way).value = True
    viewer.layers.remove(made)
    settled(qtbot, dock)
    assert "two layers" in dock.status.value
    assert not viewer.canvas.grid.enabled
    assert viewer.layers[0].visible
    assert dock.canvases[0].levels is None


@pytest.mark.parametrize("way", ["blink", "side_by_side"])
def test_napari_closes_meanwhile(qtbot, viewer, dock, way):
    getattr(dock, way).value = True
    viewer.close()


def test_a_new_layer_is_taken_where_there_was_no_second(qtbot, viewer):
    dock = opened(qtbot, viewer)
    assert "two layers" in dock.status.value
    other = viewer.add_image(np.asarray(viewer.layers[0].data), name="other", rgb=False)
    settled(qtbot, dock)
    assert dock.second.value is other
    assert cell(dock, 3, 3) == "1"


def test_layers_of_other_points_are_refused(qtbot, viewer, made, dock):
    dock.second.value = viewer.add_image(np.zeros((2, 2, 60, 60), np.uint8), name="smaller")
    settled(qtbot, dock)
    assert "same points" in dock.status.value
    assert dock.canvases[0].levels is None
    assert [cell(dock, 0, place) for place in range(4)] == [""] * 4


def test_an_error_while_comparing_is_told(qtbot, viewer, made, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.compare_dock.show_error", shown.append)

    def fail(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("napari_kikuchi.comparison.read_points", fail)
    opened(qtbot, viewer)
    assert "the disk is gone" in shown


def test_a_difference_of_nothing_is_middle_grey():
    pattern = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert np.all(as_pictures(pattern, pattern, one_contrast=True)[2] == 128)


def test_patterns_of_two_depths_are_compared_by_their_shares(nickel):
    first, second, difference = as_pictures(nickel[0], nickel[0].astype(np.uint16) * 257, one_contrast=True)
    np.testing.assert_allclose(first.astype(int), second.astype(int), atol=1)
    np.testing.assert_allclose(difference.astype(int), 128, atol=1)
