import numpy as np
import pytest
from napari.layers import Image

import napari_kikuchi as nk
from napari_kikuchi.plugin.layers import layer_arguments, scan_from_data


def as_layer(scan, name="patterns"):
    data, arguments = layer_arguments(scan, name)
    return Image(data, **arguments)


def test_there_and_back(up_file):
    scan = nk.open_scan(up_file)
    again = nk.scan_from_layer(as_layer(scan))
    assert (again.grid, again.step, again.source, again.recipe) == (scan.grid, scan.step, scan.source, scan.recipe)
    np.testing.assert_array_equal(again.patterns, scan.patterns)


def test_patterns_are_not_copied(nickel_up2):
    scan = nk.open_scan(nickel_up2)
    assert np.shares_memory(nk.scan_from_layer(as_layer(scan)).patterns, scan.patterns)


def test_a_thinned_sequence_forgets_a_grid_that_no_longer_fits(nickel_up2):
    _, arguments = layer_arguments(nk.open_scan(nickel_up2), "nickel")
    thinned = scan_from_data(nk.open_scan(nickel_up2).patterns[::2], arguments["metadata"])
    assert thinned.grid is None
    assert thinned.step == (0.0, 0.0)


def test_the_recipe_travels_with_the_layer(nickel_up2):
    equalised = nk.clahe(nk.open_scan(nickel_up2), clip_limit=2.0)
    recipe = nk.Recipe.from_toml(nk.scan_from_layer(as_layer(equalised)).recipe)
    assert recipe == nk.Recipe([nk.Clahe(clip_limit=2.0)])


def test_colours_are_refused_by_name():
    with pytest.raises(nk.ScanError, match="photo holds colours"):
        nk.scan_from_layer(Image(np.zeros((5, 5, 3)), rgb=True, name="photo"))


def test_too_many_axes_are_refused():
    with pytest.raises(nk.ScanError, match="5 axes"):
        scan_from_data(np.zeros((1, 1, 1, 4, 4)), {})


def test_in_a_napari_script_the_header_is_kept_all_the_way(make_napari_viewer, nickel_up2, tmp_path):
    viewer = make_napari_viewer()
    (raw,) = viewer.open(nickel_up2, plugin="napari-kikuchi")
    layer = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)))
    assert layer.name == f"{nickel_up2.stem} (clahe)"
    np.testing.assert_array_equal(layer.scale, raw.scale)
    assert layer.units == raw.units
    assert layer.axis_labels == raw.axis_labels

    target = tmp_path / "equalised.up2"
    layer.save(str(target), plugin="napari-kikuchi")
    assert target.read_bytes()[:42] == nickel_up2.read_bytes()[:42]
    np.testing.assert_array_equal(nk.open_scan(target).patterns, nk.clahe(nk.open_scan(nickel_up2)).patterns)
