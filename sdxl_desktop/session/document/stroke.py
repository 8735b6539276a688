"""A stroke in progress on a document's mask: one undo step, with notifications while it is drawn."""

from __future__ import annotations

from collections.abc import Callable

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.brush import Brush, StrokePainter
from sdxl_desktop.session.document.layers import DocumentChange, Layers, rect_slices

StrokeEndCallback = Callable[["Stroke", UInt8Array, Rect | None, str], None]
"""Called at the end with the previous mask, the touched box (None: cancelled) and the step's label."""


class Stroke:
    """Call `move_to` for pointer moves, then `end` to keep the stroke or `cancel` to revert it."""

    def __init__(
        self,
        layers: Layers,
        coverage: UInt8Array,
        brush: Brush,
        tell: Callable[[DocumentChange], None],
        over: StrokeEndCallback,
    ) -> None:
        self._mask = layers.mask
        self._before = layers.mask.copy()
        self._painter = StrokePainter(layers.mask, self._before, coverage, brush)
        self._label = "eraser stroke" if brush.erase else "brush stroke"
        self._on_change, self._on_end = tell, over
        self._ended = False
        self._last_rect: Rect | None = None

    def move_to(self, x: float, y: float, pressure: float = 1.0) -> None:
        """Move the pointer to (x, y) in picture pixels with `pressure` in [0, 1]. Ignored after the stroke ended."""
        if not self._ended:
            self._notify(self._painter.move_to(x, y, pressure))

    def end(self) -> None:
        """End the stroke; it becomes one undo step if it changed anything."""
        if not self._ended:
            self._ended = True
            last = self._painter.finish() or self._last_rect
            self._on_end(self, self._before, self._painter.rect, self._label)
            self._notify(last)  # now that the undo step exists

    def cancel(self) -> None:
        """Revert the stroke."""
        if not self._ended:
            self._ended = True
            self._painter.finish()
            rect = self._painter.rect
            if rect is not None:
                self._mask[rect_slices(rect)] = self._before[rect_slices(rect)]
            self._on_end(self, self._before, None, self._label)
            self._notify(rect)

    def _notify(self, rect: Rect | None) -> None:
        if rect is not None:
            self._last_rect = rect
            self._on_change(DocumentChange(rect, mask=True))
