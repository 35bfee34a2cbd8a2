import threading
from dataclasses import fields

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.plugin.recipe_dock import RecipeDock
from napari_kikuchi.plugin.step_list import TITLES
from napari_kikuchi.recipe import STEPS

WITH_ALL = nk.Recipe(
    [
        nk.StaticBackground("subtract"),
        nk.DynamicBackground(0.2, "subtract"),
        nk.NeighbourAverage(5, "uniform"),
        nk.Clahe(2.5, (4, 6)),
        nk.Autoencoder("kikuchi-unet-map", "none", False),
        nk.Rescale(False, 256),
    ],
    "keep",
    nk.CircularMask(0.4, 0.45, 0.55),
)


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-kikuchi", "Recipe")[1]


@pytest.fixture
def shown(monkeypatch):
    errors = []
    monkeypatch.setattr("napari_kikuchi.plugin.runner.show_error", errors.append)
    return errors


@pytest.fixture
def drawn(dock):
    pictures = []
    dock.before_after.show_patterns = lambda before, after: pictures.append((before, after))
    return pictures


def test_every_step_can_be_added_with_its_defaults(dock):
    dock.preview.value = False
    for kind in ("mask", *STEPS):
        dock.steps.add(kind)
    assert dock.make_recipe() == nk.Recipe([step() for step in STEPS.values()], mask=nk.CircularMask())
    assert [card.on.text() for card in dock.steps.cards] == [TITLES[kind] for kind in STEPS]


def test_every_parameter_tells_its_range_and_what_it_does(dock):
    dock.preview.value = False
    for kind in ("mask", *STEPS):
        editor = dock.steps.add(kind).editor
        for spec in fields(editor.kind):
            if spec.compare and spec.metadata.get("saved", True) and spec.name != "model":
                tooltip = editor[spec.name].tooltip
                assert spec.metadata["help"] in tooltip
                assert "min" not in spec.metadata or f"{spec.metadata['min']:g} to {spec.metadata['max']:g}" in tooltip


def test_a_recipe_is_shown_saved_and_loaded_as_the_command_line_has_it(dock, tmp_path):
    dock.preview.value = False
    dock.show_recipe(WITH_ALL)
    assert dock.make_recipe() == WITH_ALL
    dock.save(tmp_path / "mine.toml")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == WITH_ALL.to_toml()
    dock.show_recipe(nk.Recipe())
    dock.load(tmp_path / "mine.toml")
    assert dock.make_recipe() == WITH_ALL


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[[steps]]\nstep = 'polish'", b"= 3"])
def test_a_file_that_is_no_recipe_is_refused_by_name(dock, shown, tmp_path, content):
    dock.steps.add("clahe")
    (tmp_path / "odd.toml").write_bytes(content)
    dock.load(tmp_path / "odd.toml")
    assert "odd.toml" in shown[0]
    assert dock.make_recipe() == nk.Recipe([nk.Clahe()])


@pytest.mark.bindings
def test_steps_are_moved_switched_off_and_removed(dock):
    clahe, dynamic = dock.steps.add("clahe"), dock.steps.add("dynamic-background")
    assert not clahe.up.isEnabled()
    assert not dynamic.down.isEnabled()
    dynamic.up.click()
    assert [step.kind for step in dock.make_recipe().steps] == ["dynamic-background", "clahe"]
    clahe.on.click()
    assert [step.kind for step in dock.make_recipe().steps] == ["dynamic-background"]
    clahe.on.click()
    dynamic.remove.click()
    assert dock.make_recipe() == nk.Recipe([nk.Clahe()])


def test_the_recipe_of_a_layer_is_taken_over(viewer, dock, shown):
    dock.load_from_layer()
    assert "no recipe" in shown[0]
    recipe = nk.Recipe([nk.Clahe(2.0)], mask=nk.CircularMask())
    layer = nk.add_to_viewer(viewer, nk.apply(nk.scan_from_layer(viewer.layers[0]), recipe))
    dock.layer.value = layer
    dock.load_from_layer()
    assert dock.make_recipe() == recipe


@pytest.mark.bindings
def test_the_preview_follows_knobs_and_sliders(qtbot, viewer, dock, drawn):
    dock.show_recipe(nk.Recipe([nk.DynamicBackground(), nk.Clahe()]))
    dock.steps.cards[1].editor["clip_limit"].value = 7.0
    viewer.dims.set_current_step(0, 2)
    raw = np.asarray(viewer.layers[0].data[2, 1])
    expected = nk.apply(raw, nk.Recipe([nk.DynamicBackground(), nk.Clahe(7.0)]))
    qtbot.waitUntil(lambda: bool(drawn) and np.array_equal(drawn[-1][1], expected), timeout=10_000)
    np.testing.assert_array_equal(drawn[-1][0], raw)
    quality = nk.image_quality(np.stack([raw, expected]))
    assert f"{quality[0]:.3f} before, {quality[1]:.3f} after" in dock.quality.text()


