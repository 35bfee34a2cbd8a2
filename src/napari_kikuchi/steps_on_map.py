"""The steps of a recipe that make a pattern from its neighbours on the map, too; see `steps`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .autoencoder.model import DEFAULT_MODEL
from .patches import Patch
from .processing.neighbours import Weights
from .processing.same_crystal import reach
from .processing.similarity import Similarity
from .scan import Scan, ScanError
from .step import Mask, Patterns, Scale, StepOnMap, no_map, parameter

__all__ = ["Autoencoder", "NeighbourAverage"]

AverageWeights = Literal[Weights, "similar"]
Neighbours = Literal["auto", "none", "3x3", "5x5"]
WINDOWS: dict[Neighbours, int] = {"none": 1, "3x3": 3, "5x5": 5}

# Correlation of neighbours of one crystal above which averaging blurs more, by the bending of grains, than it brings,
# and below which a window of 5 brings more than one of 3. On the map of benchmarks/quality.py it is 0.93 at 400
# electrons, where none is best, 0.66 at 60 and 0.13 at 8, where 3x3 is, and 0.06 at 4, where 5x5 is.
CLEAN, NOISY = 0.8, 0.1

# Every pair of neighbours in a window is compared, and their number grows with the window's fourth power.
LARGEST_SIMILAR = 9
# On a smaller map, too few pairs of neighbours tell what the same crystal looks like twice.
SMALL_MAP = 100


@dataclass(frozen=True)
class NeighbourAverage(StepOnMap):
    """Average each pattern with its neighbours on the map: less noise, and blurred grain boundaries.

    Parameters
    ----------
    window : int
    weights : "gaussian", "uniform" or "similar"
        With "similar", `fit` (which `apply` calls) learns from the scan how patterns of the same crystal correlate, and
        a neighbour counts as much as it is likely to be of the pattern's own: boundaries stay sharp.
    similarity : Similarity, optional
        What `fit` learnt.

    Raises
    ------
    ScanError
        If the window is even, or out of its range (with "similar" up to 9), or there are no such weights.
    """

    kind: ClassVar[str] = "neighbour-average"
    scale: ClassVar[Scale] = "kept"

    window: int = parameter(
        3,
        label="Window",
        unit="points",
        min=3,
        max=15,
        step=2,
        help="Rows and columns of the map that are averaged, the pattern's own in their middle: an odd number.",
    )
    weights: Literal["gaussian", "uniform", "similar"] = parameter(
        "gaussian",
        label="Weights",
        choices=get_args(AverageWeights),
        help="gaussian: nearer neighbours count more, those beside the pattern 0.61 times itself in a window of 3. "
        "uniform: all count the same. similar: as much as they are likely to be of the same crystal.",
    )
    similarity: Similarity | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"label": "Similarity", "help": "How patterns of one crystal correlate in the scan.", "saved": False},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2 == 0:
            raise ScanError(f"{self.kind}: window is {self.window}, where an odd number was expected.")
        if self.weights == "similar" and self.window > LARGEST_SIMILAR:
            raise ScanError(
                f"{self.kind}: window is {self.window}, where similar neighbours are looked for in windows of up to "
                f"{LARGEST_SIMILAR}."
            )

    @property
    def rim(self) -> int:
        """Half the window; the neighbours' neighbours, too, where it looks which ones are similar."""
        return reach(self.window) if self.weights == "similar" else self.window // 2

    def fit(self, scan: Scan, raw: Scan | None = None, mask: Mask = None) -> Self:
        """The step with what it takes to tell neighbours of the same crystal, if it weighs by that."""
        from .learning import similarity_of

        if self.weights != "similar" or scan.grid is None:
            return self
        return replace(self, similarity=similarity_of(scan, scan.grid, mask))

    def __call__(self, patterns: Patterns, mask: Mask = None, patch: Patch | None = None) -> Patterns:
        """Average; see `napari_kikuchi.processing.neighbours` and, for "similar", `.similarity`.

        Raises
        ------
        ScanError
            If the patch is not given, or it is not known yet what is similar.
        """
        from .processing.neighbours import average_neighbours

        if patch is None:
            raise ScanError(no_map(self.kind))
        if self.weights == "similar":
            return _average_similar(patterns, patch, self.window, self.similarity, mask, self.kind)
        averaged = average_neighbours(patterns, patch.grid.shape, self.window, self.weights, mask)
        return patch.cut(averaged, self.rim)


def _average_similar(
    patterns: Patterns, patch: Patch, window: int, similarity: Similarity | None, mask: Mask, kind: str
) -> Patterns:
    """The averages of a patch's patterns with their similar neighbours, without the rim that these averages need."""
    from .processing.same_crystal import average_similar

    if similarity is None:
        raise ScanError(
            f"{kind}: what patterns of one crystal have in common is not known before it was learnt from a whole scan, "
            "with fit(scan) or by napari_kikuchi.apply."
        )
    points = patch.cut(np.arange(patch.grid.size), reach(window))
    return average_similar(patterns, patch.grid.shape, window, similarity, mask, points)


