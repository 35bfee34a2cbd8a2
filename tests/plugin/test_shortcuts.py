"""Keys pressed in the real window."""

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt

import napari_kikuchi as nk
from napari_kikuchi.plugin.layers import index_shown
from napari_kikuchi.plugin.shortcuts import SHORTCUTS, compared

KEYS = {
    "right": Qt.Key.Key_Right,
    "left": Qt.Key.Key_Left,
    "down": Qt.Key.Key_Down,
    "up": Qt.Key.Key_Up,
    "d": Qt.Key.Key_D,
}


@pytest.fixture
def press(qtbot):
    def press(viewer, *keys):
        for key in keys:
            qtbot.keyClick(viewer.window._qt_viewer.canvas.native, KEYS[key], Qt.KeyboardModifier.ShiftModifier)

    return press


def at(viewer):
    return index_shown(viewer, viewer.layers[0])


def test_no_key_is_one_of_naparis():
    theirs = {binding for bindings in default_shortcuts.values() for binding in bindings}
    assert not theirs & {coerce_keybinding(key) for key in SHORTCUTS}


def test_keys_walk_over_the_map(viewer, press):
    assert at(viewer) == (1, 1)
    press(viewer, "right")
    assert at(viewer) == (1, 2)
    press(viewer, "right")
    assert at(viewer) == (2, 0)
    press(viewer, "left")
    assert at(viewer) == (1, 2)
    press(viewer, "down")
    assert at(viewer) == (2, 2)
    press(viewer, "down", "right")
    assert at(viewer) == (2, 2)
    press(viewer, "up", "up", "up")
    assert at(viewer) == (0, 2)
    press(viewer, "left", "left", "left")
    assert at(viewer) == (0, 0)


def test_keys_walk_over_a_hexagonal_map(make_napari_viewer, press, write_up, nickel, tmp_path):
    viewer = make_napari_viewer()
    viewer.open(write_up(tmp_path / "hex.up1", nickel[:8], grid=(3, 3), hexagonal=1), plugin="napari-kikuchi")
    viewer.dims.set_current_step(0, 2)
    press(viewer, "right")
    assert at(viewer) == (3,)
    viewer.dims.set_current_step(0, 1)
    press(viewer, "down")
    assert at(viewer) == (4,)
    press(viewer, "down")
    assert at(viewer) == (6,)
    press(viewer, "up", "up")
    assert at(viewer) == (1,)


def test_a_sequence_without_a_map_has_only_next_and_previous(make_napari_viewer, press, write_up, nickel, tmp_path):
    viewer = make_napari_viewer()
    viewer.open(write_up(tmp_path / "v1.up1", nickel, version=1), plugin="napari-kikuchi")
    viewer.dims.set_current_step(0, 4)
    press(viewer, "right")
    assert at(viewer) == (5,)
    press(viewer, "down", "up")
    assert at(viewer) == (5,)


def test_raw_and_denoised_take_turns(viewer, press):
    raw = viewer.layers[0]
    press(viewer, "d")
    assert raw.visible
    made = nk.add_to_viewer(viewer, nk.clahe(nk.scan_from_layer(raw)), like=raw)
    press(viewer, "d")
    assert (raw.visible, made.visible) == (True, False)
    press(viewer, "d")
    assert (raw.visible, made.visible) == (False, True)
    viewer.layers.selection.active = raw
    press(viewer, "d")
    assert (raw.visible, made.visible) == (True, False)


def test_a_pair_that_is_compared_comes_first(viewer, press):
    raw = viewer.layers[0]
    other = viewer.add_image(np.asarray(raw.data), name="other", rgb=False)
    compared[viewer] = raw, other
    press(viewer, "d")
    assert (raw.visible, other.visible) == (True, False)
    viewer.layers.remove(other)
    press(viewer, "d")
    assert raw.visible


def test_keys_do_nothing_in_a_window_without_patterns(make_napari_viewer, press):
    from napari_kikuchi.plugin.shortcuts import bind_shortcuts

    viewer = make_napari_viewer()
    bind_shortcuts(viewer)
    press(viewer, *KEYS)
