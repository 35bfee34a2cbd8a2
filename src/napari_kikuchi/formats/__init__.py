"""Bytes to scans and back: EDAX/TSL UP files and folders of images."""

from ..scan import ScanWarning
from .ang import read_ang_grid
from .dispatch import check_target, is_up, open_scan, save_scan
from .images import FORMATS, ImageFormat, export_images, open_images, pack_images, read_pattern
from .maps import MAP_EXTENSIONS, save_map
from .pixels import to_pixel_type
from .sidecars import Sidecars, sidecars
from .targets import recipe_path
from .up import UPHeader, open_up, read_header
from .up_writing import save_up

__all__ = [
    "FORMATS",
    "MAP_EXTENSIONS",
    "ImageFormat",
    "ScanWarning",
    "Sidecars",
    "UPHeader",
    "check_target",
    "export_images",
    "is_up",
    "open_images",
    "open_scan",
    "open_up",
    "pack_images",
    "read_ang_grid",
    "read_header",
    "read_pattern",
    "recipe_path",
    "save_map",
    "save_scan",
    "save_up",
    "sidecars",
    "to_pixel_type",
]
