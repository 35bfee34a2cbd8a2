"""Averages of Kikuchi patterns with their neighbours on the map."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError

__all__ = ["Weights", "average_neighbours", "neighbour_weights", "overlap"]

Weights = Literal["gaussian", "uniform"]


def neighbour_weights(window: int, weights: Weights = "gaussian") -> NDArray[np.float32]:
    """How much each neighbour counts.

    Parameters
    ----------
    window : int
        Rows and columns of the window, an odd number.
    weights : {"gaussian", "uniform"}
        "gaussian": exp(-d^2 / 2 s^2) at the distance d, with a standard deviation s of half the window, rounded down:
        one step of the map for a window of 3, where neighbours beside a pattern count 0.61 and those at the corners
        0.37 times the pattern itself. "uniform": all count 1.

    Returns
    -------
    array, shape (window, window), float32
        1 in the middle.

    Raises
    ------
    ScanError
        If the window is not odd and positive, or there are no such weights.
    """
    if window < 1 or window % 2 == 0:
        raise ScanError(f"A window of neighbours has an odd number of rows and columns, not {window}.")
    if weights not in get_args(Weights):
        raise ScanError(f"Neighbours are weighted {' or '.join(get_args(Weights))}, not {weights!r}.")
    if weights == "uniform":
        return np.ones((window, window), dtype=np.float32)
    apart = np.arange(window) - window // 2
    one_way = np.exp(-(apart**2) / (2 * max(window // 2, 1) ** 2))
    return (one_way[:, None] * one_way).astype(np.float32)


def average_neighbours(
    patterns: NDArray[np.float32],
    shape: tuple[int, int],
    window: int = 3,
    weights: Weights = "gaussian",
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Average each pattern with its neighbours on a square map.

    At the edges of the map only the neighbours that exist count, and the weights of these are scaled to a sum of 1.

    Parameters
    ----------
    patterns : array, shape (rows * columns, height, width), float32
        In scanning order.
    shape : (int, int)
        Rows and columns of the map.
    window, weights
        As in `neighbour_weights`.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something; other pixels come back unchanged.

    Returns
    -------
    array, shape (rows * columns, height, width), float32
        A pattern's sum runs over its window row by row whatever the size of the map, so that a pattern whose window
        lies inside a part of the map is the same, to the bit, in the average of that part.

    Raises
    ------
    ScanError
        If the patterns do not fill the map, or as `neighbour_weights`.
    """
    rows, columns = shape
    if len(patterns) != rows * columns:
        raise ScanError(f"{len(patterns)} patterns do not fill a map of {rows} rows x {columns} columns.")
    share = neighbour_weights(window, weights)
    half = window // 2
    on_map = patterns.reshape(rows, columns, *patterns.shape[1:])
    total = np.zeros_like(on_map)
    weight = np.zeros((rows, columns, 1, 1), dtype=np.float32)
    for down in range(-half, half + 1):
        to_rows, from_rows = overlap(rows, down)
        for right in range(-half, half + 1):
            to_columns, from_columns = overlap(columns, right)
            one = share[half + down, half + right]
            total[to_rows, to_columns] += one * on_map[from_rows, from_columns]
            weight[to_rows, to_columns] += one
    total /= weight
    averaged = total.reshape(patterns.shape)
    return averaged if mask is None else np.where(mask, averaged, patterns)


def overlap(count: int, apart: int) -> tuple[slice, slice]:
    """Which of `count` rows have a neighbour `apart` rows further down, and which rows are these neighbours."""
    there = max(0, count - abs(apart))
    before, after = max(0, -apart), max(0, apart)
    return slice(before, before + there), slice(after, after + there)
