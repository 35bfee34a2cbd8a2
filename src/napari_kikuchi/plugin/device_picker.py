"""Choosing what networks compute on: what there is, and where no graphics card shows, why."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container, Label, PushButton

from ..autoencoder.model import FoundDevice, devices, use_device
from .latest import Latest
from .runner import let_wrap

__all__ = ["DevicePicker"]

AUTOMATIC = "automatic device"


def named(device: FoundDevice) -> str:
    """A device as it stands in the list."""
    return f"{device.name}, {device.backend}" + (f": {device.title}" if device.title else "")


class DevicePicker(Container[Any]):
    """The device for networks, in all docks alike; what there is, is looked for when asked, which takes a while."""

    def __init__(self, **described: Any) -> None:
        self._found: dict[str, FoundDevice] = {}
        self.choice = ComboBox(choices=self._choices, value=AUTOMATIC)
        self.choice.tooltip = "What networks compute on. Automatic: the first graphics card, else the processor."
        self.look = PushButton(text="Devices")
        self.look.tooltip = "Look for what networks can compute on, and why there is no graphics card if none shows."
        chosen: Container[Any] = Container(widgets=[self.choice, self.look], layout="horizontal", labels=False)
        chosen.margins = (0, 0, 0, 0)
        self.told = Label(value="", visible=False)
        super().__init__(widgets=[chosen, self.told], labels=False, **described)
        self.margins = (0, 0, 0, 0)
        let_wrap(self.told.native)
        self._latest = Latest(self._done, self._failed, self.native)
        self.look.changed.connect(self._ask)
        self.choice.changed.connect(self._use)

    def reset_choices(self, *_: Any) -> None:
        """Keep the choice: devices do not come and go with the viewer's layers, as what napari calls this for does."""

    def _choices(self, _: object) -> list[str]:
        return [AUTOMATIC, *self._found]

    def _ask(self) -> None:
        self.look.enabled = False
        self._tell("Looking for devices ...")
        self._latest.request(devices)

    def _use(self, choice: str) -> None:
        device = self._found.get(choice)
        name, backend = ("auto", "auto") if device is None else (device.name, device.backend)
        self._latest.request(lambda: use_device(name, backend=backend))  # type: ignore[arg-type]

    def _done(self, answer: Any) -> None:
        if not isinstance(answer, list):
            return
        self.look.enabled = True
        self._found = {named(device): device for device in answer if not device.reason}
        self.choice.reset_choices()
        missing = [f"{device.backend}: {device.reason}" for device in answer if device.reason]
        has_gpu = any(device.name != "cpu" for device in self._found.values())
        self._tell("" if has_gpu else f"No graphics card. {missing[0] if missing else ''}.", "\n".join(missing))

    def _failed(self, error: Exception) -> None:
        self.look.enabled = True
        self._tell(str(error))

    def _tell(self, sentence: str, in_full: str = "") -> None:
        self.told.value, self.told.tooltip, self.told.visible = sentence, in_full or sentence, bool(sentence)
