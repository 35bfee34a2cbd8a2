"""What decides a training run, as data: read from TOML, checked, and kept with what the run writes. Needs no Keras."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..scan import ScanError
from .architectures import find_network
from .card import shipped_models

__all__ = ["PairSettings", "ScanPair", "TrainingConfig"]

Settings = TypeVar("Settings")

_SOURCES = ("master_patterns", "scans")


def _setting(default: Any, help: str, of: type | None = None, **limits: Any) -> Any:
    """A field with its meaning, its range, and what it is; of a list, what its entries are, and how many (0: any)."""
    entries = default if isinstance(default, tuple) else (default,)
    about = {"help": help, "of": of or type(entries[0]), "count": len(entries) if entries is default else None}
    return field(default=default, metadata={**about, **limits})


@dataclass(frozen=True)
class ScanPair:
    """Two exposures of the same points; each field's metadata has its meaning.

    Raises
    ------
    ScanError
        If a value is of another kind.
    """

    noisy: str = _setting("", "UP1 or UP2 file, or folder of images: the fast exposure.")
    clean: str = _setting("", "The slow exposure of the same points, in the same order.")
    grid: tuple[int, ...] = _setting(
        (),
        "Rows and columns of the map, where the files do not tell them and the network looks at neighbours.",
        of=int,
        min=1,
    )

    def __post_init__(self) -> None:
        _check(self, "[[scans]] ")
        if not (self.noisy and self.clean):
            raise ScanError("A pair of scans needs both, noisy and clean: the fast and the slow exposure.")
        if len(self.grid) not in (0, 2):
            raise ScanError(f"[[scans]] grid is {list(self.grid)}, where [rows, columns] was expected.")


@dataclass(frozen=True)
class PairSettings:
    """From what training patterns are drawn; each field's metadata has its meaning and range.

    Those from `electrons` on are of simulated patterns only.

    Raises
    ------
    ScanError
        If a value is of another kind, or out of its range.
    """

    window: int = _setting(
        128,
        "Side of the training images, pixels. Smaller patterns are surrounded by masked-out pixels, as in use, and of "
        "larger ones a part is seen.",
        min=8,
    )
    sizes: tuple[int, int] = _setting(
        (72, 220),
        "Longer side of the patterns that the network is to know, pixels: the range of simulated detectors "
        "(log-uniform). Patterns of scans are brought into it by whole factors, as in use.",
        min=8,
    )
    neighbours: float = _setting(
        0.7,
        "Share of patterns that have neighbours on a map, for a network that looks at them; the others are their own "
        "average.",
        min=0.0,
        max=1.0,
    )
    electrons: tuple[float, float] = _setting((1.5, 500.0), "Mean electrons per pixel (log-uniform).", min=0.01)
    contrast: tuple[float, float] = _setting(
        (0.015, 0.08),
        "Kikuchi contrast, root mean square relative to the background (log-uniform).",
        min=0.001,
        max=1.0,
    )
    faintest: float = _setting(
        0.005,
        "Smallest contrast squared times electrons, below which a pattern holds nothing that could be learnt. A draw "
        "below is given more electrons.",
        min=0.0,
    )
    rim: float = _setting(1 / 7, "The background falls to as little as this share at the rim.", min=0.0, max=1.0)
    gradient: tuple[float, float] = _setting(
        (0.01, 0.5),
        "Change of orientation between neighbours of one grain, degrees (log-uniform).",
        min=0.0001,
        max=10.0,
    )
    masked: float = _setting(0.3, "Share of patterns with a mask that the network is told of.", min=0.0, max=1.0)
    unlit: float = _setting(0.1, "Share of patterns with dark corners that no mask tells of.", min=0.0, max=1.0)
    overlapping: float = _setting(0.06, "Share of patterns of two crystals.", min=0.0, max=1.0)
    empty: float = _setting(0.03, "Share of patterns of no crystal.", min=0.0, max=1.0)
    corrected: float = _setting(0.15, "Share of patterns whose background was removed before.", min=0.0, max=1.0)
    eight_bit: float = _setting(0.4, "Share of patterns stored with 8 bits.", min=0.0, max=1.0)

    def __post_init__(self) -> None:
        _check(self, "[pairs] ")
        for name in ("sizes", "electrons", "contrast", "gradient"):
            low, high = getattr(self, name)
            if low > high:
                raise ScanError(f"[pairs] {name} is [{low}, {high}], where the smaller one comes first.")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run; each field's metadata has its meaning and range.

    Patterns come from exactly one source, `master_patterns` or `scans`. Paths are relative to the working directory;
    in a TOML file, which `load` reads, to that file.

    Raises
    ------
    ScanError
        If a value is of another kind or out of its range, there is no source or more than one, or the network does not
        fit the patterns.
    """

    output: str = _setting(
        "", "Folder for checkpoints, learning curve, weights and card; a run found there is continued."
    )
    master_patterns: str = _setting("", "Folder of master patterns, `.npz` or EMsoft's `.h5`.")
    scans: tuple[ScanPair, ...] = _setting(
        (), "Pairs of scans or image folders, each a table `[[scans]]`.", of=ScanPair
    )
    held_out: tuple[str, ...] = _setting(
        (),
        "Master patterns, by name without ending, that only the learning curve's validation sees. Of scans it is the "
        "last tenth of the points.",
        of=str,
    )
    name: str = _setting("my-model", "Of the model: NAME.weights.h5 and NAME.json are written.")
    network: str = _setting(
        "kikuchi-unet", "Architecture: kikuchi-unet, kikuchi-unet-map, kikuchi-unet-large or andrews2023."
    )
    start: str = _setting(
        "",
        "A shipped model's name, or the path of a `.weights.h5` file, to start from instead of from chance. Of another "
        "network it may be: layers of the same name take over what fits.",
    )
    batch: int = _setting(16, "Patterns in a step.", min=1)
    steps: int = _setting(20000, "Steps of the whole run.", min=1)
    minutes: float = _setting(0.0, "The run is shortened to this time; 0 sets no limit.", min=0.0)
    learning_rate: float = _setting(
        1e-3, "Highest of the schedule: it rises over `warmup`, and falls as a cosine.", min=1e-9, max=1.0
    )
    warmup: int = _setting(200, "Steps.", min=0)
    correlation: float = _setting(
        0.5, "Weight of the correlation in the loss, beside the error; not for andrews2023.", min=0.0
    )
    precision: str = _setting(
        "float32",
        "Of the arithmetic, `float32` or `mixed_bfloat16`; weights have 32 bits in either.",
        choices=("float32", "mixed_bfloat16"),
    )
    checkpoint_steps: int = _setting(500, "Steps from a checkpoint, with its validation, to the next.", min=1)
    validation: int = _setting(96, "Patterns of the validation, at least a batch.", min=1)
    seed: int = _setting(1, "The same one draws the same patterns.", min=0)
    pairs: PairSettings = field(
        default_factory=PairSettings,
        metadata={"help": "From what patterns are drawn, a table `[pairs]`.", "of": PairSettings, "count": None},
    )

    @classmethod
    def load(cls, path: str | Path, **changes: Any) -> TrainingConfig:
        """Read a TOML file.

        Parameters
        ----------
        path : path to a file
        **changes
            Fields that replace what it says; a source replaces the file's.

        Raises
        ------
        ScanError
            If the file is missing, is not TOML, has a key that means nothing here, or as for the class.
        """
        path = Path(path)
        found = _resolved(_read(path), path.parent)
        if any(source in changes for source in _SOURCES):
            found = {key: value for key, value in found.items() if key not in _SOURCES}
        try:
            return _filled(cls, {**found, **changes})
        except ScanError as error:
            raise ScanError(f"{path}: {error}") from error

    def __post_init__(self) -> None:
        _check(self)
        if not self.output:
            raise ScanError("A training needs a folder to write to: give output, or --output on the command line.")
        if bool(self.master_patterns) == bool(self.scans):
            raise ScanError(
                "A training needs exactly one source: master_patterns, a folder, or [[scans]], pairs of exposures "
                "(--master-patterns, or --noisy and --clean, on the command line)."
            )
        if not self.name or not self.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise ScanError(f"A model's name is made of letters, digits, '-', '_' and '.', unlike {self.name!r}.")
        if self.validation < self.batch:
            raise ScanError(f"A validation has at least a batch of {self.batch} patterns, not {self.validation}.")
        if self.scans and self.held_out:
            raise ScanError("held_out names master patterns; of [[scans]] the last tenth of the points is held out.")
        self._check_window()

    def _check_window(self) -> None:
        network, side = find_network(self.network), self.pairs.window
        if side % network.multiple:
            raise ScanError(
                f"[pairs] window is {side}, where {self.network} needs a multiple of {network.multiple} pixels."
            )
        if not network.with_mask and self.pairs.sizes[0] < side:
            raise ScanError(
                f"{self.network} knows no mask, so that patterns have to fill its window: [pairs] sizes begin at "
                f"{self.pairs.sizes[0]} and window is {side}."
            )

    def share_done(self, step: int, minutes: float) -> float:
        """How much of the run is done, 0..1: of its steps or of its minutes, whichever is more."""
        of_time = minutes / self.minutes if self.minutes else 0.0
        return min(1.0, max(step / self.steps, of_time))

    def record(self) -> dict[str, Any]:
        """The configuration as a model card and a checkpoint keep it: of paths, the last part, and no output folder."""
        whole = asdict(self)
        del whole["output"]
        whole["scans"] = [{key: _last(value) for key, value in pair.items()} for pair in whole["scans"]]
        return {**whole, **{key: _last(whole[key]) for key in ("master_patterns", "start")}}


