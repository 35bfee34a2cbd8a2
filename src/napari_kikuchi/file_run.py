"""A recipe from scans of any size to UP files: in bounded memory, and able to go on where it was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .blocks import compute, cut_anyhow, processed, settings_of_cut
from .formats.partial import PartialFile, check_free_or_begun, discard_partial
from .formats.pixels import conversion
from .formats.targets import check_space, mapped_file
from .formats.up_writing import UPTarget, up_target
from .lazy_patterns import LazyPatterns
from .recipe import Recipe
from .scan import Scan

__all__ = ["FileRun", "begin", "discard_partial", "process_to_file"]


def process_to_file(
    scan: Scan, target: str | Path, recipe: Recipe, *, overwrite: bool = False
) -> Generator[int, None, None]:
    """Run a recipe over a scan into an UP file, block by block, going on where an earlier run was stopped.

    The output grows in `OUT.partial` beside the target, with a journal of what is in it, and takes its name when it is
    whole. Closing the iterator early, or whatever else ends it, leaves both, with which the same call goes on; it
    refuses to if the source, the recipe or the model has changed. The file then has the same bytes as if nothing had
    happened, on the same machine. See also `discard_partial`.

    Parameters
    ----------
    scan : Scan
    target : path
        With the extension `.up1` or `.up2`; see `save_scan`.
    recipe : Recipe
    overwrite : bool
        Replace an existing target, in the end; never what the scan was opened from.

    Yields
    ------
    int
        Number of patterns done: those of the earlier run, first, once whatever the recipe needs is loaded and learnt.
        When the iterator ends, the target is whole, and its recipe beside it.

    Warns
    -----
    ScanWarning
        As `save_scan`.

    Raises
    ------
    ScanError
        If the target cannot be written, the recipe cannot be run, or what is there was begun from something else.
    """
    yield from begin(scan, target, recipe, overwrite=overwrite).run()


@dataclass(frozen=True)
class FileRun:
    """A recipe that is ready to run over a scan into an UP file; made by `begin`.

    Attributes
    ----------
    scan : Scan
    recipe : Recipe
        Fitted to the scan.
    target : UPTarget
    text : str
        The recipe that is written beside the target, as TOML.
    overwrite : bool
        Whether an existing target is replaced in the end.
    """

    scan: Scan
    recipe: Recipe
    target: UPTarget
    text: str
    overwrite: bool

    def run(self) -> Generator[int, None, None]:
        """Do what is not done yet; yields and errors are those of `process_to_file`."""
        scan, recipe, target = self.scan, self.recipe, self.target
        blocks = list(cut_anyhow(scan, recipe.rim))
        ends = [target.offset(block.stop) for block in blocks]
        with PartialFile(target.path, self._origin(), ends, target.size, overwrite=self.overwrite) as file:
            missing = [number for number in range(len(blocks)) if number not in file.done]
            left = sum(blocks[number].size for number in missing)
            check_space(target.path, target.size - target.offset(scan.n - left) if missing else 0)
            yield scan.n - left
            # Computes all patterns once more where their values decide how they are brought to the pixel type.
            scaling = conversion(LazyPatterns(scan, recipe), target.pixel_type, target.path.name)
            file.write(0, target.header)
            computed = compute(scan, recipe, (blocks[number] for number in missing))
            for number, (block, patterns) in zip(missing, computed, strict=True):
                for at, data in target.pieces(block.spans, patterns, scaling):
                    file.write(at, data)
                file.record(number)
                left -= block.size
                yield scan.n - left
            file.write(target.offset(target.n), target.data(target.padding))
            file.finish(self.text)

    def _origin(self) -> dict[str, str]:
        """All that the bytes of the output hang on, by what errors call it."""
        scan, recipe, target = self.scan, self.recipe, self.target
        return {
            "the source": _source(scan),
            "the recipe": self.text,
            "the model, or the background of the recipe": " ".join(step.digest() for step in recipe.steps),
            "the form of the output": f"{target.n} patterns, {target.pixel_type.name}, header {_digest(target.header)}",
            "the version of napari-kikuchi": __version__,
            "the cut into blocks": f"{settings_of_cut()}, {scan.grid or 'no map'}, rim {recipe.rim}",
        }


def begin(scan: Scan, target: str | Path, recipe: Recipe, *, overwrite: bool = False) -> FileRun:
    """Load and learn what the recipe needs; parameters, warnings and errors are those of `process_to_file`."""
    plan = up_target(target, scan, convert=True)
    check_free_or_begun(plan.path, overwrite=overwrite)
    recipe.prepare()
    recipe = recipe.fit(scan)
    return FileRun(scan, recipe, plan, processed(scan, recipe, scan.patterns).recipe, overwrite)


def _source(scan: Scan) -> str:
    """What tells a scan from another, or from itself after it was changed."""
    # A few of them, since reading all would take as long as the run.
    shown = sorted({0, scan.n // 2, scan.n - 1})
    patterns: Any = np.concatenate([np.asarray(scan.patterns[n : n + 1]) for n in shown])
    return f"{scan.n} patterns of {scan.pixel_type}, {_digest(patterns.tobytes())}, {_file(scan)}"


def _file(scan: Scan) -> str:
    """What tells the file, or the folder of images, from another, or from itself after it was changed."""
    file = mapped_file(scan.patterns)
    if file is not None:
        status = file.stat()
        return f"{file.name}, {status.st_size} bytes, changed at {status.st_mtime_ns} ns"
    if scan.source is None or not scan.source.names:
        return "in memory" if scan.source is None else scan.source.path.name
    images = [(name, (scan.source.path / name).stat()) for name in scan.source.names]
    told = "\n".join(f"{name} {image.st_size} {image.st_mtime_ns}" for name, image in images)
    return f"{scan.source.path.name}, {_digest(told.encode())}"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
