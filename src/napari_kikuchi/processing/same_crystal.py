"""Which neighbours on the map show the same crystal: averages that stop at grain boundaries, also in noise.

At two electrons a pixel, one pair of patterns tells hardly anything, but all pairs of twenty neighbours tell much. So
whole neighbourhoods are compared: the points that belong to a pattern's crystal, as far as is known, with those that
belong to its neighbour's. The weight of a neighbour is the probability that it is of the same crystal; where noise
hides all differences, the average becomes a plain one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .neighbours import as_map, window_parts
from .similarity import Similarity, band_features, probability, unit_length

__all__ = ["average_similar", "reach", "similar_weights"]

Patterns = NDArray[np.float32]
Mask = NDArray[np.bool_] | None
# Of each point of a map, what is known of each place in its window: shape (window, window, rows, columns).
Windows = NDArray[np.float32]
# Of each pair of points, what their patterns say: shape (down, right, rows, columns), by how far apart they are.
Pairs = NDArray[np.float32]

# In the first rounds each neighbour is compared by itself, in the next ones with the points of its crystal. Evidence
# is averaged with that of the round before, or it would swing to and fro. Chosen on simulated nickel at 2 and 4
# electrons: a third round of the first kind and a third of the second change little.
_SINGLE_ROUNDS, _GROUP_ROUNDS = 2, 2
_KEPT = np.float32(0.5)
# A point is never more certain of a group than this, so that one that is certain of both counts half in each.
_SURE = np.float32(0.999)


def reach(window: int) -> int:
    """How many rows and columns on either side of a point decide its weights: its neighbours have neighbours, too."""
    return 2 * (window // 2)


def average_similar(
    patterns: Patterns,
    shape: tuple[int, int],
    window: int,
    similarity: Similarity,
    mask: Mask = None,
    points: NDArray[np.int64] | None = None,
) -> Patterns:
    """Average patterns with those neighbours on a square map that show the same crystal.

    Parameters
    ----------
    patterns : array, shape (rows * columns, height, width), float32
        In scanning order.
    shape : (int, int)
        Rows and columns of the map.
    window : int
        Rows and columns that are averaged, an odd number.
    similarity : Similarity
        Learnt from the scan.
    mask : array of bool, shape (height, width), optional
        True where the detector sees something; other pixels come back unchanged.
    points : array of int, shape (n,), optional
        Numbers of the points whose averages are wanted; all without it.

    Returns
    -------
    array, shape (n, height, width), float32
        Weighted by `similar_weights`. What a pattern becomes hangs on those within its `reach` alone.

    Raises
    ------
    ScanError
        If the patterns do not fill the map, or the window is even.
    """
    as_map(patterns, shape)
    features = unit_length(band_features(patterns, mask) - similarity.common).reshape(*shape, -1)
    weights = similar_weights(features, window, similarity).reshape(window, window, -1)
    wanted = np.arange(len(patterns)) if points is None else points
    rows, columns = np.divmod(wanted, shape[1])
    total = patterns[wanted]
    counts = np.ones(len(wanted), dtype=np.float32)
    for down, right, _, _ in window_parts(shape, window):
        if down or right:
            weight = weights[down + window // 2, right + window // 2, wanted]
            # Beyond the edge of the map lies a point that counts nothing.
            there = np.clip(rows + down, 0, shape[0] - 1) * shape[1] + np.clip(columns + right, 0, shape[1] - 1)
            total += weight[:, None, None] * patterns[there]
            counts += weight
    total /= counts[:, None, None]
    return total if mask is None else np.where(mask, total, patterns[wanted])


def similar_weights(features: Patterns, window: int, similarity: Similarity) -> Windows:
    """How much each neighbour counts, where the pattern itself counts 1: how likely it is to be of the same crystal.

    Found in rounds. In the first, each neighbour is compared with the pattern alone; in the second, with all points of
    the window, each as much as it is likely to be of the pattern's crystal. In the next ones the points that are likely
    to be of the neighbour's crystal, by the rounds before, stand for it in the same way. A point that could be of
    either counts only so far as it is of one and not of the other: between two groups that share their points, nothing
    could be told.

    Parameters
    ----------
    features : array, shape (rows, columns, k), float32
        As `band_features` gives them, less what they have in common, of zero mean and unit length.
    window : int
        Rows and columns, an odd number.
    similarity : Similarity

    Returns
    -------
    array, shape (window, window, rows, columns), float32
        For each place in the window, row by row; 1 in the middle, 0 where the map has ended.

    Raises
    ------
    ScanError
        If the window is even.
    """
    shape = features.shape[0], features.shape[1]
    on_map, before, alone = _places(shape, window, similarity)
    pairs = _pairs(features, window, similarity)
    own, theirs = alone, alone
    evidence = np.zeros_like(own)
    for turn in range(_SINGLE_ROUNDS + _GROUP_ROUNDS):
        if turn == _SINGLE_ROUNDS:
            theirs = own
        found = _compared(pairs, own, theirs)
        evidence = found if turn < _SINGLE_ROUNDS else _KEPT * evidence + (1 - _KEPT) * found
        likely = probability(evidence + before[:, :, None, None]).astype(np.float32)
        own = np.where(alone > 0, alone, on_map * likely)
    return own


def _places(
    shape: tuple[int, int], window: int, similarity: Similarity
) -> tuple[Windows, NDArray[np.float32], Windows]:
    """Which places of each window lie on the map; what is thought of each before a look; and the middle alone."""
    half = window // 2
    on_map = np.zeros((window, window, *shape), dtype=np.float32)
    before = np.zeros((window, window), dtype=np.float32)
    for down, right, here, _ in window_parts(shape, window):
        on_map[(half + down, half + right, *here)] = 1
        before[half + down, half + right] = similarity.before(float(np.hypot(down, right)))
    alone = np.zeros_like(on_map)
    alone[half, half] = 1
    return on_map, before, alone


def _pairs(features: Patterns, window: int, similarity: Similarity) -> Pairs:
    """The evidence of all pairs of points that lie in one window.

    Found at [far + down, far + right, half + row, half + column] for the point at (row, column) and the one so far
    below and to the right of it: with zeros for pairs further apart, with itself, and beyond the edge of the map.
    """
    shape = features.shape[0], features.shape[1]
    half = window // 2
    far = 3 * half
    pairs = np.zeros((2 * far + 1, 2 * far + 1, shape[0] + 2 * half, shape[1] + 2 * half), dtype=np.float32)
    inside = pairs[:, :, half : half + shape[0], half : half + shape[1]]
    for down, right, here, there in window_parts(shape, 2 * window - 1):
        if (down, right) > (0, 0):
            found = similarity.evidence(np.einsum("ijk,ijk->ij", features[here], features[there]))
            inside[(far + down, far + right, *here)] = found
            inside[(far - down, far - right, *there)] = found
    return pairs


def _compared(pairs: Pairs, own: Windows, theirs: Windows) -> Windows:
    """What the patterns say of each place in each point's window: whether it is of the point's crystal.

    Parameters
    ----------
    pairs : array
        As `_pairs` gives them.
    own, theirs : array, shape (window, window, rows, columns)
        How likely each place in a point's window is to be of its crystal: when the point is the one that looks at a
        neighbour, and when it is the neighbour.
    """
    window, half = own.shape[0], own.shape[0] // 2
    shape = own.shape[2:]
    edge = [(0, 0), (0, 0), (half, half), (half, half)]
    around = np.pad(theirs, edge)
    found = np.zeros_like(own)
    for down, right, _, _ in window_parts((window, window), window):
        if not (down or right):
            continue
        other = around[:, :, half + down :, half + right :][:, :, : shape[0], : shape[1]]
        mine, others = _apart(own, other, down, right)
        total = found[half + down, half + right]
        for row, column in np.ndindex(window, window):
            first, second = down - row + 2 * half + half, right - column + 2 * half + half
            those = pairs[first : first + window, second : second + window, row:, column:]
            total += mine[row, column] * (others * those[:, :, : shape[0], : shape[1]]).sum(axis=(0, 1))
    return found


def _apart(own: Windows, other: Windows, down: int, right: int) -> tuple[Windows, Windows]:
    """Two groups of points, each without what is as likely of the other one.

    Parameters
    ----------
    own, other : array, shape (window, window, rows, columns)
        How likely each place in the window of a point, and in that of its neighbour, is to be of its crystal.
    down, right : int
        How far below and to the right of the point the neighbour lies.
    """
    window, half = own.shape[0], own.shape[0] // 2
    (rows, other_rows), (columns, other_columns) = (
        (slice(max(0, apart), window + min(0, apart)), slice(max(0, -apart), window + min(0, -apart)))
        for apart in (down, right)
    )
    one, two = np.minimum(own, _SURE), np.minimum(other, _SURE)
    in_two, in_one = np.zeros_like(one), np.zeros_like(two)
    in_two[rows, columns] = two[other_rows, other_columns]
    in_one[other_rows, other_columns] = one[rows, columns]
    # Of one and not of the other, if it is not of both.
    one, two = one * (1 - in_two) / (1 - one * in_two), two * (1 - in_one) / (1 - two * in_one)
    one[half, half], two[half, half] = own[half, half], other[half, half]
    one[half + down, half + right] = two[half - down, half - right] = 0
    return one, two
