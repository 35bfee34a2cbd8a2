"""What is done to patterns, as data: an ordered list of steps that prints as TOML and runs on any block of patterns.

A step is a small frozen dataclass. The metadata of its fields (label, unit, range, meaning) is what the widgets, the
command line's help and the documentation are made from, so that they cannot drift apart.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .autoencoder.model import DEFAULT_MODEL
from .scan import ScanError

__all__ = ["STEPS", "Autoencoder", "CircularMask", "Clahe", "Placement", "Recipe", "Rescale", "Step"]

Patterns = NDArray[np.float32]
Mask = NDArray[np.bool_] | None
Scale = Literal["kept", "lost", "full"]
Output = Literal["auto", "stretch", "keep"]
Placement = Literal["none", "before", "after", "both"]


def parameter(default: Any, *, label: str, help: str, **extra: Any) -> Any:
    """A dataclass field that knows its label, its meaning and, where it has them, `unit`, `min`, `max`, `step`.

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
    """

    kind: ClassVar[str]
    scale: ClassVar[Scale]

    def prepare(self) -> None:
        """Load what the step needs, so that a wrong path is noticed now and not after an hour's work."""

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Apply to a block of patterns."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for spec in fields(self):
            self._check(spec.name, getattr(self, spec.name), spec.metadata)

    def _check(self, name: str, value: Any, limits: Any) -> None:
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ScanError(f"{self.kind}: {name} is {number}, not a finite number.")
            if "min" in limits and number < limits["min"]:
                raise ScanError(f"{self.kind}: {name} is {number}, below its minimum of {limits['min']}.")
            if "max" in limits and number > limits["max"]:
                raise ScanError(f"{self.kind}: {name} is {number}, above its maximum of {limits['max']}.")


@dataclass(frozen=True)
class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation: evens out brightness and brings up weak bands."""

    kind: ClassVar[str] = "clahe"
    scale: ClassVar[Scale] = "full"

    clip_limit: float = parameter(
        3.0,
        label="Clip limit",
        min=0.1,
        max=100.0,
        step=0.5,
        help="How much contrast a tile may gain, in multiples of its mean histogram count: "
        "a higher limit brings up weak bands, and noise.",
    )
    tiles: tuple[int, int] = parameter(
        (8, 8),
        label="Tiles",
        min=1,
        max=64,
        step=1,
        help="Rows and columns of tiles equalised on their own: more tiles follow finer changes of brightness.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Equalise each pattern; see `napari_kikuchi.processing.clahe.clahe`."""
        from .processing.clahe import clahe

        return clahe(patterns, self.clip_limit, self.tiles, mask)


@dataclass(frozen=True)
class Autoencoder(Step):
    """Denoise each pattern with a network."""

    kind: ClassVar[str] = "autoencoder"
    scale: ClassVar[Scale] = "lost"

    model: str = parameter(
        DEFAULT_MODEL,
        label="Model",
        help="A shipped model's name, or the path of a .keras or .h5 file or a TensorFlow SavedModel folder.",
    )
    trust_model: bool = parameter(
        False,
        label="Trust this model",
        saved=False,
        help="Open a SavedModel, whose graph can read and write files. Say yes only if you know where it comes from.",
    )

    def prepare(self) -> None:
        """Load the network, which takes some seconds the first time.

        Raises
        ------
        ScanError
            If there is no such model, or it may not be opened.
        """
        from .autoencoder.model import load_model

        load_model(self.model, trust=self.trust_model)

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Run the network; see `napari_kikuchi.autoencoder.model.DenoisingModel.predict`."""
        from .autoencoder.model import load_model

        return load_model(self.model, trust=self.trust_model).predict(patterns, mask=mask)


@dataclass(frozen=True)
class Rescale(Step):
    """Lay each pattern over the full range and round it, as writing it to a file would.

    Stands between two recipes that were run one after the other, so that the joined recipe gives the same bytes.
    """

    kind: ClassVar[str] = "rescale"
    scale: ClassVar[Scale] = "full"

    stretch: bool = parameter(
        True,
        label="Stretch",
        help="Stretch each pattern to the full range first, between its 0.1 and 99.9 percentiles.",
    )
    levels: int = parameter(
        65536,
        label="Levels",
        min=0,
        max=65536,
        step=1,
        help="Number of levels to round to: 256 for 8 bits, 65536 for 16, 0 to leave as floating point.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Stretch, if asked to, and round."""
        from .processing.rescale import quantise, stretch

        stretched = stretch(patterns, mask) if self.stretch else patterns
        return quantise(stretched, self.levels) if self.levels else stretched


