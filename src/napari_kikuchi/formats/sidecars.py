"""The files that indexing software looks for beside a pattern file: those of its name with other extensions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .targets import whole_file
from .up import PIXEL_TYPES

__all__ = ["SIDECARS", "Sidecars", "sidecars"]

SIDECARS = (".osc", ".ang")
"""Extensions of what indexing software pairs with a pattern file: the scan, and the map as text."""

# Bytes copied at a time.
CHUNK = 2**24


@dataclass(frozen=True)
class Sidecars:
    """What an output needs beside it that its source has.

    Attributes
    ----------
    source, target : Path
        The pattern files: the one that the patterns came from, and the new one.
    copies : tuple of (Path, Path)
        A file beside the source, and the name that its copy beside the target has to have; without those that are there
        already.
    """

    source: Path
    target: Path
    copies: tuple[tuple[Path, Path], ...]

    def __str__(self) -> str:
        """One sentence: what the indexing software will look for."""
        old, new = self.source.stem, self.target.stem
        wanted = " or ".join(f"{new}{suffix}" for suffix in SIDECARS)
        of = " or ".join(f"{old}{suffix}" for suffix in SIDECARS)
        return (
            "Indexing software pairs a pattern file with the .osc or .ang of the same name: for "
            f"{self.target.name}, copy {of} to {wanted}."
        )

    @property
    def offer(self) -> str:
        """What can be copied, in a few words; empty if nothing can."""
        return ", ".join(f"{old.name} as {new.name}" for old, new in self.copies)

    def copy(self) -> list[Path]:
        """Copy what can be copied, and overwrite nothing.

        Returns
        -------
        list of Path
            The copies.

        Raises
        ------
        ScanError
            If there is no room, a name was taken meanwhile, or reading or writing fails.
        """
        for old, new in self.copies:
            with old.open("rb") as source, whole_file(new, old.stat().st_size) as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
        return [new for _, new in self.copies]


def sidecars(source: Path, target: Path) -> Sidecars | None:
    """What an UP file written from another one needs beside it.

    Parameters
    ----------
    source, target : Path
        Pattern files.

    Returns
    -------
    Sidecars or None
        None if one of them is no UP file, or they have the same name but for the extension.
    """
    if not all(path.suffix.lower() in PIXEL_TYPES for path in (source, target)):
        return None
    if source.stem == target.stem:
        return None
    copies = []
    for suffix in SIDECARS:
        new = target.with_suffix(suffix)
        # Whatever the case of the extension: the software runs on Windows, where it does not matter.
        there = [old for old in source.parent.glob("*") if old.stem == source.stem and old.suffix.lower() == suffix]
        copies += [(old, new) for old in there[:1] if old.is_file() and not new.exists()]
    return Sidecars(source, target, tuple(copies))
