"""The steps of a recipe: each a small frozen dataclass, callable with a block of patterns.

The metadata of a step's fields (label, unit, range, meaning) is what the widgets, the command line's help and the
documentation are made from, so that they cannot drift apart.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .autoencoder.model import DEFAULT_MODEL
from .patches import Patch
from .processing.background import Operation
from .processing.neighbours import Weights
from .processing.similarity import Similarity
from .scan import Scan, ScanError, ScanWarning
from .step import Mask, Patterns, Scale, Step, StepOnMap, no_map, parameter

__all__ = [
    "STEPS",
    "Autoencoder",
    "Clahe",
    "DynamicBackground",
    "NeighbourAverage",
    "Rescale",
    "StaticBackground",
]

AverageWeights = Literal[Weights, "similar"]
Neighbours = Literal["auto", "none", "3x3", "5x5"]
WINDOWS: dict[Neighbours, int] = {"none": 1, "3x3": 3, "5x5": 5}

# Correlation of neighbours of one crystal above which averaging blurs more, by the bending of grains, than it brings,
# and below which a window of 5 brings more than one of 3. On the map of benchmarks/quality.py it is 0.93 at 400
# electrons, where none is best, 0.67 at 60 and 0.14 at 8, where 3x3 is, and 0.06 at 4, where 5x5 is.
CLEAN, NOISY = 0.8, 0.1

# Patterns that a static background is the mean of: their noise is then a thirtieth of a single pattern's.
SAMPLED = 1000
# Patterns whose mean shows the edge of the screen: it is sharp, so that few are enough.
SAMPLED_FOR_SCREEN = 100
# With fewer, the bands of single grains stand out of the mean.
FEW = 50
# On a smaller map, too few pairs of neighbours tell what the same crystal looks like twice.
SMALL_MAP = 100


@dataclass(frozen=True)
class StaticBackground(Step):
    """Take out the background that all patterns of a scan share: that of the detector and of the mean scattering.

    The background is the mean of up to 1000 patterns spread evenly over the scan, learnt by `fit` (which `apply`
    calls), or one given by the user.

    Parameters
    ----------
    operation : "divide" or "subtract"
    own : bool
        Whether the background is one given by the user. Follows from `background`; it stays in recipe files, so that a
        recipe never passes off the mean of a scan as what was given.
    background : array, shape (height, width), optional
        A background of the user's own: of an unsigned integer type, or floating point in 0..1, fractions of the full
        range as the patterns themselves.
    learnt : array, shape (height, width), float32, optional
        What `fit` found, in the unit of the patterns as this step gets them.

    Raises
    ------
    ScanError
        If the operation is another one, or the background is not an image of such values.
    """

    kind: ClassVar[str] = "static-background"
    scale: ClassVar[Scale] = "lost"

    operation: Literal["divide", "subtract"] = parameter(
        "divide",
        label="Static background",
        choices=get_args(Operation),
        help="Whether to divide patterns by the background that all of them share, or to subtract it.",
    )
    own: bool = parameter(
        False,
        label="Background of one's own",
        help="Whether the background is one given by the user, instead of the mean of the scan's patterns.",
    )
    background: NDArray[Any] | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={
            "label": "Background",
            "help": "An image of the patterns' size to use as their static background, instead of the scan's mean.",
            "saved": False,
        },
    )
    learnt: Patterns | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"label": "Learnt background", "help": "The mean of the scan's patterns.", "saved": False},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.background is not None:
            from .processing.background import as_background

            object.__setattr__(self, "own", True)
            object.__setattr__(self, "background", as_background(self.background))

    def prepare(self) -> None:
        """Notice a background that was not given.

        Raises
        ------
        ScanError
            If the step comes from a recipe file that was made with a background of the user's own.
        """
        if self.own and self.background is None:
            raise ScanError(
                f"{self.kind}: this was made with a background of the user's own (own = true), which a recipe file "
                "does not hold; give it again, with --background or as StaticBackground(background=...)."
            )

    def fit(self, scan: Scan, raw: Scan | None = None, mask: Mask = None) -> Self:
        """The step with the scan's background, or with the user's own if that fits the scan.

        Reads up to 1000 patterns. Which ones depends on the number of patterns alone, so that the same scan always has
        the same background.

        Warns
        -----
        ScanWarning
            If so few patterns are averaged that the background shows their bands.

        Raises
        ------
        ScanError
            If there is a single pattern, or the user's background is missing or of another size.
        """
        from .learning import mean_pattern
        from .processing.background import check_size

        self.prepare()
        if self.background is not None:
            check_size(self.background, (scan.height, scan.width))
            return self
        if scan.n < 2:
            raise ScanError(
                f"{self.kind}: the background is the mean of many patterns, and here is a single one; "
                "give a background of your own."
            )
        if scan.n < FEW:
            warnings.warn(
                f"The static background is the mean of {scan.n} patterns only, and takes part of their bands with it; "
                "give one from a larger scan, or remove the dynamic background alone.",
                ScanWarning,
                stacklevel=2,
            )
        return replace(self, learnt=mean_pattern(scan, SAMPLED))

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Take it out; see `napari_kikuchi.processing.background.remove_static_background`.

        Raises
        ------
        ScanError
            If the background is not known yet.
        """
        from .processing.background import remove_static_background

        self.prepare()
        background = self.background if self.own else self.learnt
        if background is None:
            raise ScanError(
                f"{self.kind}: the background is not known before it was learnt from a whole scan, "
                "with fit(scan) or by napari_kikuchi.apply."
            )
        return remove_static_background(patterns, background, self.operation, mask)


