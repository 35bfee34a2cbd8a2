"""Pairs to train on: patterns as a detector measures them, and what a perfect one would have measured.

The detector's faults follow what was measured on real patterns: Kikuchi contrast of a few percent on a background that
falls to a seventh towards the rim, a round screen with bites out of it, dust, few electrons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..processing.background import dynamic_background
from ..processing.rescale import stretch
from .card import Normalisation
from .neighbourhood import Neighbourhood, draw_neighbourhood
from .normalise import BACKGROUND_WIDTHS, normalise
from .projection import Detector, MasterPattern, random_rotation
from .training_config import PairSettings

__all__ = [
    "Detector",
    "MasterPattern",
    "Pair",
    "PairSettings",
    "broad_background",
    "compressed",
    "expose",
    "kikuchi_signal",
    "place_window",
    "random_rotation",
    "stack_pairs",
    "target_pattern",
    "training_batch",
    "training_pair",
]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Pair:
    """What a network sees, and what it is to make of it: images of shape (window, window).

    Attributes
    ----------
    pattern : array, float32
        Prepared as in use.
    average : array, float32
        The same with its neighbours on the map averaged in; the pattern once more where it has none.
    mask : array of bool
        Where the detector sees something, as far as the network is told.
    target : array, float32
    """

    pattern: Image
    average: Image
    mask: Mask
    target: Image


def kikuchi_signal(pattern: Image, blur: float = 0.6) -> Image:
    """A projected pattern between 0 and 1: cut off at its 0.1 and 99.9 percentiles, and blurred by the optics.

    Parameters
    ----------
    pattern : array, shape (height, width), float32
    blur : float
        Standard deviation, pixels.
    """
    from ..opencv import cv2

    low, high = np.percentile(pattern, (0.1, 99.9))
    scaled = np.clip((pattern - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(scaled, (0, 0), blur) if blur > 0 else scaled, dtype=np.float32)


def broad_background(size: tuple[int, int], centre: tuple[float, float], width: float, pedestal: float) -> Image:
    """A broad Gaussian on a pedestal, the scattered electrons below the bands.

    Parameters
    ----------
    size : (height, width)
        Pixels.
    centre : (x, y)
        In widths and heights from the top left.
    width : float
        Standard deviation, in heights.
    pedestal : float
        What the background falls to; its maximum is 1.
    """
    height, columns = size
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - centre[1]
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns - centre[0]) * (columns / height)
    gauss = np.exp(-(x[None, :] ** 2 + y[:, None] ** 2) / (2 * width**2))
    return (pedestal + (1 - pedestal) * gauss).astype(np.float32)


def expose(expected: NDArray[np.floating], electrons: float, read_noise: float, random: np.random.Generator) -> Image:
    """Count electrons: Poisson noise, and Gaussian noise of the read-out.

    Parameters
    ----------
    expected : array, shape (height, width)
        Mean intensity in any unit.
    electrons : float
        Mean per pixel.
    read_noise : float
        Standard deviation, electrons.

    Returns
    -------
    array, shape (height, width), float32
        Electrons; may be negative for the read-out noise.
    """
    mean = np.asarray(expected, dtype=np.float32) * np.float32(electrons / float(np.mean(expected, dtype=np.float64)))
    noise = random.standard_normal(mean.shape, dtype=np.float32) * np.float32(read_noise)
    if electrons > 60:
        # Indistinguishable from Poisson's distribution at such counts, and several times faster.
        counts = mean + np.sqrt(np.maximum(mean, 0)) * random.standard_normal(mean.shape, dtype=np.float32)
    else:
        counts = random.poisson(np.maximum(mean, 0)).astype(np.float32)
    return np.asarray(counts + noise, dtype=np.float32)


def target_pattern(signal: Image, mask: Mask, width: int) -> Image:
    """What the network should make of a pattern: its bands, evenly bright, zero mean and unit contrast in the mask.

    Slow changes of intensity are taken out as from the network's input, and the brightest zone axes compressed
    (hyperbolic tangent at twice the contrast), so that weak bands count beside them.

    Parameters
    ----------
    signal : array, shape (height, width), float32
        Noise-free Kikuchi signal.
    mask : array of bool, shape (height, width)
    width : int
        Of the detector, pixels.
    """
    bands = signal - dynamic_background(signal[None], width * BACKGROUND_WIDTHS, mask)[0]
    return compressed(bands, mask)


def compressed(bands: Image, mask: Mask) -> Image:
    """Bands without their background, the brightest zone axes compressed; see `target_pattern`.

    Parameters
    ----------
    bands : array, shape (height, width), float32
        In any unit, without slow changes of intensity.
    mask : array of bool, shape (height, width)

    Returns
    -------
    array, shape (height, width), float32
        Of zero mean and unit contrast inside the mask, 0 outside; 0 everywhere if there is no contrast.
    """
    values = bands[mask]
    deviation = float(values.std()) if values.size else 0.0
    if deviation < 1e-6:
        return np.zeros_like(bands)
    bands = np.tanh((bands - values.mean()) / (2 * deviation))
    values = bands[mask]
    return np.where(mask, (bands - values.mean()) / values.std(), 0).astype(np.float32)


def training_pair(
    masters: Sequence[MasterPattern],
    settings: PairSettings,
    normalisation: Normalisation,
    random: np.random.Generator,
) -> Pair:
    """Simulate one pair.

    Parameters
    ----------
    masters : sequence of MasterPattern
        Phases to draw from.
    settings : PairSettings
    normalisation : {"background", "stretched"}
        How the network wants its patterns. With "background" the target is `target_pattern`; with "stretched" it is the
        noise-free signal in 0..1, 0 where the detector sees nothing.
    random : numpy Generator
        The same state gives the same pair.
    """
    return _VIEWS[normalisation](_simulated(masters, settings, random))


def training_batch(
    masters: Sequence[MasterPattern],
    settings: PairSettings,
    normalisation: Normalisation,
    batch: int,
    seed: Sequence[int],
) -> Batch:
    """Simulate a batch of pairs, as networks take them.

    Parameters
    ----------
    masters, settings, normalisation
        As for `training_pair`.
    batch : int
        Number of pairs.
    seed : sequence of int
        The same seed gives the same batch: a run that goes on after an interruption sees what it would have seen.

    Returns
    -------
    As `stack_pairs`.
    """
    random = np.random.default_rng(list(seed))
    return stack_pairs([training_pair(masters, settings, normalisation, random) for _ in range(batch)])


def stack_pairs(pairs: Sequence[Pair]) -> Batch:
    """Pairs as arrays that networks take.

    Returns
    -------
    inputs : array, shape (n, window, window, 3), float32
        Pattern, mask, and average with the neighbours.
    targets : array, shape (n, window, window, 2), float32
        Target, and where it counts.
    """
    inputs = np.stack([np.stack([pair.pattern, pair.mask, pair.average], axis=-1) for pair in pairs])
    targets = np.stack([np.stack([pair.target, pair.mask], axis=-1) for pair in pairs])
    return inputs.astype(np.float32, copy=False), targets.astype(np.float32, copy=False)


def place_window(size: tuple[int, int], side: int, random: np.random.Generator) -> tuple[tuple[slice, slice], Mask]:
    """Lay a square window somewhere on a detector, or around one that is smaller.

    Parameters
    ----------
    size : (height, width)
        Of the detector, pixels.
    side : int
        Of the window, pixels.
    random : numpy Generator

    Returns
    -------
    window : (rows, columns) as slices
        In the detector's pixels; begins below 0 where the window reaches beyond its edge.
    on_detector : array of bool, shape (side, side)
        Which of the window's pixels lie on the detector.
    """
    starts = [int(random.integers(min(0, extent - side), max(0, extent - side) + 1)) for extent in size]
    rows, columns = (slice(start, start + side) for start in starts)
    places = (np.arange(start, start + side) for start in starts)
    inside = [(place >= 0) & (place < extent) for place, extent in zip(places, size, strict=True)]
    return (rows, columns), inside[0][:, None] & inside[1][None, :]


@dataclass(frozen=True)
class _Measurement:
    """A window of a simulated pattern, in the unit it was stored in, and all that is known of it.

    Of the window's pixels, `on_detector` are those on the detector, `lit` those that receive electrons, and `told`
    those that a network with a mask is told of.
    """

    pattern: Image
    average: Image
    signal: Image
    on_detector: Mask
    lit: Mask
    told: Mask
    size: int


def _simulated(masters: Sequence[MasterPattern], settings: PairSettings, random: np.random.Generator) -> _Measurement:
    size = round(_log_uniform(random, *settings.sizes))
    window, on_detector = place_window((size, size), settings.window, random)
    exposure = _random_exposure(settings, random)
    signal, around = _random_signal(masters, settings, size, window, exposure, random)
    lit, told = _random_screen(size, window, on_detector, settings, random)
    if random.random() < settings.empty:
        signal = np.full_like(signal, 0.5)
    pattern, average = _measure(signal, around, lit, size, window, exposure, settings, random)
    return _Measurement(pattern, average, signal, on_detector, lit, told, size)


def _evened(seen: _Measurement) -> Pair:
    images = np.where(seen.on_detector, np.stack([seen.pattern, seen.average]), 0).astype(np.float32)
    pattern, average = normalise(images, seen.told, (seen.size, seen.size))
    return Pair(pattern, average, seen.told, target_pattern(seen.signal, seen.lit, seen.size))


def _stretched(seen: _Measurement) -> Pair:
    pattern, average = stretch(np.stack([seen.pattern, seen.average]), seen.told)
    target = np.where(seen.lit, stretch(seen.signal[None], seen.lit)[0], 0).astype(np.float32)
    return Pair(pattern, average, seen.on_detector, target)


_VIEWS: dict[Normalisation, Callable[[_Measurement], Pair]] = {"background": _evened, "stretched": _stretched}


@dataclass(frozen=True)
class _Exposure:
    """Mean electrons per pixel, contrast relative to the background, and read-out noise in electrons."""

    electrons: float
    contrast: float
    read_noise: float

    def clarity(self, size: int) -> float:
        """See `draw_neighbourhood`."""
        noise = self.electrons + self.read_noise**2
        return (self.contrast * self.electrons) ** 2 / noise * (size / 120) ** 2


def _random_exposure(settings: PairSettings, random: np.random.Generator) -> _Exposure:
    electrons = _log_uniform(random, *settings.electrons)
    contrast = _log_uniform(random, *settings.contrast)
    if electrons * contrast**2 < settings.faintest:
        electrons = settings.faintest / contrast**2 * _log_uniform(random, 1, 8)
    read_noise = _log_uniform(random, 0.3, 1.0) * float(np.interp(np.log(electrons), np.log([2, 60]), [2.2, 4.5]))
    return _Exposure(electrons, contrast, read_noise)


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _random_signal(
    masters: Sequence[MasterPattern],
    settings: PairSettings,
    size: int,
    window: tuple[slice, slice],
    exposure: _Exposure,
    random: np.random.Generator,
) -> tuple[Image, Neighbourhood | None]:
    """The signal of a pattern, and what it has for neighbours."""
    centre = float(random.uniform(0.35, 0.65)), float(random.uniform(0.1, 0.6))
    detector = Detector(size, size, centre, float(random.uniform(0.4, 0.85)))
    master = masters[int(random.integers(len(masters)))]
    blur = float(random.uniform(0.3, 0.9))

    def signal_of(rotation: NDArray[np.float64]) -> Image:
        return kikuchi_signal(master.project(rotation, detector, window), blur)

    rotation = random_rotation(random)
    signal = signal_of(rotation)
    if random.random() < settings.overlapping:
        share = np.float32(random.uniform(0.05, 0.5))
        signal = (1 - share) * signal + share * signal_of(random_rotation(random))
    if random.random() >= settings.neighbours:
        return signal, None
    return signal, draw_neighbourhood(rotation, signal_of, settings.gradient, exposure.clarity(size), random)


def _random_screen(
    size: int,
    window: tuple[slice, slice],
    on_detector: Mask,
    settings: PairSettings,
    random: np.random.Generator,
) -> tuple[Mask, Mask]:
    """Which pixels receive electrons, and which ones the network is told of."""
    kind = random.random()
    if kind >= settings.masked + settings.unlit:
        return on_detector, on_detector
    y, x = (np.arange(part.start, part.stop) + 0.5 - size / 2 for part in window)
    centre = random.uniform(-0.04, 0.04, 2) * size
    radius = random.uniform(0.44, 0.6) * size
    lit = (y[:, None] - centre[0]) ** 2 + (x[None, :] - centre[1]) ** 2 < radius**2
    for _ in range(int(random.integers(0, 4))):
        angle, depth = random.uniform(0, 2 * np.pi), random.uniform(0.03, 0.12) * size
        bite = centre + radius * np.array([np.sin(angle), np.cos(angle)])
        lit &= (y[:, None] - bite[0]) ** 2 + (x[None, :] - bite[1]) ** 2 > depth**2
    lit &= on_detector
    if lit.sum() < on_detector.sum() // 4:
        return on_detector, on_detector
    return lit, (lit if kind < settings.masked else on_detector)


def _measure(
    signal: Image,
    around: Neighbourhood | None,
    lit: Mask,
    size: int,
    window: tuple[slice, slice],
    exposure: _Exposure,
    settings: PairSettings,
    random: np.random.Generator,
) -> tuple[Image, Image]:
    """The pattern as it comes out of the camera, in the camera's or any other unit, and its average with neighbours."""
    values = signal[lit]
    gain = np.float32(exposure.contrast / max(float(values.std()), 1e-6))
    background = _random_background(size, window, settings, random)
    response = background.copy()
    _add_dust(response, random)
    response[~lit] *= np.float32(random.uniform(0, 0.1))
    counts = []
    for bands, patterns in ((signal, 1.0), *([(around.signal, around.effective)] if around else [])):
        expected = np.maximum(1 + (bands - values.mean()) * gain, 0) * response
        # `expose` scales the mean of all pixels; the electrons are those of the lit ones.
        level = exposure.electrons * float(expected.mean()) / max(float(expected[lit].mean()), 1e-9)
        noise = exposure.read_noise * patterns**0.5
        counts.append(expose(expected, level * patterns, noise, random) / np.float32(patterns))
    stored = _read_out(counts, background, exposure.read_noise, settings, random)
    if around is None:
        return stored[0], stored[0]
    average = (stored[0] + np.float32(around.weight) * stored[1]) / np.float32(1 + around.weight)
    return stored[0], average.astype(np.float32)


