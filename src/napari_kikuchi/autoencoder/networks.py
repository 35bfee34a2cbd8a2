"""Denoising networks, by name.

`andrews2023` is the published autoencoder. `kikuchi-unet` is ours: a residual U-Net that works on patterns folded to a
quarter of their size, and that is handed, beside the pattern, a second opinion formed in the space of lines, where a
band is a dot. `kikuchi-unet-map` looks at a pattern's average with its neighbours in the same way, and at the pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import keras

from ..scan import ScanError
from .architectures import find_network
from .lines import BackProjection, LineSums, line_grid_pooling

__all__ = ["build_network", "macs_per_pixel"]


def build_network(name: str, size: tuple[int, int]) -> Any:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        A key of `architectures.NETWORKS`.
    size : (height, width)
        Of the input, pixels; multiples of the network's `multiple`.

    Returns
    -------
    keras.Model
        (n, height, width, channels) -> (n, height, width, 1).

    Raises
    ------
    ScanError
        If there is no such network, or it cannot work at this size.
    """
    network = find_network(name)
    if any(extent < 1 or extent % network.multiple for extent in size):
        raise ScanError(
            f"The network {name} works at multiples of {network.multiple} pixels, not at {size[0]}x{size[1]}."
        )
    return _BUILDERS[name](*size)


