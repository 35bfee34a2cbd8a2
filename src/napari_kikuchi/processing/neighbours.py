"""Averages of Kikuchi patterns with their neighbours on the map."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError

__all__ = ["Part", "Weights", "as_map", "average_neighbours", "neighbour_weights", "window_parts"]

Weights = Literal["gaussian", "uniform"]
Part = tuple[slice, slice]


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
    _check_window(window)
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
    on_map = as_map(patterns, shape)
    share = neighbour_weights(window, weights)
    half = window // 2
    total = np.zeros_like(on_map)
    weight = np.zeros((*shape, 1, 1), dtype=np.float32)
    for down, right, here, there in window_parts(shape, window):
        one = share[half + down, half + right]
        total[here] += one * on_map[there]
        weight[here] += one
    total /= weight
    averaged = total.reshape(patterns.shape)
    return averaged if mask is None else np.where(mask, averaged, patterns)


def as_map(patterns: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Patterns (rows * columns, height, width) as (rows, columns, height, width).

    Raises
    ------
    ScanError
        If they do not fill the map.
    """
    rows, columns = shape
    if len(patterns) != rows * columns:
        raise ScanError(f"{len(patterns)} patterns do not fill a map of {rows} rows x {columns} columns.")
    return patterns.reshape(rows, columns, *patterns.shape[1:])


def window_parts(shape: tuple[int, int], window: int) -> list[tuple[int, int, Part, Part]]:
    """Each place in a window, row by row: how far down and right it lies, which points of a map have it, and where.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    window : int
        Rows and columns of the window, an odd number.

    Raises
    ------
    ScanError
        If the window is not odd and positive.
    """
    _check_window(window)
    reach = range(-(window // 2), window // 2 + 1)
    places = []
    for down in reach:
        to_rows, from_rows = _overlap(shape[0], down)
        for right in reach:
            to_columns, from_columns = _overlap(shape[1], right)
            places.append((down, right, (to_rows, to_columns), (from_rows, from_columns)))
    return places


def _check_window(window: int) -> None:
    if window < 1 or window % 2 == 0:
        raise ScanError(f"A window of neighbours has an odd number of rows and columns, not {window}.")


def _overlap(count: int, apart: int) -> tuple[slice, slice]:
    """Which of `count` rows have a neighbour `apart` rows further down, and which rows are these neighbours."""
    there = max(0, count - abs(apart))
    before, after = max(0, -apart), max(0, apart)
    return slice(before, before + there), slice(after, after + there)