STEPS: dict[str, type[Step]] = {step.kind: step for step in (Clahe, Autoencoder, Rescale)}


@dataclass(frozen=True)
class CircularMask:
    """The circle of the detector's screen; pixels outside take no part and come out as they went in.

    Attributes
    ----------
    x, y : float
        Centre, in widths from the left edge and heights from the top edge.
    radius : float
        In widths.

    Raises
    ------
    ScanError
        If the radius is not positive.
    """

    x: float = 0.5
    y: float = 0.5
    radius: float = 0.5

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ScanError(f"The radius of a circular mask is {self.radius}, where a positive number was expected.")

    def inside(self, height: int, width: int) -> NDArray[np.bool_]:
        """True for the pixels whose centre the circle holds, shape (height, width).

        Raises
        ------
        ScanError
            If that is none.
        """
        rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
        apart = (columns - self.x * width) ** 2 + ((rows - self.y * height) ** 2)[:, None]
        inside: NDArray[np.bool_] = apart <= (self.radius * width) ** 2
        if not inside.any():
            raise ScanError(f"The mask {self} holds no pixel of a pattern of {height}x{width}.")
        return inside


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are applied, and how the result is written.

    Parameters
    ----------
    steps : iterable of Step
    output : "auto", "stretch" or "keep"
        How 0..1 is laid over the levels of the pixel type at the end. "stretch": each pattern to the full range,
        between its 0.1 and 99.9 percentiles. "keep": as it is. "auto": "stretch" if a step lost the absolute
        intensities.
    mask : CircularMask or None
        The part of the detector that sees.

    Examples
    --------
    >>> recipe = Recipe([Clahe(clip_limit=2.0)])
    >>> print(recipe.to_toml())
    # napari-kikuchi recipe
    version = 1
    output = "auto"
    <BLANKLINE>
    [[steps]]
    step = "clahe"
    clip_limit = 2.0
    tiles = [8, 8]
    <BLANKLINE>
    >>> Recipe.from_toml(recipe.to_toml()) == recipe
    True
    """

    steps: tuple[Step, ...] = ()
    output: Output = "auto"
    mask: CircularMask | None = None

    VERSION: ClassVar[int] = 1

    def __init__(self, steps: Iterable[Step] = (), output: Output = "auto", mask: CircularMask | None = None) -> None:
        object.__setattr__(self, "steps", tuple(steps))
        object.__setattr__(self, "output", output)
        object.__setattr__(self, "mask", mask)
        if output not in get_args(Output):
            raise ScanError(f'The output of a recipe is "auto", "stretch" or "keep", not {output!r}.')

    @property
    def stretches(self) -> bool:
        """Whether each pattern is stretched to the full range at the end."""
        if self.output != "auto":
            return self.output == "stretch"
        changes = [step.scale for step in self.steps if step.scale != "kept"]
        return bool(changes) and changes[-1] == "lost"

    @property
    def title(self) -> str:
        """The steps in a few words, for a layer's name: "clahe + autoencoder"."""
        return " + ".join(step.kind for step in self.steps if not isinstance(step, Rescale)) or "unchanged"

    def __call__(self, patterns: NDArray[Any]) -> NDArray[Any]:
        """Run over a block of patterns.

        Parameters
        ----------
        patterns : array, shape (n, height, width)
            Of any integer type, or floating point in 0..1.

        Returns
        -------
        array, shape (n, height, width)
            Of the pixel type that came in.
        """
        from .processing.rescale import from_levels, stretch, to_levels

        mask = None if self.mask is None else self.mask.inside(patterns.shape[1], patterns.shape[2])
        floats = from_levels(patterns)
        for step in self.steps:
            floats = step(floats, mask)
        if self.stretches:
            floats = stretch(floats, mask)
        levels = to_levels(floats, patterns.dtype)
        return levels if mask is None else np.where(mask, levels, patterns)

    def then(self, other: Recipe, pixel_type: np.dtype[Any]) -> Recipe:
        """This recipe and, on what it stored as `pixel_type`, the other: the same bytes as one after the other.

        Raises
        ------
        ScanError
            If they have different masks, which one recipe cannot say.
        """
        if not (self.steps or self.stretches):
            return other
        if self.mask != other.mask:
            raise ScanError(
                f"These patterns were made with the mask {self.mask}; use that one again, not {other.mask}."
            )
        levels = np.iinfo(pixel_type).max + 1 if np.issubdtype(pixel_type, np.integer) else 0
        stored = Rescale(stretch=self.stretches, levels=levels)
        return Recipe((*self.steps, stored, *other.steps), other.output, other.mask)

    @classmethod
    def denoising(
        cls,
        model: str = Autoencoder.model,
        clahe: Placement = "none",
        clip_limit: float = Clahe.clip_limit,
        tiles: tuple[int, int] = Clahe.tiles,
        mask: CircularMask | None = None,
        trust_model: bool = False,
    ) -> Self:
        """The network, with CLAHE before it, after it, on both sides or not at all.

        Raises
        ------
        ScanError
            If `clahe` is none of "none", "before", "after" and "both", or a parameter is out of its range.
        """
        if clahe not in get_args(Placement):
            raise ScanError(f"clahe is {clahe!r}, where one of {', '.join(get_args(Placement))} was expected.")
        equalise = Clahe(clip_limit, tiles)
        before = [equalise] if clahe in ("before", "both") else []
        after = [equalise] if clahe in ("after", "both") else []
        return cls([*before, Autoencoder(model, trust_model), *after], mask=mask)

    def prepare(self) -> None:
        """Load what the steps need; see `Step.prepare`."""
        for step in self.steps:
            step.prepare()

    def to_toml(self) -> str:
        """The recipe as the text of a TOML file."""
        import tomlkit

        document = tomlkit.document()
        document.add(tomlkit.comment("napari-kikuchi recipe"))
        document["version"] = self.VERSION
        document["output"] = self.output
        if self.mask is not None:
            document["mask"] = asdict(self.mask)
        tables = tomlkit.aot()
        for step in self.steps:
            table = tomlkit.table()
            table["step"] = step.kind
            for spec in _saved_fields(step):
                value = getattr(step, spec.name)
                table[spec.name] = list(value) if isinstance(value, tuple) else value
            tables.append(table)
        if self.steps:
            document["steps"] = tables
        return tomlkit.dumps(document)

    @classmethod
    def from_toml(cls, text: str, name: str = "The recipe") -> Self:
        """Read a recipe from the text of a TOML file; `name` is what errors call it.

        Raises
        ------
        ScanError
            If the text is not TOML, or names a step, a parameter or a value that does not exist.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScanError(f"{name} is not a TOML file: {error}.") from error
        unknown = set(document) - {"version", "output", "mask", "steps"}
        if unknown:
            raise ScanError(f"{name} has an unknown entry: {', '.join(sorted(unknown))}.")
        if document.get("version", cls.VERSION) != cls.VERSION:
            raise ScanError(f"{name} has version {document['version']}; this program reads version {cls.VERSION}.")
        steps = document.get("steps", [])
        if not isinstance(steps, list) or not all(isinstance(table, dict) for table in steps):
            raise ScanError(f"{name}: the steps have to be written as [[steps]] tables.")
        mask = document.get("mask")
        if mask is not None and not isinstance(mask, dict):
            raise ScanError(f"{name}: the mask has to be written as a [mask] table.")
        return cls(
            [_step_from_table(table, name) for table in steps],
            document.get("output", "auto"),
            None if mask is None else CircularMask(**_typed(mask, fields(CircularMask), f"{name}: the mask")),
        )

    def __str__(self) -> str:
        return self.to_toml()


def _saved_fields(step: Step | type[Step]) -> list[Field[Any]]:
    return [spec for spec in fields(step) if spec.metadata.get("saved", True)]


def _step_from_table(table: dict[str, Any], name: str) -> Step:
    kind = table.get("step")
    if kind not in STEPS:
        raise ScanError(f"{name} has a step {kind!r}; the known steps are {', '.join(STEPS)}.")
    parameters = {key: value for key, value in table.items() if key != "step"}
    return STEPS[kind](**_typed(parameters, _saved_fields(STEPS[kind]), f"{name}: the step {kind}"))


def _typed(values: dict[str, Any], specs: Iterable[Field[Any]], what: str) -> dict[str, Any]:
    """The values of a TOML table in the types of the parameters' defaults."""
    defaults = {spec.name: spec.default for spec in specs}
    for key in values:
        if key not in defaults:
            raise ScanError(f"{what} has no {key!r}; it has {', '.join(defaults)}.")
    return {key: _as_default(value, defaults[key], f"{what}: {key}") for key, value in values.items()}


def _as_default(value: Any, default: Any, what: str) -> Any:
    """The value in the type of the parameter's default, or an error that says what was expected."""
    if isinstance(default, tuple) and isinstance(value, list) and len(value) == len(default):
        return tuple(_as_default(item, kind, what) for item, kind in zip(value, default, strict=True))
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise ScanError(f"{what} is {value!r}, where a value like {default!r} was expected.")
    return value
