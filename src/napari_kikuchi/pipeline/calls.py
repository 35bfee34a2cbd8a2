"""A recipe over a scan: one pattern, a lazy scan, block by block, or file to file."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..patches import Patch
from ..recipe import (
    Autoencoder,
    AverageWeights,
    CircularMask,
    Clahe,
    DynamicBackground,
    NeighbourAverage,
    Neighbours,
    Placement,
    Recipe,
    Removal,
)
from ..scan import Grid, Scan, ScanError
from .blocks import block_length, compute, cut, processed
from .file_run import discard_partial, process_to_file
from .lazy_patterns import as_dask

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "apply",
    "average_neighbours",
    "clahe",
    "denoise",
    "fitted_blocks",
    "in_blocks",
    "lazy",
    "process_file",
    "remove_background",
]

Data = TypeVar("Data")
Progress = Callable[[int, int], None]


def apply(data: Data, recipe: Recipe) -> Data:
    """Run a recipe over a scan or an array.

    Parameters
    ----------
    data : Scan or array
        Patterns as a `Scan`, or as an array of shape (height, width), (n, height, width) or (rows, columns, height,
        width): of an unsigned integer type, or floating point in 0..1.
    recipe : Recipe
        What its steps learn from a whole scan, as a static background, is learnt here.

    Returns
    -------
    Scan or array
        Of the kind, shape and pixel type that came in. A `Scan` and a dask array come back lazy: patterns are computed
        when they are looked at or saved. A NumPy array is computed at once.

    Raises
    ------
    ScanError
        If the recipe names a model that cannot be opened, the array has no pattern in it, or a step needs a map that
        is not there.
    """
    recipe.prepare()
    if isinstance(data, Scan):
        fitted = recipe.fit(data)
        return processed(data, fitted, _lazy(data, fitted))  # type: ignore[return-value]
    array: Any = data
    if array.ndim < 2 or 0 in array.shape:
        raise ScanError(f"Patterns are arrays of shape (..., height, width); this one's shape is {array.shape}.")
    grid = Grid(array.shape[0], array.shape[1]) if array.ndim == 4 else None
    scan = Scan(array.reshape(-1, *array.shape[-2:]), grid)
    if not isinstance(array, np.ndarray):
        return _lazy(scan, recipe.fit(scan)).reshape(array.shape)
    result = np.empty(scan.patterns.shape, dtype=array.dtype)
    for start, block in in_blocks(scan, recipe):
        result[start : start + len(block)] = block
    return result.reshape(array.shape)  # type: ignore[return-value]


def lazy(scan: Scan, recipe: Recipe) -> Any:
    """What a recipe makes of a scan, for browsing: each pattern is computed when it is looked at.

    Looking at a pattern computes this one alone, with the neighbours on the map that the recipe needs; those looked at
    last are kept. `scan.with_patterns(lazy(scan, recipe))` is a scan with the same map, that napari shows
    (`add_to_viewer`) and that `save_scan` writes on all cores, with the recipe beside it.

    Parameters
    ----------
    scan : Scan
    recipe : Recipe
        What its steps learn from a whole scan, as a static background, is learnt here.

    Returns
    -------
    dask array, shape (n, height, width)
        Of the scan's pixel type. In small chunks; what `apply` returns has larger ones, which suit computing all.

    Raises
    ------
    ScanError
        As `apply`.

    Examples
    --------
    >>> import napari_kikuchi as nk
    >>> scan = nk.open_scan(nk.sample_path("nickel"))
    >>> patterns = nk.lazy(scan, nk.Recipe([nk.Clahe()]))
    >>> patterns[4].compute().shape
    (60, 60)
    """
    recipe.prepare()
    return as_dask(scan, recipe.fit(scan), browsing=True)


def clahe(
    data: Data,
    clip_limit: float = Clahe.clip_limit,
    tiles: tuple[int, int] = Clahe.tiles,
    *,
    mask: CircularMask | None = None,
) -> Data:
    """Equalise each pattern's histogram tile by tile, with limited contrast (CLAHE).

    Parameters
    ----------
    data : Scan or array
        As for `apply`. 8-bit patterns come out as OpenCV's CLAHE makes them, to the bit.
    clip_limit : float
        0.1 to 100: how much contrast a tile may gain.
    tiles : (int, int)
        Rows and columns of tiles, 1 to 64 each.
    mask : CircularMask or None
        The part of the detector that sees.

    Returns
    -------
    Scan or array
        Of the kind and pixel type that came in.

    Raises
    ------
    ScanError
        If a parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_kikuchi as nk
    >>> nk.clahe(np.zeros((2, 60, 60), dtype=np.uint8)).shape
    (2, 60, 60)
    """
    return apply(data, Recipe([Clahe(clip_limit, tiles)], mask=mask))


def denoise(
    data: Data,
    model: str = Autoencoder.model,
    *,
    neighbours: Neighbours = Autoencoder.neighbours,
    careful: bool = Autoencoder.careful,
    clahe: Placement = "none",
    clip_limit: float = Clahe.clip_limit,
    tiles: tuple[int, int] = Clahe.tiles,
    mask: CircularMask | None = None,
    trust_model: bool = False,
) -> Data:
    """Denoise each pattern with a network.

    Parameters
    ----------
    data : Scan or array
        As for `apply`.
    model : str
        A shipped model's name, or the path of a `.keras` or `.h5` file or of a TensorFlow SavedModel folder.
    neighbours : "auto", "none", "3x3" or "5x5"
        Which of a pattern's neighbours on a complete square map the network may use. "auto": the more of them, the
        noisier the scan is; none where it is clean, or where there is no such map of at least 100 points.
    careful : bool
        Average what the network makes of each pattern in four places of its grid of pixels: takes four times as long;
        bands keep their places better, for strain, and a few more of the noisiest single patterns index.
    clahe : "none", "before", "after" or "both"
        Where CLAHE is applied, if at all.
    clip_limit, tiles
        As for `clahe`.
    mask : CircularMask or None
        The part of the detector that sees.
    trust_model : bool
        Open a SavedModel, whose graph can read and write files.

    Returns
    -------
    Scan or array
        Of the kind and pixel type that came in, each pattern stretched to the full range.

    Raises
    ------
    ScanError
        If there is no such model, it may not be opened, a parameter is out of its range, or there are no neighbours
        to use.
    """
    recipe = Recipe.denoising(
        model,
        neighbours=neighbours,
        careful=careful,
        clahe=clahe,
        clip_limit=clip_limit,
        tiles=tiles,
        mask=mask,
        trust_model=trust_model,
    )
    return apply(data, recipe)


def remove_background(
    data: Data,
    static: Removal = "divide",
    dynamic: Removal = "divide",
    *,
    sigma: float = DynamicBackground.sigma,
    background: NDArray[Any] | None = None,
    mask: CircularMask | None = None,
) -> Data:
    """Take out the background that all patterns of a scan share, and then each pattern's own.

    Parameters
    ----------
    data : Scan or array
        As for `apply`.
    static : "divide", "subtract" or "none"
        What to do with the mean of up to 1000 patterns, spread evenly over the scan and read at once.
    dynamic : "divide", "subtract" or "none"
        What to do with the pattern blurred by a Gaussian.
    sigma : float
        0.01 to 1: standard deviation of that Gaussian, in widths of the pattern.
    background : array, shape (height, width), optional
        A static background to use instead of the mean: of an unsigned integer type, or floating point in 0..1.
    mask : CircularMask or None
        The part of the detector that sees.

    Returns
    -------
    Scan or array
        Of the kind and pixel type that came in, each pattern stretched to the full range.

    Warns
    -----
    ScanWarning
        If the scan is so small that the mean of its patterns shows their bands.

    Raises
    ------
    ScanError
        If nothing is to be removed, a parameter is out of its range, the background is not of the patterns' size, or a
        single pattern has no static background.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_kikuchi as nk
    >>> nk.remove_background(np.zeros((2, 60, 60), dtype=np.uint8), static="none").shape
    (2, 60, 60)
    """
    return apply(data, Recipe.removing_background(static, dynamic, sigma, background, mask))


def average_neighbours(
    data: Data,
    window: int = NeighbourAverage.window,
    weights: AverageWeights = NeighbourAverage.weights,
    *,
    mask: CircularMask | None = None,
) -> Data:
    """Average each pattern with its neighbours on the map.

    Parameters
    ----------
    data : Scan or array
        A scan with a complete square map, or an array of shape (rows, columns, height, width); otherwise as for
        `apply`.
    window : int
        3 to 15, odd: rows and columns of the map that are averaged, the pattern's own in their middle.
    weights : "gaussian", "uniform" or "similar"
        Whether nearer neighbours count more (see `napari_kikuchi.processing.neighbours.neighbour_weights`), all the
        same, or each as much as it is likely to be of the same crystal (see `napari_kikuchi.processing.similarity`).
    mask : CircularMask or None
        The part of the detector that sees.

    Returns
    -------
    Scan or array
        Of the kind and pixel type that came in, with intensities kept. At the map's edges the neighbours that there
        are count.

    Raises
    ------
    ScanError
        If there is no complete square map, or a parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_kikuchi as nk
    >>> nk.average_neighbours(np.zeros((4, 5, 60, 60), dtype=np.uint8)).shape
    (4, 5, 60, 60)
    """
    return apply(data, Recipe([NeighbourAverage(window, weights)], mask=mask))


def in_blocks(scan: Scan, recipe: Recipe) -> Iterator[tuple[int, NDArray[Any]]]:
    """Run a recipe over a scan block by block, so that a caller can show progress and stop in between.

    Yields
    ------
    (int, array of shape (b, height, width))
        Number of the block's first pattern, and the block, of the scan's pixel type.
    """
    yield from fitted_blocks(scan, recipe.fit(scan))


def fitted_blocks(scan: Scan, recipe: Recipe) -> Iterator[tuple[int, NDArray[Any]]]:
    """The same for a recipe that was fitted to the scan."""
    for block, patterns in compute(scan, recipe, cut(scan, recipe.rim)):
        yield block.start, patterns


def process_file(
    source: str | Path,
    target: str | Path,
    recipe: Recipe,
    *,
    grid: Grid | tuple[int, int] | None = None,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
    client: Client | None = None,
) -> Path:
    """Run a recipe from a file or folder to a file or folder, a block at a time.

    An UP file grows in `OUT.partial` beside the target. Whatever ends the run early, the same call goes on from there;
    see `process_to_file`.

    Parameters
    ----------
    source : path
        A UP1 or UP2 file, or a folder of images.
    target : path
        A `.up1` or `.up2` file, or a folder: with the file names and format of a source folder, else with PNG images.
        The recipe is written beside it.
    recipe : Recipe
    grid : Grid or (rows, columns), optional
        The map, where the source does not say.
    overwrite : bool
        Replace an existing target. The source is never written to.
    restart : bool
        Begin anew, where an earlier run was stopped in the middle.
    progress : callable, optional
        Called with the number of patterns done and in all.
    client : distributed.Client, optional
        Compute on its workers, which have to see source and target under the same paths. The target is an UP file then.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ScanError
        If the source cannot be read, the target cannot be written, the recipe cannot be run, or what an earlier run
        left was begun from something else; the target is then as it was before.
    """
    from ..formats import check_target, is_up, open_scan, save_scan

    scan, target = open_scan(source, grid=grid), Path(target)
    if not is_up(target):
        if client is not None:
            raise ScanError(f"{target} is a folder by its name; several workers write .up1 and .up2 files only.")
        check_target(target, scan, overwrite=overwrite)
        return save_scan(target, apply(scan, recipe), overwrite=overwrite, progress=progress)
    if restart:
        discard_partial(target)
    with closing(process_to_file(scan, target, recipe, overwrite=overwrite, client=client)) as run:
        for done in run:
            if progress is not None:
                progress(done, scan.n)
    return target


def _lazy(scan: Scan, recipe: Recipe) -> Any:
    """The patterns as a fitted recipe makes them: a dask array of one chunk a block."""
    import dask.array as da

    if not isinstance(scan.patterns, da.Array):
        return as_dask(scan, recipe)
    # From chunk to chunk, so that whatever computes the source is part of one graph.
    source = scan.patterns.rechunk((block_length(scan.patterns.shape, recipe.rim), *scan.patterns.shape[1:]))
    if scan.grid is not None and recipe.rim:
        parts = [block.patch for block in cut(scan, recipe.rim) if block.patch is not None]
        return _lazy_map(source, parts, recipe)
    empty = np.empty((0, 0, 0), dtype=source.dtype)
    return source.map_blocks(recipe, token="recipe", dtype=source.dtype, meta=empty)


def _lazy_map(source: Any, parts: list[Patch], recipe: Recipe) -> Any:
    """The same for a recipe with a rim: a chunk a patch, each from those chunks of the source that the patch reads."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    ends = np.cumsum(source.chunks[0])
    name = f"recipe-{uuid.uuid4().hex}"
    graph: dict[Any, Any] = {}
    for number, patch in enumerate(parts):
        spans = np.array(patch.spans)
        first, last = np.searchsorted(ends, spans[:, 0], "right"), np.searchsorted(ends, spans[:, 1] - 1, "right")
        wanted = sorted({int(i) for a, b in zip(first, last, strict=True) for i in range(a, b + 1)})
        starts = [int(ends[i] - source.chunks[0][i]) for i in wanted]
        graph[name, number, 0, 0] = (_run_patch, recipe, patch, starts, [(source.name, i, 0, 0) for i in wanted])
    chunks = tuple(patch.size for patch in parts), *source.chunks[1:]
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[source])
    return da.Array(layers, name, chunks, meta=np.empty((0, 0, 0), dtype=source.dtype))


def _run_patch(recipe: Recipe, patch: Patch, starts: list[int], chunks: list[NDArray[Any]]) -> NDArray[Any]:
    def between(start: int, stop: int) -> NDArray[Any]:
        pieces = zip(starts, chunks, strict=True)
        return np.concatenate([chunk[max(0, start - at) : max(0, stop - at)] for at, chunk in pieces])

    return recipe(patch.read(between), patch)