@dataclass(frozen=True)
class DynamicBackground(Step):
    """Take out each pattern's own background: the pattern blurred so much that its bands are gone."""

    kind: ClassVar[str] = "dynamic-background"
    scale: ClassVar[Scale] = "lost"

    sigma: float = parameter(
        0.125,
        label="Sigma",
        unit="widths",
        min=0.01,
        max=1.0,
        step=0.005,
        help="Standard deviation of the Gaussian that blurs a pattern to its background, in widths of the pattern: "
        "a smaller one follows finer changes of brightness, and takes more of broad bands with it.",
    )
    operation: Literal["divide", "subtract"] = parameter(
        "divide",
        label="Dynamic background",
        choices=get_args(Operation),
        help="Whether to divide each pattern by its own background, or to subtract it.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Take it out; see `napari_kikuchi.processing.background.remove_dynamic_background`."""
        from .processing.background import remove_dynamic_background

        return remove_dynamic_background(patterns, self.sigma * patterns.shape[2], self.operation, mask)


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
        If the window is even, or out of its range, or there are no such weights.
    """

    kind: ClassVar[str] = "neighbour-average"
    scale: ClassVar[Scale] = "kept"

    window: int = parameter(
        3,
        label="Window",
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

    @property
    def rim(self) -> int:
        """Half the window."""
        return self.window // 2

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
        from .processing.similarity import average_similar

        if patch is None:
            raise ScanError(no_map(self.kind))
        shape = patch.grid.shape
        if self.weights == "similar":
            averaged = average_similar(patterns, shape, self.window, _known(self.similarity, self.kind), mask)
        else:
            averaged = average_neighbours(patterns, shape, self.window, self.weights, mask)
        return patch.cut(averaged, self.rim)


def _known(similarity: Similarity | None, kind: str) -> Similarity:
    if similarity is None:
        raise ScanError(
            f"{kind}: what patterns of one crystal have in common is not known before it was learnt from a whole scan, "
            "with fit(scan) or by napari_kikuchi.apply."
        )
    return similarity


@dataclass(frozen=True)
class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation: evens out brightness and brings up weak bands."""

    kind: ClassVar[str] = "clahe"
    scale: ClassVar[Scale] = "full"

    clip_limit: float = parameter(
        3.0,
        label="Clip limit",
        min=0.1,
        max=100.0,
        step=0.5,
        help="How much contrast a tile may gain, in multiples of its mean histogram count: "
        "a higher limit brings up weak bands, and noise.",
    )
    tiles: tuple[int, int] = parameter(
        (8, 8),
        label="Tiles",
        min=1,
        max=64,
        step=1,
        help="Rows and columns of tiles equalised on their own: more tiles follow finer changes of brightness.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Equalise each pattern; see `napari_kikuchi.processing.clahe.clahe`."""
        from .processing.clahe import clahe

        return clahe(patterns, self.clip_limit, self.tiles, mask)


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
        """Half the window of neighbours that the network uses; 0 as long as that is open."""
        return WINDOWS.get(self.neighbours, 1) // 2

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

    def fit(self, scan: Scan, raw: Scan | None = None, mask: Mask = None) -> Self:
        """The step with the lit part of the detector, from the mean of up to 100 raw patterns, and its neighbours."""
        from .learning import mean_pattern, similarity_of
        from .processing.mask import find_screen

        screen = find_screen(mean_pattern(raw or scan, SAMPLED_FOR_SCREEN)) if self.find_screen else None
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
            from .processing.similarity import average_similar

            if patch is None:
                raise ScanError(no_map(self.kind))
            similarity = _known(self.similarity, self.kind)
            average = average_similar(patterns, patch.grid.shape, WINDOWS[self.neighbours], similarity, seen)
            patterns, average = patch.cut(patterns, self.rim), patch.cut(average, self.rim)
        denoised = self._load().predict(patterns, mask=seen, average=average)
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


@dataclass(frozen=True)
class Rescale(Step):
    """Lay each pattern over the full range and round it, as writing it to a file would.

    Stands between two recipes that were run one after the other, so that the joined recipe gives the same bytes.
    """

    kind: ClassVar[str] = "rescale"
    scale: ClassVar[Scale] = "full"

    stretch: bool = parameter(
        True,
        label="Stretch",
        help="Stretch each pattern to the full range first, between its 0.1 and 99.9 percentiles.",
    )
    levels: int = parameter(
        65536,
        label="Levels",
        min=0,
        max=65536,
        step=1,
        help="Number of levels to round to: 256 for 8 bits, 65536 for 16, 0 to leave as floating point.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Stretch, if asked to, and round."""
        from .processing.rescale import quantise, stretch

        stretched = stretch(patterns, mask) if self.stretch else patterns
        return quantise(stretched, self.levels) if self.levels else stretched


STEPS: dict[str, type[Step]] = {
    step.kind: step for step in (StaticBackground, DynamicBackground, NeighbourAverage, Clahe, Autoencoder, Rescale)
}
