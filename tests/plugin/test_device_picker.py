import pytest

from napari_kikuchi.autoencoder.model import FoundDevice
from napari_kikuchi.plugin import device_picker
from napari_kikuchi.scan import ScanError

CPU = FoundDevice("tensorflow", "cpu", "a processor")
NO_GPU = FoundDevice("tensorflow", "gpu", reason="there is no driver")


@pytest.fixture
def picker(viewer):
    dock = viewer.window.add_plugin_dock_widget("napari-kikuchi", "Autoencoder denoising")[1]
    return dock.model.device


def look(qtbot, picker, monkeypatch, found):
    monkeypatch.setattr(device_picker, "devices", lambda: found)
    picker.look.native.click()
    qtbot.waitUntil(lambda: picker.look.enabled, timeout=10_000)


def test_it_lists_what_there_is_and_says_why_there_is_no_graphics_card(qtbot, picker, monkeypatch):
    look(qtbot, picker, monkeypatch, [CPU, NO_GPU])
    assert picker.choice.choices == ("automatic device", "cpu, tensorflow: a processor")
    assert picker.told.value == "No graphics card. tensorflow: there is no driver."


def test_nothing_is_missed_where_there_is_one(qtbot, picker, monkeypatch):
    look(qtbot, picker, monkeypatch, [CPU, FoundDevice("tensorflow", "gpu:0", "a card")])
    assert "gpu:0, tensorflow: a card" in picker.choice.choices
    assert picker.told.value == ""


def test_a_device_that_is_chosen_is_used(qtbot, picker, monkeypatch):
    used = []
    monkeypatch.setattr(device_picker, "use_device", lambda name, backend: used.append((name, backend)))
    look(qtbot, picker, monkeypatch, [CPU, NO_GPU])
    picker.choice.value = "cpu, tensorflow: a processor"
    qtbot.waitUntil(lambda: used == [("cpu", "tensorflow")], timeout=10_000)
    picker.choice.value = "automatic device"
    qtbot.waitUntil(lambda: used[1:] == [("auto", "auto")], timeout=10_000)


def test_what_is_wrong_with_a_device_is_said(qtbot, picker, monkeypatch):
    def refuse(*_, **__):
        raise ScanError("that one is not there")

    monkeypatch.setattr(device_picker, "use_device", refuse)
    look(qtbot, picker, monkeypatch, [CPU])
    picker.choice.value = "cpu, tensorflow: a processor"
    qtbot.waitUntil(lambda: picker.told.value == "that one is not there", timeout=10_000)
