"""The steps of a recipe: each a small frozen dataclass, callable with a block of patterns.

The metadata of a step's fields (label, unit, range, meaning) is what the widgets, the command line's help and the
documentation are made from, so that they cannot drift apart.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .processing.background import Operation
from .scan import Scan, ScanError, ScanWarning
from .step import Mask, Patterns, Scale, Step, parameter
from .steps_on_map import Autoencoder, NeighbourAverage

__all__ = [
    "STEPS",
    "Autoencoder",
    "Clahe",
    "DynamicBackground",
    "NeighbourAverage",
    "Rescale",
    "StaticBackground",
]

# Patterns that a static background is the mean of: their noise is then a thirtieth of a single pattern's.
SAMPLED = 1000
# With fewer, the bands of single grains stand out of the mean.
FEW = 50


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
        label="Operation",
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

    def digest(self) -> str:
        """That of the user's own background."""
        return "" if self.background is None else hashlib.blake2b(self.background.tobytes(), digest_size=16).hexdigest()

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
        label="Operation",
        choices=get_args(Operation),
        help="Whether to divide each pattern by its own background, or to subtract it.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Take it out; see `napari_kikuchi.processing.background.remove_dynamic_background`."""
        from .processing.background import remove_dynamic_background

        return remove_dynamic_background(patterns, self.sigma * patterns.shape[2], self.operation, mask)


@dataclass(frozen=True)
class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation: evens out brightness and brings up weak bands."""

    kind: ClassVar[str] = "clahe"
    scale: ClassVar[Scale] = "full"

    clip_limit: float = parameter(
        3.0,
        label="Clip limit",
        unit="x mean count",
        min=0.1,
        max=100.0,
        step=0.5,
        help="How much contrast a tile may gain, in multiples of its mean histogram count: "
        "a higher limit brings up weak bands, and noise.",
    )
    tiles: tuple[int, int] = parameter(
        (8, 8),
        label="Tiles",
        unit="rows x columns",
        min=1,
        max=64,
        step=1,
        help="Rows and columns of tiles equalised on their own: more tiles follow finer changes of brightness.",
    )

    def __call__(self, patterns: Patterns, mask: Mask = None) -> Patterns:
        """Equalise each pattern; see `napari_kikuchi.processing.clahe.clahe`."""
        from .processing.clahe import clahe

        return clahe(patterns, self.clip_limit, self.tiles, mask)

    def on_levels(self, patterns: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Equalise 8-bit patterns as they are."""
        from .processing.clahe import clahe

        return clahe(patterns, self.clip_limit, self.tiles)


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
