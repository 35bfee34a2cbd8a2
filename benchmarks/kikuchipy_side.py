"""What kikuchipy needs for steps that we have too; run by an interpreter that has it, which ours need not.

    PYTHON kikuchipy_side.py PATTERNS.npy

The patterns are of shape (rows, columns, height, width). Prints seconds by step as JSON: three rounds after a first,
in which its functions are compiled. From array to array in memory, as its users run it, without a progress bar.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import kikuchipy
import numpy as np

ROUNDS = 3


def seconds(patterns: np.ndarray[Any, Any], run: Callable[[Any], Any]) -> list[float]:
    """Times of the warm rounds; the signal is made anew for each, outside the time, since steps work in place."""
    spent = []
    for _ in range(ROUNDS + 1):
        signal = kikuchipy.signals.EBSD(
            patterns.copy(), static_background=patterns.mean(axis=(0, 1)).astype(patterns.dtype)
        )
        started = time.perf_counter()
        run(signal)
        spent.append(time.perf_counter() - started)
    return spent[1:]


def main() -> None:
    """Time every step."""
    warnings.simplefilter("ignore")
    patterns = np.load(sys.argv[1])
    few = patterns[:1, :16]
    quiet = {"show_progressbar": False}
    side = patterns.shape[-1] // 8
    found = {
        "clahe": seconds(few, lambda s: s.adaptive_histogram_equalization((side, side), clip_limit=0.01, **quiet)),
        "static": seconds(patterns, lambda s: s.remove_static_background("divide", **quiet)),
        "dynamic": seconds(patterns, lambda s: s.remove_dynamic_background("divide", **quiet)),
        "average": seconds(patterns, lambda s: s.average_neighbour_patterns("gaussian", (3, 3), std=1, **quiet)),
    }
    print(json.dumps({"seconds": found, "few": few.shape[1], "version": kikuchipy.__version__}))


if __name__ == "__main__":
    main()
