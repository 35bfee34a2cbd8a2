"""A recipe over the patterns of a layer, off the main thread: into memory, into a file, or as they are looked at."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ..formats import open_scan, recipe_path
from ..pipeline import discard_partial, fitted_blocks, lazy, process_to_file, processed
from ..recipe import Recipe
from ..scan import Scan, ScanError
from .layers import contrast_limits
from .runner import RunFailed

__all__ = ["Done", "run_in_memory", "run_lazily", "run_to_file"]

# Of the memory now free: what is left keeps the system, and the network, going.
SHARE = 0.7

Done = tuple[Scan, tuple[float, float]]
"""A result, and the contrast limits to show it with: computed in the worker, since a lazy result takes its time."""


def run_in_memory(scan: Scan, recipe: Recipe) -> Generator[int, None, Done]:
    """Process a scan into memory; a generator for a worker, that can be stopped after each block.

    Yields
    ------
    int
        Number of patterns done; 0 once whatever the recipe needs is loaded.

    Returns
    -------
    Done
        The same map, with the processed patterns as an array in memory.

    Raises
    ------
    RunFailed
        If the result does not fit into memory, or a step fails.
    """
    with _told():
        _check_memory(scan)
        recipe.prepare()
        result = np.empty((scan.n, scan.height, scan.width), dtype=scan.pixel_type)
        recipe = recipe.fit(scan)
        yield 0
        for start, block in fitted_blocks(scan, recipe):
            result[start : start + len(block)] = block
            yield start + len(block)
        limits = contrast_limits(result)
        yield scan.n  # until here it can be stopped
        return processed(scan, recipe, result), limits


def run_lazily(scan: Scan, recipe: Recipe) -> Generator[int, None, Done]:
    """Prepare a scan whose patterns are processed when they are looked at; a generator for a worker.

    Raises
    ------
    RunFailed
        If the recipe cannot be run on the scan.
    """
    with _told():
        result = scan.with_patterns(lazy(scan, recipe))
        limits = contrast_limits(result.patterns)
        yield 0  # until here it can be stopped
        return result, limits


def run_to_file(scan: Scan, recipe: Recipe, target: Path, overwrite: bool) -> Generator[int, None, Done]:
    """Process a scan into a file, from which the result is then mapped; a generator for a worker.

    Stopped early, it leaves no file; a stop that is asked for when the last block is done comes too late. A run that
    ended without being stopped, as by a power cut, is taken up where it was.

    Raises
    ------
    RunFailed
        If the target cannot be written, or a step fails.
    """
    with _told():
        work = process_to_file(scan, target, recipe, overwrite=overwrite)
        try:
            yield from work
        except GeneratorExit:
            work.close()
            discard_partial(target)
            raise
        # The layer goes on telling what was done, as one does whose result lies in memory.
        recipe_text = recipe_path(target).read_text(encoding="utf-8")
        result = replace(open_scan(target, grid=scan.grid), recipe=recipe_text)
        return result, contrast_limits(result.patterns)


@contextmanager
def _told() -> Generator[None]:
    """Raise whatever goes wrong under a name that a worker does not swallow, in a sentence for the user."""
    try:
        yield
    except MemoryError as error:
        raise RunFailed(
            "Not enough memory: let the result go into a file, which needs no more than one block, or run "
            "`napari-kikuchi denoise`."
        ) from error
    except (ScanError, RuntimeError, OSError, ValueError) as error:
        raise RunFailed(str(error)) from error


def _check_memory(scan: Scan) -> None:
    needed = scan.n * scan.height * scan.width * scan.pixel_type.itemsize
    free: Any = psutil.virtual_memory().available
    if needed > SHARE * free:
        raise ScanError(
            f"The result takes {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free: let it go into a "
            "file, which needs no more memory than one block, or be computed as you browse."
        )
