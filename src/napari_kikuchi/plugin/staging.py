"""Two layers of a viewer shown side by side or in turns, and the window put back as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

__all__ = ["Staging"]


class Staging(QObject):
    """Shows a pair of layers in one of two ways at a time.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject
    """

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._pair: tuple[Image, Image] | None = None
        self._put_back: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._swap)

    def side_by_side(self, first: Image, second: Image) -> None:
        """Show the two alone, in napari's grid view, with one contrast."""
        self.end()
        self._remember(first, second)
        before = self._viewer.canvas.grid.enabled
        self._put_back.append(lambda: setattr(self._viewer.canvas.grid, "enabled", before))
        for layer in self._viewer.layers:
            layer.visible = layer in (first, second)
        if first.dtype == second.dtype:
            self._link_contrast(first, second)
        self._viewer.canvas.grid.enabled = True
        self._viewer.reset_view()
        self._put_back.append(self._viewer.reset_view)

    def blink(self, first: Image, second: Image, rate: float) -> None:
        """Show the two in turns.

        Parameters
        ----------
        rate : float
            Changes per second.
        """
        self.end()
        self._remember(first, second)
        first.visible, second.visible = True, False
        self.set_rate(rate)
        self._timer.start()

    def set_rate(self, rate: float) -> None:
        """Blink faster or slower: changes per second."""
        self._timer.setInterval(round(1000 / rate))

    def end(self) -> None:
        """Put the window back as it was, as far as the layers are still there."""
        self._timer.stop()
        put_back, self._put_back, self._pair = self._put_back, [], None
        for action in put_back:
            action()

    def _remember(self, first: Image, second: Image) -> None:
        self._pair = first, second
        seen = [(layer, layer.visible) for layer in self._viewer.layers]

        def show_again() -> None:
            for layer, visible in seen:
                layer.visible = visible

        self._put_back.append(show_again)

    def _link_contrast(self, first: Image, second: Image) -> None:
        limits, link = tuple(second.contrast_limits), self._viewer.layers
        second.contrast_limits = first.contrast_limits
        link.link_layers([first, second], ["contrast_limits"])

        def unlink() -> None:
            if first in link and second in link:
                link.unlink_layers([first, second], ["contrast_limits"])
            second.contrast_limits = limits

        self._put_back.append(unlink)

    def _swap(self) -> None:
        if self._pair is None or any(layer not in self._viewer.layers for layer in self._pair):
            self.end()
            return
        first, second = self._pair
        first.visible, second.visible = not first.visible, first.visible
