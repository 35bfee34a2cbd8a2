"""What is done to patterns, as data: an ordered list of steps that prints as TOML and runs on any block of patterns."""

from __future__ import annotations

import tomllib
from collections.abc import Hashable, Iterable, MutableMapping
from dataclasses import Field, asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .circular_mask import CircularMask
from .patches import Patch
from .scan import Scan, ScanError
from .step import Mask, Patterns, Step, StepOnMap, no_map
from .steps import STEPS, Clahe, DynamicBackground, Rescale, StaticBackground
from .steps_on_map import Autoencoder, AverageWeights, NeighbourAverage, Neighbours

__all__ = [
    "STEPS",
    "Autoencoder",
    "AverageWeights",
    "CircularMask",
    "Clahe",
    "DynamicBackground",
    "NeighbourAverage",
    "Neighbours",
    "Placement",
    "Recipe",
    "Removal",
    "Rescale",
    "StaticBackground",
    "Step",
    "around",
]

Output = Literal["auto", "stretch", "keep"]
Placement = Literal["none", "before", "after", "both"]
Removal = Literal["divide", "subtract", "none"]


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

    @property
    def rim(self) -> int:
        """How many rows and columns of a pattern's neighbours on the map all steps together need on either side."""
        return sum(step.rim for step in self.steps if isinstance(step, StepOnMap))

    def __call__(self, patterns: NDArray[Any], patch: Patch | None = None) -> NDArray[Any]:
        """Run over a block of patterns.

        Parameters
        ----------
        patterns : array, shape (n, height, width)
            Of any integer type, or floating point in 0..1.
        patch : Patch, optional
            Where on the map the patterns lie, if steps need neighbours (`rim` above 0): a patch with that rim, which
            `patterns` are those of.

        Returns
        -------
        array, shape (n, height, width)
            Of the pixel type that came in; without the rim.

        Raises
        ------
        ScanError
            If a step needs neighbours and there is no patch, or needs to be fitted first.
        """
        from .processing.rescale import stretch, to_levels

        mask = self._inside(patterns)
        if mask is None and patterns.dtype == np.uint8 and len(self.steps) == 1 and not self.stretches:
            done = self.steps[0].on_levels(patterns)
            if done is not None:
                return done
        floats = self.floats(patterns, patch)
        if self.stretches:
            floats = stretch(floats, mask)
        levels = to_levels(floats, patterns.dtype)
        if mask is None:
            return levels
        return np.where(mask, levels, patterns if patch is None else patch.cut(patterns, self.rim))

    def floats(self, patterns: NDArray[Any], patch: Patch | None = None) -> Patterns:
        """What the steps make of a block, in floating point and before it is laid over levels; else as when called."""
        from .processing.rescale import from_levels

        mask = self._inside(patterns)
        floats = from_levels(patterns)
        for step in self.steps:
            if not isinstance(step, StepOnMap) or not step.rim:
                floats = step(floats, mask)
                continue
            floats = step(floats, mask, patch)
            patch = patch and replace(patch, rim=patch.rim - step.rim)
        return floats

    def _inside(self, patterns: NDArray[Any]) -> Mask:
        return None if self.mask is None else self.mask.inside(patterns.shape[1], patterns.shape[2])

    def fit(self, scan: Scan, known: MutableMapping[Hashable, Step] | None = None) -> Recipe:
        """This recipe with what its steps have to learn from the whole scan, each from what those before it make of it.

        What a step left open, as which neighbours to use, is decided by this and stands in the fitted recipe. One that
        was fitted already learns anew.

        Parameters
        ----------
        scan : Scan
        known : mutable mapping, optional
            Steps that were fitted to this very scan, which are not fitted again; those now fitted are added. So turning
            a knob of one step leaves what the steps before it learnt.

        Raises
        ------
        ScanError
            If the scan is not what a step needs: the complete square map of neighbours, or of a background's size.
        """
        for step in self.steps:
            if isinstance(step, StepOnMap) and step.rim:
                _check_map(step.kind, scan)
        mask = None if self.mask is None else self.mask.inside(scan.height, scan.width)
        known = {} if known is None else known
        fitted: list[Step] = []
        for number, step in enumerate(self.steps):
            learnt_by = self.mask, *map(_identity, self.steps[: number + 1])
            if learnt_by not in known:
                before = replace(scan, patterns=_SoFar(scan, Recipe(fitted, mask=self.mask))) if fitted else scan
                known[learnt_by] = step.fit(before, scan, mask)
            fitted.append(known[learnt_by])
        return Recipe(fitted, self.output, self.mask)

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
        *,
        neighbours: Neighbours = Autoencoder.neighbours,
        careful: bool = Autoencoder.careful,
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
        return cls([*before, Autoencoder(model, neighbours, careful, trust_model=trust_model), *after], mask=mask)

    @classmethod
    def removing_background(
        cls,
        static: Removal = "divide",
        dynamic: Removal = "divide",
        sigma: float = DynamicBackground.sigma,
        background: NDArray[Any] | None = None,
        mask: CircularMask | None = None,
    ) -> Self:
        """First the background that all patterns share, then each pattern's own; either can be left in with "none".

        Raises
        ------
        ScanError
            If `static` or `dynamic` is none of "divide", "subtract" and "none", both are "none", or a parameter is out
            of its range.
        """
        for name, wanted in (("static", static), ("dynamic", dynamic)):
            if wanted not in get_args(Removal):
                raise ScanError(f"{name} is {wanted!r}, where one of {', '.join(get_args(Removal))} was expected.")
        if static == dynamic == "none":
            raise ScanError("Neither the static nor the dynamic background is to be removed; choose at least one.")
        steps: list[Step] = []
        if static != "none":
            steps.append(StaticBackground(static, background=background))
        if dynamic != "none":
            steps.append(DynamicBackground(sigma, dynamic))
        return cls(steps, mask=mask)

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


