"""Bytes to scans and back: EDAX/TSL UP files and folders of images."""

from .ang import read_ang_grid
from .pixels import to_pixel_type
from .up import UPHeader, open_up, read_header, save_up

__all__ = ["UPHeader", "open_up", "read_ang_grid", "read_header", "save_up", "to_pixel_type"]
