"""A recipe over arrays, scans and files: at once, when it is looked at, block by block, or spread over a cluster."""

from .blocks import processed
from .calls import (
    apply,
    average_neighbours,
    clahe,
    denoise,
    fitted_blocks,
    in_blocks,
    lazy,
    process_file,
    remove_background,
)
from .file_run import discard_partial, process_to_file

__all__ = [
    "apply",
    "average_neighbours",
    "clahe",
    "denoise",
    "discard_partial",
    "fitted_blocks",
    "in_blocks",
    "lazy",
    "process_file",
    "process_to_file",
    "processed",
    "remove_background",
]