@dataclass(frozen=True)
class Autoencoder(StepOnMap):
    """Denoise each pattern with a network.

    Networks draw bright ridges along the shadow of a round screen if they take it for part of the pattern. So `fit`
    (which `apply` calls) looks for such a shadow in the scan; what lies in it takes no part, and comes out black. A
    mask given with the recipe goes before.

    On a map, networks that were trained for it also look at the pattern's average with those neighbours that show the
    same crystal; `fit` decides where the step leaves it open, and learns from the scan what is the same.
    """

    kind: ClassVar[str] = "autoencoder"
    scale: ClassVar[Scale] = "lost"
    uses_all_cores: ClassVar[bool] = True

    model: str = parameter(
        DEFAULT_MODEL,
        label="Model",
        help="A shipped model's name, or the path of a .keras or .h5 file or a TensorFlow SavedModel folder.",
    )
    neighbours: Literal["auto", "none", "3x3", "5x5"] = parameter(
        "auto",
        label="Neighbours",
        choices=get_args(Neighbours),
        help="Which of a pattern's neighbours on a square map the network may use. auto: the more of them, the noisier "
        "the scan is; none where it is clean, or where there is no complete map of at least 100 points.",
    )
    careful: bool = parameter(
        False,
        label="Careful",
        help="Average what the network makes of each pattern in four places of its grid of pixels: takes four times as "
        "long; bands keep their places better, for strain, and a few more of the noisiest single patterns index.",
    )
    find_screen: bool = parameter(
        True,
        label="Find the screen",
        help="Look for the shadow around a round screen, or of what stands before it, and leave it out.",
    )
    trust_model: bool = parameter(
        False,
        label="Trust this model",
        saved=False,
        help="Open a SavedModel, whose graph can read and write files. Say yes only if you know where it comes from.",
    )
    screen: NDArray[np.bool_] | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"label": "Screen", "help": "The lit part of the detector, as found in the scan.", "saved": False},
    )
    similarity: Similarity | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"label": "Similarity", "help": "How patterns of one crystal correlate in the scan.", "saved": False},
    )

    @property
    def rim(self) -> int:
        """The neighbours that the network uses, and theirs, by which they are chosen; 0 as long as that is open."""
        return reach(WINDOWS.get(self.neighbours, 1))

    def prepare(self) -> None:
        """Load the network, which takes some seconds the first time.

        Raises
        ------
        ScanError
            If there is no such model, it may not be opened, or it does not look at neighbours although it shall.
        """
        card = self._load().card
        if self.rim and not card.window:
            raise ScanError(
                f"{self.kind}: the model {card.name} does not look at neighbours; choose neighbours none or auto, or "
                f"the model {DEFAULT_MODEL}."
            )

    def digest(self) -> str:
        """That of the model's weights and card, with the backend and the precision that are chosen."""
        from .autoencoder.digest import model_digest
        from .autoencoder.model import Device

        device = Device.current()
        return f"{model_digest(self.model)} {device.backend} {device.precision}"

    def fit(self, scan: Scan, raw: Scan | None = None, mask: Mask = None) -> Self:
        """The step with the lit part of the detector, from the mean of up to 100 raw patterns, and its neighbours."""
        from .learning import screen_of, similarity_of

        screen = screen_of(raw or scan) if self.find_screen else None
        step = replace(self, screen=screen)
        if self.neighbours == "auto" and not (scan.is_map and scan.n >= SMALL_MAP and self._load().card.window):
            step = replace(step, neighbours="none")
        if step.neighbours == "none" or scan.grid is None:
            return step
        similarity = similarity_of(scan, scan.grid, screen if mask is None else mask)
        if step.neighbours == "auto":
            step = replace(step, neighbours=_best_neighbours(similarity.related))
        return replace(step, similarity=similarity if step.rim else None)

    def __call__(self, patterns: Patterns, mask: Mask = None, patch: Patch | None = None) -> Patterns:
        """Run the network; see `napari_kikuchi.autoencoder.model.DenoisingModel.predict`.

        Raises
        ------
        ScanError
            If it shall look at neighbours and the patch is not given, or it is not known yet what is similar.
        """
        seen = self.screen if mask is None else mask
        average = None
        if self.rim:
            if patch is None:
                raise ScanError(no_map(self.kind))
            average = _average_similar(patterns, patch, WINDOWS[self.neighbours], self.similarity, seen, self.kind)
            patterns = patch.cut(patterns, self.rim)
        denoised = self._load().predict(patterns, mask=seen, average=average, careful=self.careful)
        if mask is not None or self.screen is None:
            return denoised
        black = denoised[:, self.screen].min(axis=1)
        return np.where(self.screen, denoised, black[:, None, None])

    def _load(self) -> Any:
        from .autoencoder.model import load_model

        return load_model(self.model, trust=self.trust_model)


def _best_neighbours(related: float) -> Neighbours:
    """What indexes best, for the mean correlation of neighbours of one crystal, of which noise leaves the less."""
    if related > CLEAN:
        return "none"
    return "3x3" if related > NOISY else "5x5"