def _random_background(
    size: int, window: tuple[slice, slice], settings: PairSettings, random: np.random.Generator
) -> Image:
    centre = float(random.uniform(0.3, 0.7)), float(random.uniform(0.2, 0.7))
    width = float(random.uniform(0.3, 0.9))
    pedestal = float(random.uniform(settings.rim / 2, 0.7))
    rows, columns = window
    # The same background in the window's own coordinates, which may reach beyond the detector's edge.
    shape = rows.stop - rows.start, columns.stop - columns.start
    shifted = (
        (centre[0] * size - columns.start) / shape[1],
        (centre[1] * size - rows.start) / shape[0],
    )
    return broad_background(shape, shifted, width * size / shape[0], pedestal)


def _add_dust(expected: Image, random: np.random.Generator) -> None:
    if random.random() > 0.3:
        return
    height, width = expected.shape
    for _ in range(int(random.integers(1, 6))):
        row, column = int(random.integers(height)), int(random.integers(width))
        radius = float(random.uniform(0.7, 3.0))
        reach = int(3 * radius) + 1
        rows, columns = slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1)
        y, x = np.ogrid[rows.start : min(rows.stop, height), columns.start : min(columns.stop, width)]
        spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * radius**2))
        expected[rows, columns] *= (1 - random.uniform(0.1, 0.8) * spot).astype(np.float32)


