"""Widgets made from the steps' own fields, so that screen and script have the same names, ranges and defaults."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from magicgui.widgets import ComboBox, Container, FloatSpinBox, SpinBox

from ..recipe import Clahe
from ..step import Step

__all__ = ["NumberPair", "choice_widget", "clahe_widgets"]


class NumberPair(Container[Any]):
    """Two whole numbers side by side, with their tuple as value."""

    @property
    def value(self) -> tuple[int, int]:
        """Both numbers."""
        first, second = (widget.value for widget in self)
        return first, second

    @value.setter
    def value(self, values: tuple[int, int]) -> None:
        for widget, value in zip(self, values, strict=True):
            widget.value = value


def clahe_widgets() -> tuple[FloatSpinBox, NumberPair]:
    """The clip limit and the tiles of CLAHE."""
    spec = {field.name: field for field in fields(Clahe)}
    clip_limit = FloatSpinBox(value=Clahe.clip_limit, **_described(spec["clip_limit"]), **_limited(spec["clip_limit"]))
    counts = [SpinBox(value=value, **_limited(spec["tiles"])) for value in Clahe.tiles]
    tiles = NumberPair(widgets=counts, layout="horizontal", labels=False, **_described(spec["tiles"]))
    tiles.margins = (0, 0, 0, 0)
    return clip_limit, tiles


def choice_widget(step: type[Step], name: str) -> ComboBox:
    """A parameter that is one of a few words."""
    spec = {field.name: field for field in fields(step)}[name]
    return ComboBox(value=spec.default, choices=list(spec.metadata["choices"]), **_described(spec))


def _described(field: Field[Any]) -> dict[str, Any]:
    return {"name": field.name, "label": field.metadata["label"], "tooltip": field.metadata["help"]}


def _limited(field: Field[Any]) -> dict[str, Any]:
    return {key: field.metadata[key] for key in ("min", "max", "step")}
