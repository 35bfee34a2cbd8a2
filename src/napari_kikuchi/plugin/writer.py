"""Saving image layers as EDAX pattern files from napari's own menu and from `layer.save`."""

from __future__ import annotations

from typing import Any

from ..formats import Sidecars, save_scan, sidecars
from ..scan import ScanError
from .layers import scan_from_data

__all__ = ["write_up"]


def write_up(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one image layer, block by block, with the header of the file that it came from.

    Parameters
    ----------
    path : str
        Ends in `.up1` (8-bit pixels) or `.up2` (16-bit pixels). The user has agreed to replace an existing file; one
        that the layer is mapped from is refused all the same.
    data : array-like
        (rows, columns, height, width), (n, height, width) or (height, width).
    meta : dict
        The layer's attributes; its `metadata` holds what the reader put there.

    Returns
    -------
    list of str
        The path, when the file is whole.

    Raises
    ------
    ScanError
        If the layer does not hold patterns, or the file cannot be written.
    """
    scan = scan_from_data(data, meta.get("metadata", {}), f"The layer {meta.get('name', '')!r}")
    written = save_scan(path, scan, overwrite=True)
    if scan.source is not None and (found := sidecars(scan.source.path, written)):
        _offer(found)
    return [str(written)]


def _offer(found: Sidecars) -> None:
    """Say what the indexing software will look for, with a button that copies it if it is there."""
    from napari.utils.notifications import Notification, notification_manager, show_error

    def copy(_: Any) -> None:
        try:
            found.copy()
        except (ScanError, OSError) as error:
            show_error(str(error))

    actions = ((f"Copy {found.offer}", copy),) if found.offer else ()
    notification_manager.dispatch(Notification(str(found), "info", actions))