def _read_out(
    counts: list[Image], background: Image, read_noise: float, settings: PairSettings, random: np.random.Generator
) -> list[Image]:
    """Store the counts of a pattern and, if it has any, the mean ones of its neighbours, in the same way."""
    from ..opencv import cv2

    first = counts[0]
    if random.random() < 0.15:
        blur = float(random.uniform(0.3, 0.7))
        counts = [cv2.GaussianBlur(image, (0, 0), blur) for image in counts]
    if random.random() < 0.15:
        counts[0] = counts[0] + random.normal(0, 0.3 * read_noise, (first.shape[0], 1)).astype(np.float32)
    if random.random() < 0.3:
        hot = random.random(first.shape, dtype=np.float32) < random.uniform(0, 0.002)
        value = counts[0].max() * np.float32(random.uniform(1, 3))
        # Cosmic rays hit one pattern, hot pixels are in all.
        reached = 1 if random.random() < 0.3 else len(counts)
        counts[:reached] = [np.where(hot, value, image) for image in counts[:reached]]
    if random.random() < settings.corrected:
        if random.random() < 0.5:
            counts = [image / background for image in counts]
        else:
            level = np.float32(counts[0].mean() / background.mean())
            counts = [image - background * level for image in counts]
    elif random.random() < 0.8:
        # Cameras store no negative counts: an offset is added first, which not always suffices.
        offset = read_noise * np.float32(random.uniform(0, 5))
        counts = [np.maximum(image + offset, 0) for image in counts]
    if random.random() < settings.eight_bit:
        low, high = float(counts[0].min()), float(np.percentile(counts[0], random.uniform(99.5, 100)))
        low = min(low, 0.0) if random.random() < 0.7 else low
        counts = [np.clip((image - low) * np.float32(255 / max(high - low, 1e-6)), 0, 255) for image in counts]
        # The levels of many patterns average out.
        counts[0] = np.rint(counts[0])
    return [np.asarray(image, dtype=np.float32) for image in counts]
