"""What the U-Nets are put together from: convolutions, folds, and what they find among the sums along lines.

Layers have names, since networks take over the trained layers of others by name.
"""

from __future__ import annotations

from typing import Any

import keras

from .lines import WRAP, BackProjection, LineSums, Rewrap, line_grid_pooling

__all__ = ["conv", "fold", "grid_of", "line_images", "line_unet", "lines_in", "residual", "rise", "unfold"]

_LINE_WIDTH = 16
# Channels at half and at a quarter of the grid of lines.
_HALF, _QUARTER = 32, 64


def conv(x: Any, filters: int, name: str, kernel: int = 3, strides: int = 1) -> Any:
    """A convolution and what is positive of it."""
    convolution = keras.layers.Conv2D(
        filters, kernel, strides=strides, padding="same", kernel_initializer="he_normal", name=name
    )
    return keras.layers.ReLU(name=f"{name}_relu")(convolution(x))


def residual(x: Any, name: str, filters: int | None = None, beside: Any = None) -> Any:
    """Two convolutions, of what came in and maybe of something beside it, added to what came in; at first, nothing."""
    seen = x if beside is None else keras.layers.Concatenate()([x, beside])
    y = conv(seen, filters or x.shape[-1], f"{name}_a")
    return _added(x, _nothing_at_first(y, x.shape[-1], f"{name}_b"), name)


def rise(x: Any, skip: Any, filters: int, name: str) -> Any:
    """Up to twice the size, where what was found there on the way down is added."""
    x = keras.layers.Conv2D(filters, 1, name=name)(x)
    return keras.layers.Add(name=f"{name}_sum")([keras.layers.UpSampling2D(2, name=f"{name}_up")(x), skip])


def fold(x: Any, block: int) -> Any:
    """Blocks of pixels become channels, nothing is lost: (n, h, w, c) -> (n, h / b, w / b, b * b * c)."""
    _, height, width, channels = x.shape
    x = keras.layers.Reshape((height // block, block, width // block, block * channels))(x)
    x = keras.layers.Permute((1, 3, 2, 4))(x)
    return keras.layers.Reshape((height // block, width // block, block * block * channels))(x)


def unfold(x: Any, block: int) -> Any:
    """The way back of `fold`."""
    _, height, width, channels = x.shape
    channels //= block * block
    x = keras.layers.Reshape((height, width, block, block * channels))(x)
    x = keras.layers.Permute((1, 3, 2, 4))(x)
    return keras.layers.Reshape((height * block, width * block, channels))(x)


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Height and width of the grid on which the lines of an input of that size are summed."""
    pooling = line_grid_pooling(height, width)
    return height // pooling, width // pooling


def lines_in(image: Any) -> Any:
    """Sums along all lines of an image, in which bands are dots, and what small convolutions find there."""
    _, height, width, _ = image.shape
    pooling = line_grid_pooling(height, width)
    x = keras.layers.AveragePooling2D(pooling, name="line_pool")(image) * float(pooling)
    x = LineSums(grid_of(height, width), name="line_sums")(x)
    x = conv(x, _LINE_WIDTH, "line1")
    return conv(x, _LINE_WIDTH, "line2")


def line_images(lines: Any, size: tuple[int, int], images: int, name: str) -> Any:
    """The bands found among the lines, drawn as images of half the size (height, width) of the input."""
    x = keras.layers.Conv2D(images, 3, padding="same", name=name)(lines)
    x = BackProjection(grid_of(*size), name=f"{name}_images")(x)
    enlarged = line_grid_pooling(*size) // 2
    return x if enlarged == 1 else keras.layers.UpSampling2D(enlarged, name=f"{name}_up")(x)


def line_unet(lines: Any, name: str) -> Any:
    """A small U-Net among lines, whose result is added to them; at first, nothing.

    A band on its own may be noise; with others of the same zones, or at the same distance on the other side, it is not.
    """
    # Halved twice: distances are filled up to a multiple of four, on both sides, so that the middle stays there.
    missing = -lines.shape[2] % 4
    sides = (0, 0), (missing // 2, missing - missing // 2)
    x = Rewrap(WRAP, 0, name=f"{name}_inner")(lines)
    if missing:
        x = keras.layers.ZeroPadding2D(sides, name=f"{name}_pad")(x)
    skip = x = _line_residual(conv(x, _HALF, f"{name}_down2", kernel=2, strides=2), f"{name}_enter2")
    x = _line_residual(conv(x, _QUARTER, f"{name}_down4", kernel=2, strides=2), f"{name}_deep4")
    x = _line_residual(x, f"{name}_deeper4")
    x = _line_residual(rise(x, skip, _HALF, f"{name}_rise2"), f"{name}_leave2")
    x = _nothing_at_first(x, lines.shape[-1], f"{name}_rise1", kernel=1)
    x = keras.layers.UpSampling2D(2, name=f"{name}_up1")(x)
    if missing:
        x = keras.layers.Cropping2D(sides, name=f"{name}_crop")(x)
    return _added(lines, Rewrap(0, WRAP, name=f"{name}_outer")(x), f"{name}_unet")


def _line_residual(x: Any, name: str) -> Any:
    """As `residual`, of lines that are not wrapped around."""
    y = conv(Rewrap(0, 2, name=f"{name}_wrap")(x), x.shape[-1], f"{name}_a")
    y = _nothing_at_first(y, x.shape[-1], f"{name}_b")
    return _added(x, Rewrap(2, 0, name=f"{name}_unwrap")(y), name)


def _nothing_at_first(x: Any, filters: int, name: str, kernel: int = 3) -> Any:
    return keras.layers.Conv2D(filters, kernel, padding="same", kernel_initializer="zeros", name=name)(x)


def _added(x: Any, more: Any, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")([x, more]))
