"""What a dock runs over, where the result goes, and how a run ends that does not come to its end."""

import threading

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.autoencoder import remote
from napari_kikuchi.plugin.dock import FILE, LAZY, MEMORY
from napari_kikuchi.plugin.runner import told
from napari_kikuchi.plugin.subset import EVERY, REGION
from napari_kikuchi.recipe import Clahe

CLAHE = nk.Recipe([nk.Clahe(2.0)])


@pytest.fixture
def dock(viewer):
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Recipe")[1]
    dock.preview.value = False
    dock.show_recipe(CLAHE)
    return dock


@pytest.fixture
def shown(monkeypatch):
    errors = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", errors.append)
    return errors


@pytest.fixture
def held(monkeypatch):
    """One pattern a block, and from the second one on each waits until it is let go; a list that grows with each."""
    equalise, done = Clahe.__call__, Held()

    def slow(self, patterns, mask=None):
        done.append(len(patterns))
        if len(done) > 1:
            done.let_go.wait(60)
        return equalise(self, patterns, mask)

    monkeypatch.setattr("napari_kikuchi.pipeline.blocks.BLOCK_PIXELS", 60 * 60)
    monkeypatch.setattr("napari_kikuchi.pipeline.blocks.usable_cores", lambda: 1)
    monkeypatch.setattr(Clahe, "__call__", slow)
    yield done
    done.let_go.set()


@pytest.fixture
def finishing(monkeypatch):
    """Everything is computed, and the run waits before its end until it is let go; a list that grows with each."""
    begun = Held()

    def slow_limits(_):
        begun.append(1)
        begun.let_go.wait(60)
        return 0.0, 1.0

    monkeypatch.setattr("napari_kikuchi.plugin.run.contrast_limits", slow_limits)
    yield begun
    begun.let_go.set()


class Held(list):
    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()


def run(qtbot, viewer, dock, layers=2):
    dock.run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == layers and dock.run_button.enabled, timeout=30_000)
    return viewer.layers[-1]


@pytest.mark.bindings
def test_a_region_of_the_map_is_run_and_lies_where_it_was(qtbot, viewer, dock):
    raw = viewer.layers[0]
    dock.subset.show_region((1, 2), (0, 1))
    result = run(qtbot, viewer, dock)
    scan = nk.scan_from_layer(raw).region((1, 3), (0, 2))
    np.testing.assert_array_equal(result.data.reshape(-1, 60, 60), nk.apply(scan, CLAHE).patterns)
    assert nk.scan_from_layer(result).grid.shape == (2, 2)
    assert result.name == "nickel (clahe, rows 1-2, columns 0-1)"
    np.testing.assert_array_equal(result.data_to_world((0, 0, 0, 0)), raw.data_to_world((1, 0, 0, 0)))
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 1)
    np.testing.assert_array_equal(result._data_view, nk.clahe(np.asarray(raw._data_view), 2.0))


def test_the_region_begins_with_the_whole_map_and_is_shown_when_it_is_asked_for(dock):
    assert dock.subset.native.isHidden()
    dock.subset.which.value = REGION
    assert not dock.subset.native.isHidden()
    assert (dock.subset.rows.value, dock.subset.columns.value) == ((0, 2), (0, 2))


def test_a_region_goes_from_one_shown_pattern_to_another(viewer, dock):
    dock.subset.which.value = REGION
    for index, button in (((1, 0), dock.subset.first), ((2, 1), dock.subset.last)):
        for axis, place in enumerate(index):
            viewer.dims.set_current_step(axis, place)
        button.native.click()
    assert (dock.subset.rows.value, dock.subset.columns.value) == ((1, 2), (0, 1))


def test_every_second_pattern_makes_a_thinned_map(qtbot, viewer, dock):
    raw = viewer.layers[0]
    dock.subset.which.value = EVERY
    result = run(qtbot, viewer, dock)
    assert result.data.shape == (2, 2, 60, 60)
    assert result.name == "nickel (clahe, every 2)"
    np.testing.assert_array_equal(result.data_to_world((1, 1, 0, 0)), raw.data_to_world((2, 2, 0, 0)))
    np.testing.assert_array_equal(result.data[1, 1], nk.clahe(np.asarray(raw.data[2, 2]), 2.0))
    assert nk.scan_from_layer(result).step == (3.0, 3.0)


def test_a_region_needs_a_map(qtbot, viewer, dock, shown):
    dock.layer.value = viewer.add_image(np.zeros((4, 60, 60), np.uint8), rgb=False)
    dock.subset.which.value = REGION
    dock.run()
    assert "no map" in shown[0]


@pytest.mark.bindings
def test_a_lazy_layer_computes_what_is_looked_at(qtbot, viewer, dock):
    dock.into.value = LAZY
    result = run(qtbot, viewer, dock)
    assert not isinstance(result.data, np.ndarray)
    assert nk.scan_from_layer(result).recipe == CLAHE.to_toml()
    viewer.dims.set_current_step(0, 0)
    np.testing.assert_array_equal(result._data_view, nk.clahe(np.asarray(viewer.layers[0]._data_view), 2.0))


