"""What travels with a network's weights. Reading cards imports no network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ..scan import ScanError

__all__ = ["DEFAULT_MODEL", "WEIGHTS", "ModelCard", "Normalisation", "shipped_models"]

DEFAULT_MODEL = "kikuchi-unet-map"
"""Name of the model used where none is chosen."""

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the shipped models."""

Normalisation = Literal["background", "stretched", "unit"]


@dataclass(frozen=True)
class ModelCard:
    """What travels with a network's weights: how to feed it, and what is known of it.

    Attributes
    ----------
    name : str
        Short, as given on the command line.
    title : str
        For people.
    network : str
        Architecture, a key of `architectures.NETWORKS`; empty where the file holds it.
    size : (height, width) or None
        The only size that the network takes, pixels: patterns are resized to it and back. None: any size.
    sides : (smallest, largest) or None
        Longer side, pixels, of the patterns that the network knows. Smaller patterns are enlarged for it, larger ones
        reduced, by whole factors, and its result is brought back to their size.
    normalisation : {"background", "stretched", "unit"}
        What it sees: the pattern with its background divided out, in standard deviations ("background"); stretched to
        0..1 between its 0.1 and 99.9 percentiles ("stretched"); or as it is, in 0..1 ("unit").
    window : int
        Rows and columns of the largest average with neighbours on the map that it was trained to look at beside the
        pattern itself; 0: it sees patterns alone.
    multiple : int
        Patterns are extended to multiples of this many pixels.
    trained_on, held_out, noise, training_time : str
        Phases, phases kept from training, noise levels, effort.
    figures : dict
        What was measured, by what was measured.
    limits, licence : str
    experimental : bool
        Whether it misses what is asked of a model to be relied on.
    training : dict
        The configuration it was trained with.
    """

    name: str
    title: str = ""
    network: str = ""
    size: tuple[int, int] | None = None
    sides: tuple[int, int] | None = None
    normalisation: Normalisation = "unit"
    window: int = 0
    multiple: int = 1
    trained_on: str = ""
    held_out: str = ""
    noise: str = ""
    training_time: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    limits: str = ""
    licence: str = ""
    experimental: bool = False
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> ModelCard:
        """Read a card.

        Raises
        ------
        ScanError
            If it is no JSON, or says something that no card says.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ScanError(f"{path} cannot be read as a model card (JSON): {error}.") from error
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(found) - known) if isinstance(found, dict) else ["a list"]
        if unknown or "name" not in found:
            wrong = f"says {unknown[0]!r}, which no model card says" if unknown else "has no name"
            raise ScanError(f"The model card {path} {wrong}; known are {', '.join(sorted(known))}.")
        if found.get("normalisation", "unit") not in get_args(Normalisation):
            raise ScanError(
                f"The model card {path} asks for the normalisation {found['normalisation']!r}; "
                f"there are {', '.join(get_args(Normalisation))}."
            )
        for pair in ("size", "sides"):
            if found.get(pair) is not None:
                found[pair] = tuple(int(extent) for extent in found[pair])
        return cls(**found)

    def save(self, path: str | Path) -> None:
        """Write the card as JSON."""
        Path(path).write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def shipped_models() -> dict[str, ModelCard]:
    """Cards of the models that come with this package, by name, the default first."""
    cards = {card.name: card for card in map(ModelCard.load, sorted(WEIGHTS.glob("*.json")))}
    return dict(sorted(cards.items(), key=lambda item: (item[0] != DEFAULT_MODEL, item[0])))
