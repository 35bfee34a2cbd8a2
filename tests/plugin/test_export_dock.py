import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

import napari_kikuchi as nk
from napari_kikuchi.plugin import export_dock
from napari_kikuchi.plugin.export_dock import EDAX, IMAGES
from napari_kikuchi.plugin.subset import EVERY

PNG, UP1, UP2 = next(iter(IMAGES)), "EDAX UP1, 8 bits", "EDAX UP2, 16 bits"


@pytest.fixture
def export(viewer):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", "Export patterns")[1]


@pytest.fixture
def shown(monkeypatch):
    errors = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", errors.append)
    return errors


def run(qtbot, export, format, target):
    export.format.value, export.target.value = format, target
    export.export_button.native.click()
    qtbot.waitUntil(lambda: export.export_button.enabled, timeout=30_000)


def test_an_edax_file_keeps_the_header(qtbot, export, nickel_up2, tmp_path):
    run(qtbot, export, UP2, tmp_path / "out")
    assert (tmp_path / "out.up2").read_bytes() == nickel_up2.read_bytes()
    assert "9 patterns" in export.status.value


def test_every_second_pattern_goes_into_a_file_with_a_map_of_its_own(qtbot, export, nickel_up2, tmp_path):
    export.subset.which.value = EVERY
    run(qtbot, export, UP2, tmp_path / "out.up2")
    saved = nk.open_scan(tmp_path / "out.up2")
    assert (saved.grid.shape, saved.step) == ((2, 2), (3.0, 3.0))
    np.testing.assert_array_equal(saved.patterns, nk.open_scan(nickel_up2).every(2).patterns)


@pytest.mark.bindings
def test_the_indexing_softwares_files_are_told_of_and_copied(qtbot, export, nickel_up2, tmp_path):
    nickel_up2.with_suffix(".OSC").write_bytes(b"scan")
    nickel_up2.with_suffix(".ang").write_bytes(b"map")
    (tmp_path / "out.ang").write_bytes(b"another")
    run(qtbot, export, UP2, tmp_path / "out.up2")
    assert "out.osc or out.ang" in export.status.value
    assert export.copy_button.text == "Copy nickel.OSC as out.osc"
    export.copy_button.native.click()
    assert (tmp_path / "out.osc").read_bytes() == b"scan"
    assert (tmp_path / "out.ang").read_bytes() == b"another"
    assert not export.copy_button.visible


@pytest.mark.parametrize(
    ("answer", "replaced"), [(QMessageBox.StandardButton.Yes, True), (QMessageBox.StandardButton.No, False)]
)
def test_a_file_is_replaced_only_if_the_user_says_so(qtbot, export, tmp_path, monkeypatch, answer, replaced):
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answer)
    (tmp_path / "out.up2").write_bytes(b"mine")
    run(qtbot, export, UP2, tmp_path / "out.up2")
    assert ((tmp_path / "out.up2").read_bytes() != b"mine") is replaced


def test_the_file_that_the_layer_is_mapped_from_is_refused(qtbot, export, shown, nickel_up2, monkeypatch):
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    before = nickel_up2.read_bytes()
    run(qtbot, export, UP2, nickel_up2)
    assert "write to another name" in shown[0]
    assert nickel_up2.read_bytes() == before


def test_without_a_name_it_asks_for_one(export, shown):
    export.run()
    assert "where to export" in shown[0]


def test_an_existing_folder_is_not_overwritten(qtbot, export, shown, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    run(qtbot, export, PNG, tmp_path)
    assert shown
    assert (tmp_path / "mine.txt").read_text() == "keep me"


@pytest.mark.bindings
@pytest.mark.parametrize("format", [PNG, *EDAX])
def test_cancelling_an_export_leaves_nothing(qtbot, export, tmp_path, monkeypatch, format):
    target = tmp_path / "new" / "patterns"
    target.parent.mkdir()
    cancelled = threading.Event()
    for name in ("save_scan", "export_images"):
        write = getattr(export_dock, name)
        monkeypatch.setattr(
            export_dock, name, lambda *args, write=write, **more: cancelled.wait(60) and write(*args, **more)
        )
    export.format.value, export.target.value = format, target
    export.run()
    export.cancel()
    cancelled.set()
    qtbot.waitUntil(lambda: export.export_button.enabled, timeout=30_000)
    assert list(target.parent.iterdir()) == []
    assert "Cancelled" in export.status.value