@pytest.mark.bindings
def test_a_file_is_written_and_opened_as_a_layer(qtbot, viewer, dock, monkeypatch, tmp_path, nickel_up2):
    target = tmp_path / "out.up2"
    monkeypatch.setattr("napari_kikuchi.plugin.dock.QFileDialog.getSaveFileName", lambda *_: (str(target), ""))
    dock.into.value = FILE
    result = run(qtbot, viewer, dock)
    nk.process_file(nickel_up2, tmp_path / "expected.up2", CLAHE)
    assert target.read_bytes() == (tmp_path / "expected.up2").read_bytes()
    assert nk.scan_from_layer(result).source.path == target
    assert nk.scan_from_layer(result).recipe == CLAHE.to_toml()
    assert result.name == "nickel (clahe)"


def test_a_file_dialog_that_is_closed_runs_nothing(dock, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.plugin.dock.QFileDialog.getSaveFileName", lambda *_: ("", ""))
    dock.into.value = FILE
    dock.run()
    assert not dock.runner.running


def start_into_file(qtbot, viewer, dock, target, held):
    scan = nk.scan_from_layer(viewer.layers[0])
    dock.run_to(target, scan, CLAHE, finish=lambda _: None)
    qtbot.waitUntil(lambda: len(held) > 1, timeout=30_000)


def left_in(folder):
    return {path.name for path in folder.iterdir()} - {"nickel.up2"}


@pytest.mark.bindings
def test_cancel_stops_within_a_block_and_leaves_no_file(qtbot, viewer, dock, tmp_path, held):
    start_into_file(qtbot, viewer, dock, tmp_path / "out.up2", held)
    dock.cancel_button.native.click()
    held.let_go.set()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert sum(held) < 5
    assert not left_in(tmp_path)
    assert "nothing was added" in dock.status.value
    assert not dock.progress.visible


def test_cancel_once_the_file_is_whole_comes_too_late(qtbot, viewer, dock, tmp_path, finishing):
    target, done = tmp_path / "out.up2", []
    dock.run_to(target, nk.scan_from_layer(viewer.layers[0]), CLAHE, finish=done.append)
    qtbot.waitUntil(lambda: len(finishing) > 0, timeout=30_000)
    dock.cancel_button.native.click()
    finishing.let_go.set()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    ((result, _),) = done
    assert result.source.path == target
    assert "nothing was added" not in dock.status.value


@pytest.mark.parametrize("into", [MEMORY, LAZY])
def test_cancel_after_the_last_block_adds_no_layer(qtbot, viewer, dock, finishing, into):
    dock.into.value = into
    dock.run()
    qtbot.waitUntil(lambda: len(finishing) > 0, timeout=30_000)
    dock.cancel_button.native.click()
    finishing.let_go.set()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert len(viewer.layers) == 1
    assert "nothing was added" in dock.status.value


@pytest.mark.bindings
@pytest.mark.parametrize("what", ["dock", "window"])
def test_closing_during_a_run_ends_it_and_leaves_no_file(qtbot, viewer, dock, tmp_path, held, what):
    start_into_file(qtbot, viewer, dock, tmp_path / "out.up2", held)
    if what == "dock":
        viewer.window.remove_dock_widget(dock.native)
    else:
        viewer.close()
    held.let_go.set()
    qtbot.waitUntil(lambda: not left_in(tmp_path), timeout=30_000)
    assert sum(held) < 5
    assert not (tmp_path / "out.up2").exists()


@pytest.mark.bindings
@pytest.mark.parametrize(
    ("error", "said"), [(MemoryError(), "Not enough memory"), (RuntimeError("no device"), "no device")]
)
def test_what_goes_wrong_is_shown_and_ends_the_bar(qtbot, viewer, dock, shown, monkeypatch, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(Clahe, "__call__", fail)
    dock.run()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=30_000)
    assert said in shown[0]
    assert said in dock.status.value
    assert not dock.progress.visible
    assert len(viewer.layers) == 1


def test_a_network_whose_process_is_killed_is_told_of(qtbot, viewer, dock, shown, monkeypatch):
    dock.show_recipe(nk.Recipe.denoising())
    send = remote._send

    def send_to_a_dying_process(pipe, message):
        if message[0] == "predict":
            remote._process._process.kill()
        send(pipe, message)

    monkeypatch.setattr(remote, "_send", send_to_a_dying_process)
    dock.run()
    qtbot.waitUntil(lambda: dock.run_button.enabled, timeout=120_000)
    assert "process ended unexpectedly" in shown[0]
    assert not dock.progress.visible


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        ((0, 90, 0, 0.0), "The first patterns are under way ..."),
        ((10, 90, 10, 2.0), "10 of 90 patterns, 5 a second, 0:16 left"),
        ((50, 90, 10, 2.0), "50 of 90 patterns, 5 a second, 0:08 left"),
        ((100, 1_000_000, 100, 1.0), "100 of 1000000 patterns, 100 a second, 2:46:39 left"),
        ((40, 90, 0, 0.0), "40 of 90 patterns"),
    ],
)
def test_progress_tells_the_rate_and_the_time_left(progress, sentence):
    assert told(*progress) == sentence
