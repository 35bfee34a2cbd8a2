"""Telling whether a model is still the one that it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from .card import WEIGHTS, shipped_models

__all__ = ["model_digest"]


def model_digest(name_or_path: str) -> str:
    """A digest of a model's weights and card: another one, if either was changed.

    Parameters
    ----------
    name_or_path : str
        As for `load_model`.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(name_or_path):
        digest.update(f"{file.name}\n".encode())
        with file.open("rb") as opened:
            while part := opened.read(2**22):
                digest.update(part)
    return digest.hexdigest()


def _files(name_or_path: str) -> Iterator[Path]:
    """All that belongs to a model: weights or folder, and the cards that may lie beside them."""
    path = WEIGHTS / f"{name_or_path}.weights.h5" if name_or_path in shipped_models() else Path(name_or_path)
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.exists():
        yield path
    stem = path.name.removesuffix(".weights.h5")
    for card in (f"{path.name}.card.json", f"{path.stem}.card.json", f"{stem}.json"):
        if (beside := path.with_name(card)).exists():
            yield beside
