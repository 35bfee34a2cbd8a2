"""A recipe from scans of any size to UP files: in bounded memory, and able to go on where it was stopped."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..formats.partial import PartialFile, check_free_or_begun, discard_partial, partial_path
from ..formats.pixels import conversion
from ..formats.targets import check_space
from ..formats.up_writing import UPTarget, up_target
from ..recipe import Recipe
from ..scan import Scan
from .block_writer import BlockWriter, digest, told_apart
from .blocks import Block, cut_anyhow, processed, settings_of_cut
from .lazy_patterns import LazyPatterns

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["FileRun", "begin", "discard_partial", "process_to_file"]


def process_to_file(
    scan: Scan, target: str | Path, recipe: Recipe, *, overwrite: bool = False, client: Client | None = None
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
    client : distributed.Client, optional
        Compute on its workers, which have to see source and target under the same paths; see `cluster`. The scan has to
        be as it was opened.

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
    yield from begin(scan, target, recipe, overwrite=overwrite).run(client)


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

    def run(self, client: Client | None = None) -> Generator[int, None, None]:
        """Do what is not done yet, here or on the workers of a client; yields and errors as `process_to_file`."""
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
            writer = BlockWriter(scan, recipe, target, scaling)
            file.write(0, target.header)
            with closing(
                self._written(writer, file, {number: blocks[number] for number in missing}, client)
            ) as written:
                for number in written:
                    file.record(number)
                    left -= blocks[number].size
                    yield scan.n - left
            file.write(target.offset(target.n), target.data(target.padding))
            file.finish(self.text)

    def _written(
        self, writer: BlockWriter, file: PartialFile, blocks: dict[int, Block], client: Client | None
    ) -> Generator[int, None, None]:
        """Compute and write blocks; yields the number of each."""
        if client is None:
            return writer.write(blocks, file.write)
        from .cluster import spread

        return spread(client, writer, partial_path(self.target.path), blocks)

    def _origin(self) -> dict[str, str]:
        """All that the bytes of the output hang on, by what errors call it."""
        scan, recipe, target = self.scan, self.recipe, self.target
        digests = " ".join(step.digest() for step in recipe.steps)
        return {
            "the source": told_apart(scan),
            "the recipe": self.text,
            "the model or what it runs on, or the background of the recipe": digests,
            "the form of the output": f"{target.n} patterns, {target.pixel_type.name}, header {digest(target.header)}",
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
