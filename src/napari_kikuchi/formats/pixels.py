"""From any kind of number to the pixel types that pattern files hold, by one rule for the whole scan."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..scan import ScanError, ScanWarning

__all__ = ["BLOCK_BYTES", "Scaling", "conversion", "read_blocks", "same_pixels", "scaling_for", "to_pixel_type"]

# Bytes of one block. Large enough for a disk to stream, small enough for any machine.
BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class Scaling:
    """A linear law that lays `low`..`high` over the whole range of an unsigned integer type.

    Called with a block of patterns, it returns the block converted: rounded, and brought to the nearest end outside
    `low`..`high`. Not-a-number becomes 0.

    Attributes
    ----------
    low, high : float
        The values that become 0 and the target's maximum.
    target : numpy dtype
        uint8 or uint16.
    """

    low: float
    high: float
    target: np.dtype[Any]

    def __call__(self, block: NDArray[Any]) -> NDArray[Any]:
        top = np.iinfo(self.target).max
        span = (self.high - self.low) or 1.0
        result = np.empty(block.shape, dtype=self.target)
        # Pattern by pattern, since float64, which keeps every digit of 32-bit integers, takes eight times the memory.
        for place, pattern in zip(result, block, strict=True):
            values = np.nan_to_num(pattern.astype(np.float64), nan=self.low, posinf=self.high, neginf=self.low)
            # Divided before it is multiplied: the quotient lies in 0..1, however small the span is.
            place[...] = np.clip(np.rint((values - self.low) / span * top), 0, top)
        return result

    def __str__(self) -> str:
        return f"{self.low:.6g}..{self.high:.6g} was laid over 0..{np.iinfo(self.target).max}"


def same_pixels(a: DTypeLike, b: DTypeLike) -> bool:
    """Whether two pixel types hold the same values; the order of bytes does not matter."""
    return np.dtype(a).newbyteorder("=") == np.dtype(b).newbyteorder("=")


def to_pixel_type(patterns: Any, pixel_type: DTypeLike) -> Any:
    """Convert patterns to uint8 or uint16 by one scaling for all of them.

    - Between uint8 and uint16 by the ratio of their full scales: 8 to 16 bit times 257, 16 to 8 bit divided by 257.
    - Floating point values that all lie in 0..1 are fractions of the full range.
    - Anything else (other floating point values, other integers) has no scale that all agree on: the smallest finite
      value of all patterns becomes 0, the largest the maximum. Patterns that all have one and the same value become 0.

    Values are rounded, never cut off. Infinite values become the end of the range on their side, not-a-number 0.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        NumPy array, memory map or dask array, of an integer, floating point or boolean type.
    pixel_type : dtype
        uint8 or uint16.

    Returns
    -------
    array-like, same shape, of the pixel type
        A lazy dask array for a dask array (which is read once here where its smallest and largest value count); the
        patterns themselves if they have the pixel type already.

    Raises
    ------
    ScanError
        If the pixel type is another one, or the patterns are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> to_pixel_type(np.array([[[0.0, 0.5, 1.0]]]), "uint8")
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    target = np.dtype(pixel_type)
    if same_pixels(patterns.dtype, target):
        return patterns
    scaling = scaling_for(patterns, target)
    if isinstance(patterns, np.ndarray):
        return scaling(patterns)
    return patterns.map_blocks(scaling, dtype=target)


def scaling_for(patterns: Any, pixel_type: DTypeLike) -> Scaling:
    """The scaling that `to_pixel_type` uses; reads all patterns, block by block, where their values decide it."""
    target, kind = np.dtype(pixel_type), np.dtype(patterns.dtype)
    if target not in (np.uint8, np.uint16):
        raise ScanError(f"Patterns are stored as uint8 or uint16, not as {target}.")
    if kind.kind not in "buif":
        raise ScanError(f"Patterns have to be real numbers; values of type {kind} cannot be stored as {target}.")
    if same_pixels(kind, np.uint8) or same_pixels(kind, np.uint16):
        return Scaling(0.0, float(np.iinfo(kind).max), target)
    low, high = np.inf, -np.inf
    for _, block in read_blocks(patterns):
        finite = block[np.isfinite(block)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low, high = 0.0, 0.0
    if kind.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return Scaling(low, high, target)


def conversion(patterns: Any, pixel_type: DTypeLike, why: str) -> Scaling | None:
    """The scaling that a writer has to apply, said in a `ScanWarning` that gives the reason `why`; None if none.

    Raises
    ------
    ScanError
        As `to_pixel_type`.
    """
    if same_pixels(patterns.dtype, pixel_type):
        return None
    scaling = scaling_for(patterns, pixel_type)
    warnings.warn(f"{why}: the {patterns.dtype} patterns were converted, {scaling}.", ScanWarning, stacklevel=3)
    return scaling


def read_blocks(patterns: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read patterns in order, a bounded number of bytes at a time.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
        NumPy array, memory map or dask array. The chunks of a dask array are never cut, so that none is computed twice.
        Patterns that know themselves how they are best read (`in_blocks`) are read like that.

    Yields
    ------
    (int, array of shape (b, height, width))
        Number of the block's first pattern, and the block.
    """
    if hasattr(patterns, "in_blocks"):
        yield from patterns.in_blocks()
        return
    n, height, width = patterns.shape
    length = max(1, BLOCK_BYTES // (height * width * np.dtype(patterns.dtype).itemsize))
    chunks = patterns.chunks[0] if hasattr(patterns, "chunks") else (length,) * -(-n // length)
    start = stop = 0
    for chunk in chunks:
        if stop > start and stop + chunk - start > length:
            yield start, np.asarray(patterns[start:stop])
            start = stop
        stop = min(stop + chunk, n)
    if stop > start:
        yield start, np.asarray(patterns[start:stop])
