"""Open EBSD scans, make their Kikuchi patterns better, and hand them back to the indexing software.

>>> import napari_kikuchi as nk
>>> scan = nk.open_scan(nk.sample_path("nickel"))
>>> scan.patterns.shape, scan.grid.shape, scan.step
((9, 60, 60), (3, 3), (1.5, 1.5))
>>> equalised = nk.clahe(scan, clip_limit=2.0)

Nothing has been computed yet; looking at a pattern or saving the scan does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .autoencoder.dynamical import simulate_master_pattern
    from .autoencoder.model import Device, FoundDevice, devices, load_model, shipped_models, use_device
    from .autoencoder.projection import MasterPattern
    from .autoencoder.training import train
    from .autoencoder.training_config import PairSettings, ScanPair, TrainingConfig
    from .formats import export_images, open_scan, pack_images, save_map, save_scan
    from .pipeline import (
        apply,
        average_neighbours,
        clahe,
        denoise,
        discard_partial,
        lazy,
        process_file,
        process_to_file,
        remove_background,
    )
    from .plugin.layers import add_to_viewer, scan_from_layer
    from .processing.maps import Region
    from .processing.quality import image_quality
    from .recipe import (
        Autoencoder,
        CircularMask,
        Clahe,
        DynamicBackground,
        NeighbourAverage,
        Recipe,
        Rescale,
        StaticBackground,
    )
    from .sample import sample_path
    from .scan import Grid, Scan, ScanError, ScanWarning, Source
    from .scan_maps import map_of

# Where each name comes from: imported when it is first used, so that `import napari_kikuchi` costs nothing.
_ROOMS = {
    "scan": ("Grid", "Scan", "ScanError", "ScanWarning", "Source"),
    "formats": ("export_images", "open_scan", "pack_images", "save_map", "save_scan"),
    "processing.maps": ("Region",),
    "processing.quality": ("image_quality",),
    "autoencoder.dynamical": ("simulate_master_pattern",),
    "autoencoder.model": ("Device", "FoundDevice", "devices", "load_model", "shipped_models", "use_device"),
    "autoencoder.projection": ("MasterPattern",),
    "autoencoder.training": ("train",),
    "autoencoder.training_config": ("PairSettings", "ScanPair", "TrainingConfig"),
    "recipe": (
        "Autoencoder",
        "CircularMask",
        "Clahe",
        "DynamicBackground",
        "NeighbourAverage",
        "Recipe",
        "Rescale",
        "StaticBackground",
    ),
    "pipeline": (
        "apply",
        "average_neighbours",
        "clahe",
        "denoise",
        "discard_partial",
        "lazy",
        "process_file",
        "process_to_file",
        "remove_background",
    ),
    "plugin.layers": ("add_to_viewer", "scan_from_layer"),
    "sample": ("sample_path",),
    "scan_maps": ("map_of",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Autoencoder",
    "CircularMask",
    "Clahe",
    "Device",
    "DynamicBackground",
    "FoundDevice",
    "Grid",
    "MasterPattern",
    "NeighbourAverage",
    "PairSettings",
    "Recipe",
    "Region",
    "Rescale",
    "Scan",
    "ScanError",
    "ScanPair",
    "ScanWarning",
    "Source",
    "StaticBackground",
    "TrainingConfig",
    "add_to_viewer",
    "apply",
    "average_neighbours",
    "clahe",
    "denoise",
    "devices",
    "discard_partial",
    "export_images",
    "image_quality",
    "lazy",
    "load_model",
    "map_of",
    "open_scan",
    "pack_images",
    "process_file",
    "process_to_file",
    "remove_background",
    "sample_path",
    "save_map",
    "save_scan",
    "scan_from_layer",
    "shipped_models",
    "simulate_master_pattern",
    "train",
    "use_device",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
