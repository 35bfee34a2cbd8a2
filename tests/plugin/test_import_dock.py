import numpy as np

import napari_kikuchi as nk


def test_export_and_import_bring_the_patterns_back(qtbot, viewer, nickel_up2, tmp_path):
    export = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Export patterns")[1]
    export.format.value, export.target.value = "PNG images, lossless", tmp_path / "patterns"
    export.export_button.native.click()
    qtbot.waitUntil(lambda: export.export_button.enabled, timeout=30_000)
    assert len(list((tmp_path / "patterns").glob("*.png"))) == 9
    assert "9 images" in export.status.value

    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Import pattern images")[1]
    dock.folder.value, dock.like.value = tmp_path / "patterns", nickel_up2
    dock.import_button.native.click()
    again = nk.scan_from_layer(viewer.layers[-1])
    assert again.grid.shape == (3, 3)
    np.testing.assert_array_equal(again.patterns, nk.open_scan(nickel_up2).patterns)


def test_rows_and_columns_lay_out_the_map(viewer, nickel_up2, tmp_path):
    nk.export_images(nk.open_scan(nickel_up2), tmp_path / "patterns")
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Import pattern images")[1]
    dock.folder.value, dock.rows.value, dock.columns.value = tmp_path / "patterns", 3, 3
    dock.run()
    assert viewer.layers[-1].data.shape == (3, 3, 60, 60)


def test_half_a_grid_is_refused(viewer, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_kikuchi.plugin.import_dock.show_error", shown.append)
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Import pattern images")[1]
    dock.folder.value, dock.rows.value = tmp_path, 3
    dock.run()
    assert "give both" in shown[0]