def macs_per_pixel(model: Any) -> float:
    """Multiplications (each with its addition) that a network spends on one pixel of its input.

    Counts convolutions and the matrix products of the line transform; activations and sums, which come to about one
    in a hundred of them, are left out.

    Parameters
    ----------
    model : keras.Model
        Built for a fixed size.
    """
    _, height, width, _ = model.input_shape
    total = 0
    for layer in model.layers:
        if isinstance(layer, LineSums | BackProjection):
            total += layer.macs
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            # Every input value meets the whole kernel.
            total += _product(layer.input.shape[1:3]) * _product(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            total += _product(layer.output.shape[1:3]) * _product(layer.kernel.shape)
    return total / (height * width)


def _product(extents: Any) -> int:
    return reduce(lambda a, b: int(a) * int(b), extents, 1)


def _andrews2023(height: int, width: int) -> Any:
    """The autoencoder of Andrews et al. (2023), doi 10.1016/j.ultramic.2023.113810, as its publication gives it."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((height, width, 1)),
            layers.Conv2D(64, 1, padding="same", activation="relu", name="expand"),
            layers.Conv2D(128, 3, padding="same", activation="relu", name="bands"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(128, 5, padding="same", activation="relu", name="bands_half"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2DTranspose(128, 3, strides=2, padding="same", activation="relu", name="rise_half"),
            layers.Conv2DTranspose(64, 1, strides=2, padding="same", activation="relu", name="rise_full"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="image", dtype="float32"),
        ],
        name="andrews2023",
    )


# Channels at a quarter, an eighth and a sixteenth of the size: as many as the arithmetic allows for a tenth of the
# published network's.
_WIDTHS = (48, 96, 160)
_LINE_WIDTH = 16
_LINE_IMAGES = 2


def _kikuchi_unet(height: int, width: int) -> Any:
    inputs = keras.Input((height, width, 2))
    pattern, mask = inputs[..., :1], inputs[..., 1:]
    lines = _line_images(_lines(pattern, height, width), height, width)
    x = _stem(pattern, mask, lines)
    return keras.Model(inputs, _unet(x), name="kikuchi-unet")


def _kikuchi_unet_map(height: int, width: int) -> Any:
    """As `kikuchi-unet` for the average, so that its weights are a start; what comes in addition adds nothing then."""
    inputs = keras.Input((height, width, 3))
    pattern, mask, average = inputs[..., :1], inputs[..., 1:2], inputs[..., 2:]
    lines = _lines(average, height, width)
    lines = _residual(lines, "line_deep", 2 * _LINE_WIDTH)
    x = _stem(average, mask, _line_images(lines, height, width), _fold(pattern, 4))
    return keras.Model(inputs, _unet(x, deeper=True), name="kikuchi-unet-map")


def _stem(image: Any, mask: Any, lines: Any, *more: Any) -> Any:
    small = keras.layers.AveragePooling2D(4, name="mask_quarter")(mask)
    x = keras.layers.Concatenate()([_fold(image, 4), small, _fold(lines, 2), *more])
    return _conv(x, _WIDTHS[0], "stem")


def _unet(x: Any, deeper: bool = False) -> Any:
    """From what the stem made, at a quarter of the size, to an image of full size."""
    quarter, eighth, sixteenth = _WIDTHS
    skip4 = x = _residual(x, "enter4")
    x = _conv(x, eighth, "down8", kernel=2, strides=2)
    skip8 = x = _residual(x, "enter8")
    x = _conv(x, sixteenth, "down16", kernel=2, strides=2)
    x = _residual(x, "deep16")
    if deeper:
        x = _residual(x, "deeper16")
    x = _rise(x, skip8, eighth, "rise8")
    x = _residual(x, "leave8")
    x = _rise(x, skip4, quarter, "rise4")
    x = _residual(x, "leave4")
    x = keras.layers.Conv2D(16, 3, padding="same", name="head", dtype="float32")(x)
    return _unfold(x, 4)


def _lines(image: Any, height: int, width: int) -> Any:
    """Sums along all lines, in which bands are dots, and what small convolutions find there."""
    pooling = line_grid_pooling(height, width)
    x = keras.layers.AveragePooling2D(pooling, name="line_pool")(image) * float(pooling)
    x = LineSums((height // pooling, width // pooling), name="line_sums")(x)
    x = _conv(x, _LINE_WIDTH, "line1")
    return _conv(x, _LINE_WIDTH, "line2")


def _line_images(lines: Any, height: int, width: int) -> Any:
    """The bands found among the lines, drawn as images of half the pattern's size."""
    pooling = line_grid_pooling(height, width)
    x = keras.layers.Conv2D(_LINE_IMAGES, 3, padding="same", name="line3")(lines)
    x = BackProjection((height // pooling, width // pooling), name="line_images")(x)
    return x if pooling == 2 else keras.layers.UpSampling2D(pooling // 2, name="line_rise")(x)


def _conv(x: Any, filters: int, name: str, kernel: int = 3, strides: int = 1) -> Any:
    conv = keras.layers.Conv2D(
        filters, kernel, strides=strides, padding="same", kernel_initializer="he_normal", name=name
    )
    return keras.layers.ReLU(name=f"{name}_relu")(conv(x))


def _residual(x: Any, name: str, filters: int | None = None) -> Any:
    """Two convolutions whose result is added to what came in; at first, nothing."""
    y = _conv(x, filters or x.shape[-1], f"{name}_a")
    y = keras.layers.Conv2D(x.shape[-1], 3, padding="same", kernel_initializer="zeros", name=f"{name}_b")(y)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")([x, y]))


def _rise(x: Any, skip: Any, filters: int, name: str) -> Any:
    x = keras.layers.Conv2D(filters, 1, name=name)(x)
    return keras.layers.Add(name=f"{name}_sum")([keras.layers.UpSampling2D(2, name=f"{name}_up")(x), skip])


def _fold(x: Any, block: int) -> Any:
    """Blocks of pixels become channels, nothing is lost: (n, h, w, c) -> (n, h / b, w / b, b * b * c)."""
    _, height, width, channels = x.shape
    x = keras.layers.Reshape((height // block, block, width // block, block * channels))(x)
    x = keras.layers.Permute((1, 3, 2, 4))(x)
    return keras.layers.Reshape((height // block, width // block, block * block * channels))(x)


def _unfold(x: Any, block: int) -> Any:
    """The way back of `_fold` for one channel."""
    _, height, width, _ = x.shape
    x = keras.layers.Reshape((height, width, block, block))(x)
    x = keras.layers.Permute((1, 3, 2, 4))(x)
    return keras.layers.Reshape((height * block, width * block, 1))(x)


_BUILDERS: dict[str, Callable[[int, int], Any]] = {
    "andrews2023": _andrews2023,
    "kikuchi-unet": _kikuchi_unet,
    "kikuchi-unet-map": _kikuchi_unet_map,
}
