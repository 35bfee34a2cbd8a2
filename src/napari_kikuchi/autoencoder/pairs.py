"""Where the pairs of a training come from: simulated from master patterns, or two exposures of the same points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ..scan import ScanError
from .architectures import Network, find_network
from .exposures import open_exposures
from .master_patterns import master_patterns_in
from .projection import MasterPattern
from .simulation import Batch, training_batch
from .training_config import PairSettings, TrainingConfig

__all__ = ["PairSource", "SimulatedPairs", "open_pairs"]


class PairSource(Protocol):
    """Pairs to train on, and others to validate with; the same seed gives the same ones."""

    @property
    def trained_on(self) -> str:
        """For people: what the network learns from."""

    @property
    def held_out(self) -> str:
        """For people: what only the validation sees."""

    @property
    def noise(self) -> str:
        """For people: how noisy the patterns are."""

    def training(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs to train on, as `simulation.stack_pairs` gives them."""

    def validation(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs to validate with."""


def open_pairs(config: TrainingConfig) -> PairSource:
    """Open what a configuration names as its source.

    Raises
    ------
    ScanError
        If there are no master patterns to train on, or a held-out one is not there; or a scan cannot be read, two
        exposures do not fit each other, or the network's window.

    Warns
    -----
    ScanWarning
        If two exposures do not look like those of the same points, or the network looks at neighbours and no scan has
        a map.
    """
    network = find_network(config.network)
    if config.master_patterns:
        # Who does not look at neighbours need not wait for their simulation.
        settings = config.pairs if network.with_neighbours else replace(config.pairs, neighbours=0.0)
        return SimulatedPairs(*_load_masters(config), settings, network)
    return open_exposures(config.scans, config.pairs, network)


@dataclass(frozen=True)
class SimulatedPairs:
    """Pairs simulated from master patterns, some of which may be held out.

    Attributes
    ----------
    masters, others : sequence of MasterPattern
        To train on, and held out. Where there are no others, the validation simulates more patterns of the same.
    settings : PairSettings
    network : Network
    """

    masters: Sequence[MasterPattern]
    others: Sequence[MasterPattern]
    settings: PairSettings
    network: Network

    @property
    def trained_on(self) -> str:
        """The names of the phases."""
        return ", ".join(master.name for master in self.masters)

    @property
    def held_out(self) -> str:
        """The names of the phases held out."""
        return ", ".join(master.name for master in self.others)

    @property
    def noise(self) -> str:
        """The range of the exposure."""
        low, high = self.settings.electrons
        return f"{low:g} to {high:g} electrons per pixel"

    def training(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs of the phases to train on."""
        return training_batch(self.masters, self.settings, self.network.normalisation, count, seed)

    def validation(self, count: int, seed: Sequence[int]) -> Batch:
        """Pairs of the phases held out."""
        return training_batch(self.others or self.masters, self.settings, self.network.normalisation, count, seed)


def _load_masters(config: TrainingConfig) -> tuple[list[MasterPattern], list[MasterPattern]]:
    folder = config.master_patterns
    paths = master_patterns_in(folder)
    absent = [name for name in config.held_out if name not in paths]
    if absent:
        raise ScanError(
            f"{folder} lacks the held-out master pattern {absent[0]}; it holds {', '.join(paths) or 'none'}."
        )
    masters = [MasterPattern.load(path) for name, path in paths.items() if name not in config.held_out]
    if not masters:
        raise ScanError(
            f"{folder} holds no master pattern (.npz or .h5) to train on; `napari-kikuchi simulate` makes some."
        )
    return masters, [MasterPattern.load(paths[name]) for name in config.held_out]
