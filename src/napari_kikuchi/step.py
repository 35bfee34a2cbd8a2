"""What a step of a recipe is: its parameters, and what it may ask for besides a block of patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from .patches import Patch
from .scan import Scan, ScanError

__all__ = ["Mask", "Patterns", "Scale", "Step", "StepOnMap", "no_map", "parameter"]

Patterns = NDArray[np.float32]
Mask = NDArray[np.bool_] | None
Scale = Literal["kept", "lost", "full"]


def parameter(default: Any, *, label: str, help: str, **extra: Any) -> Any:
    """A dataclass field that knows its label, its meaning and, where it has them, `unit`, `min`, `max`, `step`,
    `choices`.

    With `saved=False` it stays out of recipe files: what one user allowed is not allowed for whoever gets the file.
    """
    return field(default=default, metadata={"label": label, "help": help, **extra})


@dataclass(frozen=True)
class Step:
    """One operation on a block of patterns.

    Subclasses are callable with `(patterns, mask)`: (n, height, width) float32 and a boolean (height, width) or None,
    True where the detector sees; they return an array of the same shape and leave their argument as it was.

    Attributes
    ----------
    kind : str
        The step's name in a recipe file.
    scale : "kept", "lost" or "full"
        What becomes of the absolute intensities: kept; lost, so that the output has to be stretched; or full, already
        laid over 0..1.
    uses_all_cores : bool
        Whether the step spreads a block over all cores by itself, so that nothing is won by computing several at once.
    """

    kind: ClassVar[str]
    scale: ClassVar[Scale]
    uses_all_cores: ClassVar[bool] = False

    def prepare(self) -> None:
        """Load what the step needs, so that a wrong path is noticed now and not after an hour's work."""

    def fit(self, scan: Scan, raw: Scan | None = None, mask: Mask = None) -> Self:
        """The step with what it has to learn from a whole scan; most steps learn nothing.

        Parameters
        ----------
        scan : Scan
            As the steps before this one leave it; `patterns` need only be indexed.
        raw : Scan, optional
            As it was before all steps, for those that learn of the detector; `scan` if not given.
        mask : array of bool, shape (height, width), optional
            The recipe's.
        """
        return self

    def digest(self) -> str:
        """What stands for all that the result hangs on besides the parameters that are saved; empty if nothing does."""
        return ""

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Apply to a block of patterns."""
        raise NotImplementedError

    def on_levels(self, patterns: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """What the step alone makes of 8-bit patterns, to the bit, where that is known without floating point."""
        return None

    def __post_init__(self) -> None:
        for spec in fields(self):
            self._check(spec.name, getattr(self, spec.name), spec.metadata)

    def _check(self, name: str, value: Any, limits: Any) -> None:
        if "choices" in limits and value not in limits["choices"]:
            raise ScanError(
                f"{self.kind}: {name} is {value!r}, where one of {', '.join(limits['choices'])} was expected."
            )
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ScanError(f"{self.kind}: {name} is {number}, not a finite number.")
            if "min" in limits and number < limits["min"]:
                raise ScanError(f"{self.kind}: {name} is {number}, below its minimum of {limits['min']}.")
            if "max" in limits and number > limits["max"]:
                raise ScanError(f"{self.kind}: {name} is {number}, above its maximum of {limits['max']}.")


class StepOnMap(Step):
    """A step that makes a pattern from the neighbours, too, that it has on a square map.

    Subclasses are callable with `(patterns, mask, patch)`: the patterns of a patch of the map with its rim, in scanning
    order, and where they lie. They return the patterns that are left when `rim` points are cut off the patch's own.

    Attributes
    ----------
    rim : int
        How many rows and columns of neighbours the step sees on either side; 0 if it needs none as it is set.
    """

    @property
    def rim(self) -> int:
        """How many rows and columns of neighbours the step sees on either side."""
        raise NotImplementedError

    def __call__(self, patterns: Patterns, mask: Mask = None, patch: Patch | None = None) -> Patterns:
        """Apply to a patch of the map."""
        raise NotImplementedError


def no_map(kind: str) -> str:
    """What to say of a step on a map where there is none."""
    return (
        f"{kind}: a pattern's neighbours are those on its map, and there is no map here; give the rows and columns, "
        "and apply the recipe to a whole scan or to an array (rows, columns, height, width)."
    )
