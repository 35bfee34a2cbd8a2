"""Which networks there are, and what they are fed. Building them, which needs Keras, is left to `networks`."""

from __future__ import annotations

from dataclasses import dataclass

from ..scan import ScanError
from .card import Normalisation

__all__ = ["MANY_VALUES", "NETWORKS", "Network", "find_network"]

MANY_VALUES = 144
"""Numbers held at once for each pixel by the published network (measured), which has 128 channels at full
resolution; more than by most networks."""


@dataclass(frozen=True)
class Network:
    """An architecture. Its weights serve every size of patterns.

    Attributes
    ----------
    name : str
    channels : int
        1: the pattern. 2: the pattern and the mask, 1 where the detector sees something. 3: these and the pattern's
        average with its neighbours on the map, which is the pattern once more where it has none.
    multiple : int
        Height and width of the input have to be multiples of this.
    normalisation : {"background", "stretched"}
        How patterns are prepared for it, in training and in use; see `card.ModelCard`. With "background" it is taught
        evenly bright bands, by their error and their correlation; with "stretched" the noise-free pattern, by the error
        alone.
    values_per_pixel : int
        Numbers that it holds at once for each pixel of its input, where it holds most.
    """

    name: str
    channels: int
    multiple: int
    normalisation: Normalisation
    values_per_pixel: int

    @property
    def with_mask(self) -> bool:
        """Whether it is told where the detector sees something."""
        return self.channels > 1

    @property
    def with_neighbours(self) -> bool:
        """Whether it looks at the pattern's average with its neighbours."""
        return self.channels > 2


NETWORKS = {
    network.name: network
    for network in (
        Network("andrews2023", channels=1, multiple=4, normalisation="stretched", values_per_pixel=MANY_VALUES),
        Network("kikuchi-unet", channels=2, multiple=16, normalisation="background", values_per_pixel=16),
        Network("kikuchi-unet-map", channels=3, multiple=16, normalisation="background", values_per_pixel=16),
        Network("kikuchi-unet-large", channels=3, multiple=16, normalisation="background", values_per_pixel=16),
    )
}
"""The architectures that can be built and trained."""


def find_network(name: str) -> Network:
    """The architecture of a name.

    Raises
    ------
    ScanError
        If there is none.
    """
    if name not in NETWORKS:
        raise ScanError(f"There is no network named {name!r}; there are {', '.join(sorted(NETWORKS))}.")
    return NETWORKS[name]
