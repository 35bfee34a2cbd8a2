"""Trained networks, shipped or the user's own, opened safely in this process and applied to patterns.

Keras is imported when one is opened.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..processing.background import as_block
from ..scan import ScanError
from .architectures import MANY_VALUES, find_network
from .card import DEFAULT_MODEL, WEIGHTS, ModelCard, shipped_models
from .devices import Device, device_scope, policy_here, precision, show_tensorflow_its_gpu
from .normalise import prepare, resize, working_size

__all__ = ["BATCH_BYTES", "DenoisingModel", "import_keras", "open_model", "trained_network"]

_WEIGHTS_ENDING = ".weights.h5"

BATCH_BYTES = 2**27
"""What the network may hold at once, bytes: enough to keep a processor busy, and little beside what blocks take."""

# Places of a pattern in the network's frame, pixels down and to the right. In each direction all places in the blocks
# of four pixels that ours fold occur once.
SHIFTS = ((0, 0), (1, 2), (2, 1), (3, 3))


class DenoisingModel:
    """A network with its card, ready to denoise.

    Made by `load_model`. May be used from several threads at once.

    Attributes
    ----------
    card : ModelCard
    values_per_pixel : int
        Numbers that the network holds at once for each pixel of its input: what memory grows with.
    """

    def __init__(
        self,
        card: ModelCard,
        network_for: Callable[[tuple[int, int]], Callable[..., Any]],
        values_per_pixel: int = MANY_VALUES,
    ) -> None:
        self.card = card
        self.values_per_pixel = values_per_pixel
        self._network_for = network_for
        self._networks: dict[tuple[int, int], Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def predict(
        self,
        patterns: NDArray[np.float32],
        mask: NDArray[np.bool_] | None = None,
        average: NDArray[np.float32] | None = None,
        batch: int | None = None,
        careful: bool = False,
    ) -> NDArray[np.float32]:
        """Denoise patterns.

        Parameters
        ----------
        patterns : array, shape (n, height, width), float32
            In 0..1, or with their background removed.
        mask : array of bool, shape (height, width), optional
            True where the detector sees something. Without it, everywhere.
        average : array, shape (n, height, width), float32, optional
            Each pattern's average with its neighbours on the map, for a model that looks at it (`card.window`).
            Without it, a pattern has no neighbours.
        batch : int, optional
            Patterns computed at once; memory grows with it. Without it, as many as the network works on in 128 MiB.
        careful : bool
            Average what the network makes of each pattern in four places, which takes four times as long: what hangs
            on where the pattern lies in the network's own grid of pixels, and so does not move with it, is then less.

        Returns
        -------
        array, shape (n, height, width), float32
            With the normalisation "background" in standard deviations around 0, and 0 outside the mask; with the others
            as the network gives it.

        Raises
        ------
        ScanError
            If the shapes do not fit, batch is below 1, or the model looks at no average.
        """
        patterns = as_block(patterns, mask)
        if average is not None and (not self.card.window or average.shape != patterns.shape):
            raise ScanError(
                f"An average with neighbours of shape {average.shape} is given for patterns of shape {patterns.shape} "
                f"and {self.card.name}, which looks at {'one of their shape' if self.card.window else 'none'}."
            )
        if batch is not None and batch < 1:
            raise ScanError(f"A batch holds at least one pattern, not {batch}.")
        largest = batch or self._largest_batch(patterns.shape[1], patterns.shape[2])
        denoised = np.zeros_like(patterns)
        for part in _evenly(len(patterns), largest):
            of_part = None if average is None else average[part]
            self._batch(patterns[part], of_part, mask, careful, denoised[part])
        return denoised

    def _largest_batch(self, height: int, width: int) -> int:
        pixels = math.prod(self._working_size(height, width))
        return max(1, BATCH_BYTES // (4 * pixels * self.values_per_pixel))

    def _batch(
        self,
        patterns: NDArray[np.float32],
        average: NDArray[np.float32] | None,
        mask: NDArray[np.bool_] | None,
        careful: bool,
        denoised: NDArray[np.float32],
    ) -> None:
        images = self._images(patterns, average, mask)
        shifts = SHIFTS if careful else SHIFTS[:1]
        moved = [self._shifted(images, shift, max(map(max, shifts))) for shift in shifts]
        outputs = np.mean(moved, axis=0) if careful else moved[0]
        for output, pattern in zip(outputs, denoised, strict=True):
            pattern[...] = output if output.shape == pattern.shape else resize(output, pattern.shape)
        if mask is not None:
            denoised[:, ~mask] = 0

    def _images(
        self, patterns: NDArray[np.float32], average: NDArray[np.float32] | None, mask: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """What the network sees, (n, height, width, channels), without the margin that it needs."""
        count = len(patterns)
        if average is not None:
            patterns = np.concatenate([patterns, average])
        size = self._working_size(patterns.shape[1], patterns.shape[2])
        patterns, seen = prepare(patterns, mask, self.card.normalisation, size)
        if self.card.normalisation != "background":
            return patterns[..., None]
        channels = [patterns[:count], np.broadcast_to(seen, (count, *size))]
        if self.card.window:
            channels.append(patterns[-count:])
        return np.stack(channels, axis=-1).astype(np.float32)

    def _shifted(self, images: NDArray[np.float32], shift: tuple[int, int], room: int) -> NDArray[np.float32]:
        """What the network makes of images in a frame of a size that it takes, moved in it down and to the right.

        The frame has room for shifts up to `room`.
        """
        extents, multiple = images.shape[1:3], self.card.multiple
        # The smaller half of the margin lies before the images.
        margins = [-(extent + 2 * room) % multiple + 2 * room for extent in extents]
        starts = [margin // 2 + moved for margin, moved in zip(margins, shift, strict=True)]
        edges = [(start, margin - start) for start, margin in zip(starts, margins, strict=True)]
        # What lies beyond the edge is what lies outside the mask: nothing, and the network is told so.
        how: Any = {} if self.card.normalisation == "background" else {"mode": "symmetric"}
        framed = np.pad(images, [(0, 0), *edges, (0, 0)], **how)
        rows, columns = (slice(start, start + extent) for start, extent in zip(starts, extents, strict=True))
        outputs: NDArray[np.float32] = self.network((framed.shape[1], framed.shape[2]))(framed)[:, rows, columns]
        return outputs

    def _working_size(self, height: int, width: int) -> tuple[int, int]:
        """Size at which the network sees patterns of a given size, before they are extended to its multiple."""
        if self.card.size is not None:
            return self.card.size
        return working_size((height, width), self.card.sides) if self.card.sides else (height, width)

    def network(self, size: tuple[int, int]) -> Callable[..., Any]:
        """The function from what the network sees, (n, *size, channels), to images, (n, *size)."""
        with self._lock:
            if size not in self._networks:
                self._networks[size] = self._network_for(size)
            return self._networks[size]


def _evenly(count: int, largest: int) -> Iterator[slice]:
    """As few parts as can be of at most `largest` of so many patterns, of nearly one size: small ones are slow."""
    parts = -(-count // largest)
    for number in range(parts):
        yield slice(number * count // parts, (number + 1) * count // parts)


_loaded: dict[tuple[str, float, bool, Device], DenoisingModel] = {}
_load_lock = threading.Lock()


def open_model(name_or_path: str | Path = DEFAULT_MODEL, trust: bool = False) -> DenoisingModel:
    """Open a model in this process; one that was opened before, and has not changed since, is returned again.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a shipped model, or the path of a `.keras` or `.h5` file, of a TensorFlow SavedModel folder, or of a
        `.weights.h5` file that `training.train` wrote. `MODEL.card.json` beside it is its card; without one it is
        taken to work on patterns in 0..1, at the size of its input.
    trust : bool
        Whether a SavedModel may be opened. Its graph can read and write files.

    Returns
    -------
    DenoisingModel

    Raises
    ------
    ScanError
        If there is no such model, it would run code that came with it, or it does not make images of images.
    """
    name = str(name_or_path)
    path = Path(name_or_path)
    shipped = name in shipped_models()
    if not shipped and not path.exists():
        raise ScanError(
            f"There is no model {name!r}: give one of {', '.join(shipped_models()) or 'none shipped'}, or the path "
            "of a .keras or .h5 file or of a SavedModel folder."
        )
    key = (name if shipped else str(path.resolve()), 0.0 if shipped else path.stat().st_mtime, trust, Device.current())
    with _load_lock:
        import_keras()
        if key not in _loaded:
            if shipped:
                _loaded[key] = _open_weights(WEIGHTS / f"{name}{_WEIGHTS_ENDING}")
            elif name.endswith(_WEIGHTS_ENDING):
                _loaded[key] = _open_weights(path)
            else:
                from .files import open_model_file

                with device_scope():
                    _loaded[key] = DenoisingModel(*open_model_file(path, trust))
        return _loaded[key]


def import_keras() -> None:
    """Import Keras, without what TensorFlow writes to the standard error, at any log level, until it is ready.

    Raises
    ------
    ScanError
        If the backend that was chosen is not installed, or the device is not there.
    """
    if "keras" in sys.modules:
        return
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras

        # Keras knows no distribution, and so no devices, with torch, which writes nothing either.
        if keras.backend.backend() == "tensorflow":
            show_tensorflow_its_gpu()
            keras.distribution.list_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def trained_network(name_or_path: str | Path, size: tuple[int, int]) -> Any:
    """The Keras network of a shipped model, or of weights that `training.train` wrote, for one size of patterns.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped model's name, or the path of a `.weights.h5` file.
    size : (height, width)
        Of the input, pixels.

    Raises
    ------
    ScanError
        If there are no such weights, or no card beside them.
    """
    weights = Path(name_or_path)
    if str(name_or_path) in shipped_models():
        weights = WEIGHTS / f"{name_or_path}{_WEIGHTS_ENDING}"
    if not (weights.name.endswith(_WEIGHTS_ENDING) and weights.exists()):
        raise ScanError(
            f"There are no weights {str(name_or_path)!r}: give one of {', '.join(shipped_models()) or 'none shipped'}, "
            f"or the path of a {_WEIGHTS_ENDING} file."
        )
    from .networks import build_network

    network = build_network(_card_beside(weights).network, size)
    network.load_weights(weights)
    return network


def _card_beside(weights: Path) -> ModelCard:
    beside = weights.with_name(weights.name.removesuffix(_WEIGHTS_ENDING) + ".json")
    if not beside.exists():
        raise ScanError(
            f"{weights} holds weights alone; the card that says of which network, {beside.name}, is missing."
        )
    return ModelCard.load(beside)


def _open_weights(weights: Path) -> DenoisingModel:
    """A model from weights of a network named in the card beside them, as `training.train` writes them."""

    def network_for(size: tuple[int, int]) -> Callable[..., Any]:
        from .files import compiled

        with device_scope(), precision(policy):
            return compiled(trained_network(weights, size))

    policy = policy_here()
    card = _card_beside(weights)
    return DenoisingModel(card, network_for, find_network(card.network).values_per_pixel)
