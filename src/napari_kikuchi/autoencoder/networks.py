"""Denoising networks, by name.

`andrews2023` is the published autoencoder. `kikuchi-unet` is ours: a residual U-Net that works on patterns folded to a
quarter of their size, and that is handed, beside the pattern, a second opinion formed in the space of lines, where a
band is a dot. `kikuchi-unet-map` looks at a pattern's average with its neighbours in the same way, and at the pattern.
`kikuchi-unet-large` looks harder at the lines, and a second time at those of what it made so far.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import keras

from ..scan import ScanError
from .architectures import find_network
from .lines import BackProjection, LineSums, line_grid_pooling
from .network_parts import conv, fold, grid_of, line_images, line_unet, lines_in, residual, rise, unfold

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


# Channels at a quarter, an eighth and a sixteenth of the size.
_WIDTHS = (48, 96, 160)
_LINE_IMAGES = 2
# Of a second look at lines: images of a draft, channels among its lines, and images of what was found there.
_DRAFTS, _AGAIN_WIDTH, _AGAIN_IMAGES = 2, 24, 4


def _kikuchi_unet(height: int, width: int) -> Any:
    inputs = keras.Input((height, width, 2))
    pattern, mask = inputs[..., :1], inputs[..., 1:]
    x = _stem(pattern, mask, lines_in(pattern))
    return keras.Model(inputs, _image(residual(_unet(x), "leave4")), name="kikuchi-unet")


def _kikuchi_unet_map(height: int, width: int) -> Any:
    """As `kikuchi-unet` for the average, so that its weights are a start; what comes in addition adds nothing then."""
    inputs = keras.Input((height, width, 3))
    pattern, mask, average = inputs[..., :1], inputs[..., 1:2], inputs[..., 2:]
    x = _stem(average, mask, _deeper(lines_in(average)), fold(pattern, 4))
    return keras.Model(inputs, _image(residual(_unet(x, deeper=True), "leave4")), name="kikuchi-unet-map")


def _kikuchi_unet_large(height: int, width: int) -> Any:
    """As `kikuchi-unet-map`, so that its weights are a start, with U-Nets among the lines."""
    inputs = keras.Input((height, width, 3))
    pattern, mask, average = inputs[..., :1], inputs[..., 1:2], inputs[..., 2:]
    lines = line_unet(_deeper(lines_in(average)), "line")
    x = _unet(_stem(average, mask, lines, fold(pattern, 4)), deeper=True)
    x = residual(_second_look(x, lines, (height, width)), "leave4")
    return keras.Model(inputs, _image(residual(x, "last4")), name="kikuchi-unet-large")


def _deeper(lines: Any) -> Any:
    return residual(lines, "line_deep", 2 * lines.shape[-1])


def _stem(image: Any, mask: Any, lines: Any, *more: Any) -> Any:
    """All that is known of a pattern, at a quarter of the size."""
    drawn = line_images(lines, image.shape[1:3], _LINE_IMAGES, "line3")
    small = keras.layers.AveragePooling2D(4, name="mask_quarter")(mask)
    x = keras.layers.Concatenate()([fold(image, 4), small, fold(drawn, 2), *more])
    return conv(x, _WIDTHS[0], "stem")


def _unet(x: Any, deeper: bool = False) -> Any:
    """Down to a sixteenth of the size and up to a quarter again."""
    quarter, eighth, sixteenth = _WIDTHS
    skip4 = x = residual(x, "enter4")
    x = conv(x, eighth, "down8", kernel=2, strides=2)
    skip8 = x = residual(x, "enter8")
    x = conv(x, sixteenth, "down16", kernel=2, strides=2)
    x = residual(x, "deep16")
    if deeper:
        x = residual(x, "deeper16")
    x = residual(rise(x, skip8, eighth, "rise8"), "leave8")
    return rise(x, skip4, quarter, "rise4")


def _second_look(x: Any, lines: Any, size: tuple[int, int]) -> Any:
    """Draw a draft of the result, look at its lines beside those of the pattern, and add what they show."""
    draft = unfold(keras.layers.Conv2D(4 * _DRAFTS, 3, padding="same", name="draft")(x), 2)
    reduced = line_grid_pooling(*size) // 2
    if reduced > 1:
        draft = keras.layers.AveragePooling2D(reduced, name="draft_pool")(draft)
    # A draft is smooth, so that its sums are larger than those of noise.
    sums = LineSums(grid_of(*size), name="draft_sums")(draft) * 0.25
    lines = line_unet(conv(keras.layers.Concatenate()([lines, sums]), _AGAIN_WIDTH, "again"), "again")
    drawn = fold(line_images(lines, size, _AGAIN_IMAGES, "again_image"), 2)
    return residual(x, "look", beside=drawn)


def _image(x: Any) -> Any:
    """From a quarter of the size to an image of full size."""
    return unfold(keras.layers.Conv2D(16, 3, padding="same", name="head", dtype="float32")(x), 4)


_BUILDERS: dict[str, Callable[[int, int], Any]] = {
    "andrews2023": _andrews2023,
    "kikuchi-unet": _kikuchi_unet,
    "kikuchi-unet-map": _kikuchi_unet_map,
    "kikuchi-unet-large": _kikuchi_unet_large,
}