def _last(value: Any) -> Any:
    return Path(value).name if isinstance(value, str) else value


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ScanError(f"There is no training configuration {path}.") from None
    # UnicodeDecodeError: something that is no text.
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScanError(f"{path} cannot be read as a training configuration (TOML): {error}.") from error


def _resolved(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a file says, with the paths in it seen from where it lies."""

    def seen_from_here(table: Any, *keys: str) -> Any:
        if not isinstance(table, dict):
            return table
        paths = {key: str(folder / table[key]) for key in keys if isinstance(table.get(key), str) and table[key]}
        return {**table, **paths}

    if isinstance(found.get("scans"), list):
        found["scans"] = [seen_from_here(pair, "noisy", "clean") for pair in found["scans"]]
    is_shipped = found.get("start") in shipped_models()
    return dict(seen_from_here(found, "output", "master_patterns", *([] if is_shipped else ["start"])))


def _filled(kind: type[Settings], found: Any) -> Settings:
    """A dataclass of settings, and those within it, from tables."""
    if isinstance(found, kind):
        return found
    known = [spec.name for spec in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(found, dict):
        raise ScanError(f"{found!r} was found where a table with {', '.join(known)} was expected.")
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ScanError(f"{unknown[0]!r} means nothing in training; known are {', '.join(known)}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    if isinstance(values.get("scans"), tuple):
        values["scans"] = tuple(_filled(ScanPair, pair) for pair in values["scans"])
    if "pairs" in values:
        values["pairs"] = _filled(PairSettings, values["pairs"])
    return kind(**values)


_EXPECTED = {
    str: ("text", "a list of texts"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    ScanPair: ("", "tables [[scans]]"),
    PairSettings: ("a table [pairs]", ""),
}


def _check(settings: Any, table: str = "") -> None:
    """Refuse values of another kind than they ought to be, or out of range; whole numbers are taken for fractions."""
    for spec in fields(settings):
        value, about = getattr(settings, spec.name), spec.metadata
        is_list, count = about["count"] is not None, about["count"] or 0
        said = f"{table}{spec.name} is {list(value) if isinstance(value, tuple) else repr(value)}"
        values = value if isinstance(value, tuple) else (value,)
        fits = is_list == isinstance(value, tuple) and count in (0, len(values))
        if not (fits and all(_is(one, about["of"]) for one in values)):
            number = f"{count} " if count else ""
            raise ScanError(f"{said}, where {number}{_EXPECTED[about['of']][is_list]} was expected.")
        for one in values:
            _check_range(said, one, about)


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_range(said: str, value: Any, about: Any) -> None:
    if "choices" in about and value not in about["choices"]:
        raise ScanError(f"{said}, where one of {', '.join(about['choices'])} was expected.")
    if ("min" in about and value < about["min"]) or ("max" in about and value > about["max"]):
        most = f" to {about['max']:g}" if "max" in about else " or more"
        raise ScanError(f"{said}, where {about['min']:g}{most} was expected.")
