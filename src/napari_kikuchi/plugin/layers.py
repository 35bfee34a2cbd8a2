"""Between a scan and a napari layer: what a layer shows, and what it remembers for the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..processing.rescale import PERCENTILES
from ..scan import Grid, Scan, ScanError

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

__all__ = [
    "add_to_viewer",
    "contrast_limits",
    "index_shown",
    "layer_arguments",
    "scan_from_data",
    "scan_from_layer",
    "set_map",
    "title",
]

# Where a layer's metadata keeps what a scan is besides its patterns.
KEY = "napari_kikuchi"

# Enough patterns for steady percentiles, few enough that the largest file opens at once.
SAMPLED = 16


def contrast_limits(patterns: Any) -> tuple[float, float]:
    """Percentiles 0.1 and 99.9 of some patterns spread over the scan, so that hot pixels do not spoil the display.

    Parameters
    ----------
    patterns : array-like, shape (n, height, width)
    """
    chosen = np.unique(np.linspace(0, len(patterns) - 1, SAMPLED).round().astype(int))
    sample = np.stack([np.asarray(patterns[i]) for i in chosen])
    low, high = np.percentile(sample[np.isfinite(sample)], PERCENTILES) if np.isfinite(sample).any() else (0, 1)
    return float(low), float(high) if high > low else float(low) + 1


def layer_arguments(scan: Scan, name: str, *, limits: tuple[float, float] | None = None) -> tuple[Any, dict[str, Any]]:
    """The data and the keyword arguments of an image layer that shows a scan.

    Parameters
    ----------
    scan : Scan
    name : str
        Name of the layer.
    limits : (float, float), optional
        Contrast limits; from sampled patterns if not given.

    Returns
    -------
    (array-like, dict)
        (rows, columns, height, width) for a complete square grid, else (n, height, width): a view, not a copy.
    """
    dx, dy = scan.step
    # A step of 0 is unknown; napari needs a size all the same, and units for all axes that can be converted.
    known = scan.is_map and dx > 0 and dy > 0
    axes = ("row", "column", "y", "x") if scan.is_map else ("pattern", "y", "x")
    return scan.as_map() if scan.is_map else scan.patterns, {
        "name": name,
        "colormap": "gray",
        "contrast_limits": limits or contrast_limits(scan.patterns),
        "rgb": False,
        "axis_labels": axes,
        "scale": (dy, dx, 1, 1) if known else (1,) * len(axes),
        "units": ("um", "um", "pixel", "pixel") if known else ("pixel",) * len(axes),
        "metadata": {
            KEY: {"n": scan.n, "grid": scan.grid, "step": scan.step, "source": scan.source, "recipe": scan.recipe}
        },
    }


def scan_from_data(data: Any, metadata: dict[str, Any], name: str = "The layer") -> Scan:
    """The scan that a layer's data and metadata show.

    Parameters
    ----------
    data : array-like
        (rows, columns, height, width), (n, height, width) or (height, width).
    metadata : dict
        The layer's `metadata`. What it says of the grid holds as long as it fits the data, so that a cropped or thinned
        layer gives a scan of its own.
    name : str
        What errors call the layer.

    Raises
    ------
    ScanError
        If the data has another number of axes.
    """
    if data.ndim not in (2, 3, 4):
        raise ScanError(
            f"{name} has {data.ndim} axes; patterns are (rows, columns, height, width), (n, height, width) "
            "or (height, width)."
        )
    known = metadata.get(KEY, {})
    patterns = data.reshape(-1, *data.shape[-2:])
    step, source, recipe = known.get("step", (0.0, 0.0)), known.get("source"), known.get("recipe", "")
    if data.ndim == 4:
        return Scan(patterns, Grid(data.shape[0], data.shape[1]), step, source, recipe)
    grid = known.get("grid") if known.get("n") == len(patterns) else None
    return Scan(patterns, grid, step if grid else (0.0, 0.0), source, recipe)


def scan_from_layer(layer: Image) -> Scan:
    """The scan that a napari image layer shows.

    Parameters
    ----------
    layer : napari.layers.Image
        Of this plugin, with grid, step, source and recipe; or any other image layer of 2 to 4 axes, whose last two are
        a pattern's height and width.

    Returns
    -------
    Scan
        Its patterns are the layer's data, not a copy.

    Raises
    ------
    ScanError
        If the layer holds colours, several resolutions, or a number of axes that no scan has.
    """
    if layer.rgb or layer.multiscale:
        raise ScanError(f"{layer.name} holds {'colours' if layer.rgb else 'several resolutions'}, not patterns.")
    return scan_from_data(layer.data, layer.metadata, layer.name)


def set_map(layer: Image, grid: Grid | None, step: tuple[float, float] = (0.0, 0.0)) -> None:
    """Say which map the patterns of a layer make; the layer shows them so, without reading or copying any.

    Parameters
    ----------
    layer : napari.layers.Image
        Of patterns. It keeps its name, contrast and place among the layers.
    grid : Grid or None
        None: the patterns are a plain sequence again.
    step : tuple of float
        Distance in micrometres between points of a row and between rows; 0 if unknown.

    Raises
    ------
    ScanError
        If the layer holds no patterns, or more than the grid has points.
    """
    scan = replace(scan_from_layer(layer), grid=grid, step=step)
    data, arguments = layer_arguments(scan, layer.name, limits=tuple(layer.contrast_limits))
    layer.metadata = {**layer.metadata, **arguments["metadata"]}
    layer.data = data
    layer.axis_labels, layer.scale, layer.units = (arguments[key] for key in ("axis_labels", "scale", "units"))
    layer.translate = (0,) * layer.ndim


def add_to_viewer(
    viewer: napari.Viewer,
    scan: Scan,
    name: str | None = None,
    like: Image | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> Image:
    """Show a scan as a new image layer.

    Parameters
    ----------
    viewer : napari.Viewer
    scan : Scan
        Lazy patterns stay lazy: what is looked at is computed.
    name : str, optional
        Name of the layer; the source's file name and what was done to it if not given.
    like : napari.layers.Image, optional
        The layer that the scan was made from; the new one takes its shape, place, scale, units and axis labels.
    limits : (float, float), optional
        Contrast limits; from sampled patterns if not given.

    Returns
    -------
    napari.layers.Image

    Examples
    --------
    >>> import napari  # doctest: +SKIP
    >>> import napari_kikuchi as nk  # doctest: +SKIP
    >>> viewer = napari.Viewer()  # doctest: +SKIP
    >>> (raw,) = viewer.open("scan.up2", plugin="napari-kikuchi")  # doctest: +SKIP
    >>> denoised = nk.denoise(nk.scan_from_layer(raw))  # doctest: +SKIP
    >>> layer = nk.add_to_viewer(viewer, denoised)  # doctest: +SKIP
    >>> layer.save("scan-denoised.up2", plugin="napari-kikuchi")  # doctest: +SKIP
    """
    data, arguments = layer_arguments(scan, name or title(scan), limits=limits)
    if like is not None:
        data = data if data.shape == like.data.shape else scan.patterns.reshape(like.data.shape)
        arguments |= {key: getattr(like, key) for key in ("scale", "translate", "units", "axis_labels")}
    return viewer.add_image(data, **arguments)


def title(scan: Scan) -> str:
    """What to call a layer: the source's file name, and what was done to it."""
    from ..recipe import Recipe

    stem = scan.source.path.stem if scan.source else "patterns"
    return f"{stem} ({Recipe.from_toml(scan.recipe).title})" if scan.recipe else stem


def index_shown(viewer: napari.Viewer, layer: Image) -> tuple[int, ...]:
    """Index, into a layer's leading axes, of the pattern that the viewer's sliders stand on."""
    leading = np.array(layer.data.shape[:-2], dtype=int)
    point = np.round(layer.world_to_data(viewer.dims.point)).astype(int)
    return tuple(int(i) for i in np.clip(point[: len(leading)], 0, leading - 1))
