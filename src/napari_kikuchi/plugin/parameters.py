"""Widgets made from the steps' own fields, so that screen and script have the same names, ranges and defaults."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, SpinBox

from ..recipe import Clahe
from ..step import Step

__all__ = ["NumberPair", "clahe_widgets", "number_pair", "parameter_widget", "widget_of"]


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


def number_pair(values: tuple[int, int], limits: dict[str, Any], **described: Any) -> NumberPair:
    """Two whole numbers in the same limits: `min`, `max` and `step`."""
    pair = NumberPair(
        widgets=[SpinBox(value=value, **limits) for value in values], layout="horizontal", labels=False, **described
    )
    pair.margins = (0, 0, 0, 0)
    return pair


def parameter_widget(spec: Field[Any]) -> Any:
    """The widget for a field made by `step.parameter`, with its default, range and unit; it tells what the field does.

    A choice, yes or no, a number, or a pair of whole numbers: by the field's choices, or the type of its default.
    """
    described = {"name": spec.name, "label": spec.metadata["label"], "tooltip": _meaning(spec)}
    if "choices" in spec.metadata:
        return ComboBox(value=spec.default, choices=list(spec.metadata["choices"]), **described)
    if isinstance(spec.default, bool):
        return CheckBox(value=spec.default, text=described.pop("label"), label="", **described)
    limits = {key: spec.metadata[key] for key in ("min", "max", "step")}
    if isinstance(spec.default, tuple):
        return number_pair(spec.default, limits, **described)
    default: Any = spec.default
    unit = spec.metadata.get("unit", "")
    if isinstance(spec.default, int):
        described["label"] += f" ({unit})" if unit else ""
        return SpinBox(value=default, **limits, **described)
    widget = FloatSpinBox(value=default, **limits, **described)
    widget.native.setSuffix(f" {unit}")
    return widget


def widget_of(step: type[Step], name: str) -> Any:
    """The widget for one of a step's parameters."""
    return parameter_widget(next(spec for spec in fields(step) if spec.name == name))


def clahe_widgets() -> tuple[Any, Any]:
    """The clip limit and the tiles of CLAHE."""
    return widget_of(Clahe, "clip_limit"), widget_of(Clahe, "tiles")


def _meaning(spec: Field[Any]) -> str:
    known = spec.metadata
    if "min" not in known:
        return str(known["help"])
    unit = f" {known['unit']}" if "unit" in known else ""
    return f"{known['help']} {known['min']:g} to {known['max']:g}{unit}."
