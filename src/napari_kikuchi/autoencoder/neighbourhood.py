"""What a pattern's neighbours on the map look like, for training: the same crystal bent a little, and other grains.

Simulating all neighbours one by one would cost as much as the network's training. What reaches the network is their
weighted mean, and so it is that which is simulated: a few orientations stand for all, and the noise is that of as many
counts as the weights leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .projection import random_rotation

__all__ = ["Neighbourhood", "draw_neighbourhood", "turn"]

Image = NDArray[np.float32]
Rotation = NDArray[np.float64]

# Neighbours of a point in windows of 3x3 and 5x5, inside a map and at its edges and corners.
_COUNTS = (8, 24, 5, 14, 3)
_COUNT_SHARES = (0.35, 0.45, 0.08, 0.08, 0.04)
# Standard deviations by which the correlations of same and different patterns lie apart, for each unit of the squared
# ratio of signal to noise in a pixel of a 120x120 pattern, as measured on nickel with `processing.similarity`.
_SEPARATION = 490.0
_SATURATION = 30.0


@dataclass(frozen=True)
class Neighbourhood:
    """The weighted mean of a pattern's neighbours.

    Attributes
    ----------
    signal : array, shape (height, width), float32
        Mean of their noise-free signals.
    weight : float
        Sum of the weights; the pattern's own is 1.
    effective : float
        Of how many patterns with equal weights the noise of the mean is.
    """

    signal: Image
    weight: float
    effective: float


def draw_neighbourhood(
    rotation: Rotation,
    signal_of: Callable[[Rotation], Image],
    gradient: tuple[float, float],
    clarity: float,
    random: np.random.Generator,
) -> Neighbourhood | None:
    """Draw neighbours, and their weights as `processing.similarity` would give them.

    Parameters
    ----------
    rotation : array, shape (3, 3)
        The pattern's own.
    signal_of : callable
        The noise-free signal at a rotation.
    gradient : (low, high)
        Change of orientation from a point of the map to the next, degrees, log-uniform.
    clarity : float
        Squared ratio of signal to noise in a pixel, times the number of pixels in units of 120x120.
    random : numpy Generator

    Returns
    -------
    Neighbourhood or None
        None if no neighbour counts.
    """
    same = random.random(int(random.choice(_COUNTS, p=_COUNT_SHARES))) < _share_of_same(random)
    # Averages are compared again, which tells more than single patterns do.
    gain = float(np.exp(random.uniform(0, np.log(4))))
    separation = min(_SEPARATION * clarity * gain / (1 + _SATURATION * clarity), 12.0)
    before = random.uniform(0.5, 0.95)
    evidence = separation * (random.standard_normal(len(same)) + separation * (same - 0.5))
    weights = 1 / (1 + np.exp(-(evidence + np.log(before / (1 - before)))))
    weights[weights < 0.01] = 0
    weight = float(weights.sum())
    if weight < 0.02:
        return None
    effective = weight**2 / float(np.square(weights).sum())
    signal: Image | float = 0.0
    for turned, share in _orientations(rotation, weights * same, weights * ~same, gradient, random):
        signal = signal + np.float32(share / weight) * signal_of(turned)
    return Neighbourhood(np.asarray(signal, dtype=np.float32), weight, effective)


def turn(degrees: float, random: np.random.Generator) -> Rotation:
    """A rotation by an angle about a random axis."""
    axis = random.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _share_of_same(random: np.random.Generator) -> float:
    """Of the neighbours, how many are of the same crystal: inside a grain, at its edge, or of a grain of one point."""
    kind = random.random()
    if kind < 0.3:
        return 1.0
    return float(random.uniform(0.25, 1) if kind < 0.9 else random.uniform(0, 0.25))


def _orientations(
    rotation: Rotation,
    same: NDArray[np.float64],
    other: NDArray[np.float64],
    gradient: tuple[float, float],
    random: np.random.Generator,
) -> list[tuple[Rotation, float]]:
    """A few orientations that stand for all neighbours, and the weight of each."""
    drawn = []
    if same.sum() > 0:
        step = float(np.exp(random.uniform(*np.log(gradient))))
        reach = step * (1.2 if len(same) <= 8 else 2.0)
        bend = turn(reach, random)
        # To either side of the point, and across; a subgrain boundary now and then.
        turned = [bend @ rotation, bend.T @ rotation, turn(reach, random) @ rotation]
        if random.random() < 0.15:
            turned[0] = turn(float(random.uniform(0.5, 2)), random) @ turned[0]
        drawn += list(zip(turned, same.sum() * random.dirichlet([2, 2, 2]), strict=True))
    if other.sum() > 0.02 * (same.sum() + 1):
        drawn.append((random_rotation(random), float(other.sum())))
    return drawn
