"""Sums along all straight lines of an image (the Radon transform), as layers of a network.

A Kikuchi band is a line across the whole pattern. Among the sums along lines it is a dot of a few pixels with dark
neighbours, which two or three small convolutions can tell from noise; among pixels it takes a network of great depth to
follow one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

__all__ = ["ANGLES", "WRAP", "BackProjection", "LineSums", "Rewrap", "line_grid_pooling", "line_matrix"]

ANGLES = 64
"""Directions of lines in half a turn, 2.8 degrees apart: one pixel at 20 pixels from the centre."""

WRAP = 3
"""Directions repeated at either end, so that convolutions see that the last one neighbours the first."""

_LARGEST_GRID = 64
# Rows of a matrix product that are computed together in 16 bits.
_GROUP = 32


def line_grid_pooling(height: int, width: int) -> int:
    """Pixels (2, 4, 8, ...) averaged before summing along lines, so that the grid has at most 64 pixels a side."""
    return max(2, 2 ** math.ceil(math.log2(max(height, width) / _LARGEST_GRID)))


# All layers of one network have the same; more than that would only take memory.
@lru_cache(maxsize=1)
def line_matrix(height: int, width: int) -> NDArray[np.float32]:
    """Weight of each pixel in the sum along each line.

    Line (angle t, distance r from the centre) is where x cos t + y sin t = r; distances are one pixel apart and a pixel
    counts for the two nearest ones, linearly. Each line's weights have unit sum of squares, so that white noise stays
    of unit variance whatever the line's length.

    Parameters
    ----------
    height, width : int
        Of the grid, pixels.

    Returns
    -------
    array, shape (height * width, ANGLES * max(height, width)), float32
        Lines further from the centre than half the longer side, which cut off corners only, are left out.
    """
    distances = max(height, width)
    y, x = np.mgrid[:height, :width].reshape(2, -1) - np.array([[(height - 1) / 2], [(width - 1) / 2]])
    matrix = np.zeros((height * width, ANGLES, distances), dtype=np.float32)
    pixels = np.arange(height * width)
    for index, angle in enumerate(np.arange(ANGLES) * np.pi / ANGLES):
        distance = x * np.cos(angle) + y * np.sin(angle) + (distances - 1) / 2
        lower = np.floor(distance).astype(int)
        for place, weight in ((lower, lower + 1 - distance), (lower + 1, distance - lower)):
            inside = (place >= 0) & (place < distances)
            matrix[pixels[inside], index, place[inside]] += weight[inside]
    length = np.sqrt(np.square(matrix, dtype=np.float64).sum(axis=0))
    return (matrix / np.maximum(length, 1)).reshape(height * width, -1).astype(np.float32)


class _LineLayer(keras.layers.Layer):  # type: ignore[misc]
    """Holds the line matrix as a constant that is not saved: it follows from the grid.

    A row for each number that comes out: so the product is computed faster than with a column for each.
    """

    def __init__(self, grid: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.grid = tuple(grid)
        self.distances = max(grid)

    def build(self, input_shape: Any) -> None:
        matrix = self._rows_out(line_matrix(*self.grid))
        # Of the type that is computed with: to convert so many numbers at each call takes longer than the product.
        self.matrix = self.add_weight(
            name="matrix",
            shape=matrix.shape,
            dtype=self.compute_dtype,
            trainable=False,
            initializer=lambda shape, dtype: keras.ops.cast(matrix, dtype),
        )

    def _rows_out(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError

    def _product(self, rows: Any) -> Any:
        """Product of rows of numbers with the matrix. In 16 bits, always in at least four groups of 32 rows.

        A product of few rows is cut up otherwise than one of many, and then rounds otherwise. In 32 bits nobody sees
        that; in 16 the layers that follow make several grey levels of it, and patterns would hang on how many are
        computed at once.
        """
        ops = keras.ops
        matrix = ops.transpose(self.matrix)
        if self.compute_dtype == "float32":
            return ops.matmul(rows, matrix)
        count, length = ops.shape(rows)[0], rows.shape[1]
        filled = ops.concatenate([rows, ops.zeros((-count % (4 * _GROUP), length), dtype=rows.dtype)])
        product = ops.matmul(ops.reshape(filled, (-1, _GROUP, length)), matrix)
        return ops.reshape(product, (-1, matrix.shape[1]))[:count]

    def save_own_variables(self, store: Any) -> None:
        """Nothing to save."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing to load."""

    def get_config(self) -> dict[str, Any]:
        """What the layer is made from."""
        return {**super().get_config(), "grid": list(self.grid)}


@keras.saving.register_keras_serializable("napari_kikuchi")
class LineSums(_LineLayer):
    """(n, height, width, c) -> (n, ANGLES + 6, distances, c): sums along lines, directions wrapped around."""

    def _rows_out(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(matrix.T)

    def call(self, x: Any) -> Any:
        ops = keras.ops
        channels = x.shape[-1]
        images = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, self.grid[0] * self.grid[1]))
        sums = self._product(images)
        sums = ops.reshape(sums, (-1, channels, ANGLES, self.distances))
        return _wrapped(ops.transpose(sums, (0, 2, 3, 1)), WRAP)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """See the class."""
        return (input_shape[0], ANGLES + 2 * WRAP, self.distances, input_shape[-1])

    @property
    def macs(self) -> int:
        """Multiplications for one pattern."""
        return self.grid[0] * self.grid[1] * ANGLES * self.distances * int(self.input.shape[-1])


@keras.saving.register_keras_serializable("napari_kikuchi")
class Rewrap(keras.layers.Layer):  # type: ignore[misc]
    """Change how many directions are repeated at either end: from `inside`, which are cut off, to `outside`."""

    def __init__(self, inside: int, outside: int, **options: Any) -> None:
        super().__init__(**options)
        self.inside, self.outside = inside, outside

    def call(self, x: Any) -> Any:
        return _wrapped(x[:, self.inside : x.shape[1] - self.inside], self.outside)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """See the class."""
        return (input_shape[0], input_shape[1] + 2 * (self.outside - self.inside), *input_shape[2:])

    def get_config(self) -> dict[str, Any]:
        """What the layer is made from."""
        return {**super().get_config(), "inside": self.inside, "outside": self.outside}


def _wrapped(x: Any, rows: int) -> Any:
    """A line seen from the other side has its distance negated, so the repeated rows are mirrored."""
    if not rows:
        return x
    ops = keras.ops
    return ops.concatenate([ops.flip(x[:, -rows:], axis=2), x, ops.flip(x[:, :rows], axis=2)], axis=1)


@keras.saving.register_keras_serializable("napari_kikuchi")
class BackProjection(_LineLayer):
    """(n, ANGLES + 6, distances, c) -> (n, height, width, c): each pixel averages the lines that pass through it."""

    def _rows_out(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        return matrix

    def call(self, x: Any) -> Any:
        ops = keras.ops
        channels = x.shape[-1]
        lines = ops.transpose(x[:, WRAP:-WRAP], (0, 3, 1, 2))
        lines = ops.reshape(lines, (-1, ANGLES * self.distances))
        pixels = self._product(lines) * ANGLES**-0.5
        return ops.transpose(ops.reshape(pixels, (-1, channels, *self.grid)), (0, 2, 3, 1))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """See the class."""
        return (input_shape[0], *self.grid, input_shape[-1])

    @property
    def macs(self) -> int:
        """Multiplications for one pattern."""
        return self.grid[0] * self.grid[1] * ANGLES * self.distances * int(self.input.shape[-1])
