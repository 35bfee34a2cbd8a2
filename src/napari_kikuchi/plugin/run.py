"""A recipe over a whole layer, off the main thread, with progress and cancel."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import psutil

from ..pipeline import fitted_blocks, processed
from ..recipe import Recipe
from ..scan import Scan, ScanError

__all__ = ["RunFailed", "run_in_memory"]

# Of the memory now free: what is left keeps the system, and the network, going.
SHARE = 0.7


class RunFailed(Exception):
    """A run went wrong; workers swallow a plain RuntimeError silently, so it travels under this name."""


def run_in_memory(scan: Scan, recipe: Recipe) -> Generator[int, None, Scan]:
    """Process a scan into memory; a generator for a worker, that can be stopped after each block.

    Yields
    ------
    int
        Number of patterns done; 0 once whatever the recipe needs is loaded.

    Returns
    -------
    Scan
        The same map, with the processed patterns as an array in memory.

    Raises
    ------
    RunFailed
        If the result does not fit into memory, or a step fails.
    """
    try:
        _check_memory(scan)
        recipe.prepare()
        result = np.empty((scan.n, scan.height, scan.width), dtype=scan.pixel_type)
        yield 0
        recipe = recipe.fit(scan)
        for start, block in fitted_blocks(scan, recipe):
            result[start : start + len(block)] = block
            yield start + len(block)
        return processed(scan, recipe, result)
    except MemoryError as error:
        raise RunFailed("Not enough memory; run `napari-kikuchi denoise` from file to file instead.") from error
    except (ScanError, RuntimeError, OSError, ValueError) as error:
        raise RunFailed(str(error)) from error


def _check_memory(scan: Scan) -> None:
    needed = scan.n * scan.height * scan.width * scan.pixel_type.itemsize
    free: Any = psutil.virtual_memory().available
    if needed > SHARE * free:
        raise ScanError(
            f"The result takes {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free; "
            "run `napari-kikuchi denoise` or `clahe` from file to file, which needs no more than one block."
        )