@dataclass(frozen=True)
class _SoFar:
    """A scan's patterns as some steps leave them: computed when they are taken out by their numbers."""

    scan: Scan
    recipe: Recipe

    ndim: ClassVar[int] = 3
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.scan.n, self.scan.height, self.scan.width

    def __getitem__(self, points: NDArray[np.int64]) -> Patterns:
        if not self.recipe.rim:
            return self.recipe.floats(np.asarray(self.scan.patterns[points]))
        return np.concatenate([self.recipe.floats(*around(self.scan, int(point), self.recipe.rim)) for point in points])


def around(scan: Scan, point: int, rim: int) -> tuple[NDArray[Any], Patch | None]:
    """A pattern with the neighbours that a recipe needs for it: what the recipe is called with.

    Parameters
    ----------
    scan : Scan
    point : int
        Number of the pattern in scanning order.
    rim : int
        The recipe's.

    Returns
    -------
    array, shape (n, height, width)
        Those patterns.
    Patch or None
        Where they lie on the map; None without a map or a rim.
    """
    if scan.grid is None or not rim:
        return np.asarray(scan.patterns[point : point + 1]), None
    row, column = scan.grid.position(point)
    patch = Patch(scan.grid, (row, row + 1), (column, column + 1), rim)
    return patch.read(lambda start, stop: np.asarray(scan.patterns[start:stop])), patch


def _identity(step: Step) -> Hashable:
    """What tells a step from another one, also where they are equal but for an array, as a background of one's own."""
    return step, *(id(getattr(step, spec.name)) for spec in fields(step) if not spec.compare)


def _check_map(kind: str, scan: Scan) -> None:
    if scan.grid is None:
        raise ScanError(no_map(kind))
    if not scan.is_map:
        kept = "this one is hexagonal" if scan.grid.hexagonal else f"in this one {scan.missing} patterns are missing"
        raise ScanError(f"{kind}: a pattern's neighbours are those on a complete square map, and {kept}.")


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