@pytest.mark.bindings
def test_a_background_is_learnt_once_however_knobs_and_sliders_turn(qtbot, viewer, dock, drawn, monkeypatch):
    from napari_kikuchi import learning

    learnt = []
    mean = learning.mean_pattern
    monkeypatch.setattr(
        learning, "mean_pattern", lambda *args: learnt.append(threading.current_thread()) or mean(*args)
    )
    dock.show_recipe(nk.Recipe([nk.StaticBackground(), nk.Clahe()]))
    qtbot.waitUntil(lambda: bool(drawn) and not dock._latest.busy, timeout=10_000)
    for turn in range(3):
        dock.steps.cards[1].editor["clip_limit"].value = 4.0 + turn
        viewer.dims.set_current_step(0, turn)
        qtbot.waitUntil(lambda: not dock._latest.busy, timeout=10_000)
    assert len(learnt) == 1
    assert learnt[0] is not threading.main_thread()
    assert "mean of 9 patterns only" in dock.notes.toolTip()
    dock.steps.cards[0].editor["operation"].value = "subtract"
    qtbot.waitUntil(lambda: not dock._latest.busy, timeout=10_000)
    assert len(learnt) == 2


def test_the_preview_shows_mask_and_difference(qtbot, dock):
    dock.steps.add("mask")
    dock.steps.add("clahe")
    dock.difference.value = True
    qtbot.waitUntil(lambda: dock.before_after.mask is not None and dock.before_after.difference, timeout=10_000)
    qtbot.waitUntil(lambda: "on the right after less before" in dock.before_after.toolTip(), timeout=10_000)
    drawn = dock.before_after._pixmap.toImage()
    assert drawn.width() > 3 * 60
    assert drawn.pixelColor(0, 30).name() != drawn.pixelColor(125, 30).name()


def test_a_mask_is_found_in_the_scan(qtbot, make_napari_viewer, silicon_up1):
    viewer = make_napari_viewer()
    viewer.open(silicon_up1, plugin="napari-kikuchi")
    dock = RecipeDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.steps.add("mask").editor.find.native.click()
    qtbot.waitUntil(lambda: dock.steps.mask() != nk.CircularMask(), timeout=10_000)
    mask = dock.steps.mask()
    assert (mask.x, mask.y, mask.radius) == pytest.approx((0.5, 0.52, 0.51), abs=0.02)


def test_a_scan_without_a_shadow_says_so(qtbot, viewer, dock, shown):
    dock.steps.add("mask").editor.find.native.click()
    qtbot.waitUntil(lambda: bool(shown), timeout=10_000)
    assert dock.steps.mask() == nk.CircularMask()


def test_a_background_of_ones_own_is_asked_for_and_used(qtbot, viewer, dock, drawn, tmp_path):
    background = np.linspace(0.2, 0.8, 3600).reshape(60, 60)
    np.save(tmp_path / "mine.npy", background)
    dock.show_recipe(nk.Recipe([nk.StaticBackground(own=True)]))
    editor = dock.steps.cards[0].editor
    assert "choose its file" in dock.quality.text()
    editor.file.value = tmp_path / "mine.npy"
    recipe = nk.Recipe([nk.StaticBackground(background=background)])
    expected = nk.apply(np.asarray(viewer.layers[0].data), recipe)[1, 1]
    qtbot.waitUntil(lambda: bool(drawn) and np.array_equal(drawn[-1][1], expected), timeout=10_000)


@pytest.mark.bindings
def test_what_is_wrong_with_a_recipe_is_said_in_the_dock_only(qtbot, viewer, dock, shown):
    dock.steps.add("neighbour-average")
    layer = viewer.add_image(np.zeros((4, 60, 60), np.uint8), rgb=False)
    dock.layer.value = layer
    qtbot.waitUntil(lambda: "no map" in dock.quality.text(), timeout=10_000)
    assert not shown
    dock.run_button.native.click()
    qtbot.waitUntil(lambda: bool(shown) and dock.run_button.enabled, timeout=10_000)
    assert "no map" in shown[0]


@pytest.mark.bindings
def test_a_recipe_runs_over_the_layer(qtbot, viewer, dock):
    recipe = nk.Recipe([nk.DynamicBackground(), nk.Clahe(2.0)], mask=nk.CircularMask())
    dock.show_recipe(recipe)
    dock.run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and dock.run_button.enabled, timeout=30_000)
    result = nk.scan_from_layer(viewer.layers[-1])
    assert result.recipe == recipe.to_toml()
    expected = nk.apply(nk.scan_from_layer(viewer.layers[0]), recipe)
    np.testing.assert_array_equal(result.patterns, expected.patterns)


def test_the_dock_fits_a_small_screen(viewer, dock):
    for kind in STEPS:
        dock.steps.add(kind)
    assert dock.native.minimumSizeHint().height() < 600
    assert dock.native.minimumSizeHint().width() < 420
