"""A stroke in progress on a document's mask: one step to undo, told bit by bit while it is drawn."""

from __future__ import annotations

from collections.abc import Callable

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.brush import Brush, StrokePainter
from sdxl_desktop.session.document.layers import DocumentChange, Layers, rect_slices

StrokeEndCallback = Callable[["Stroke", UInt8Array, Rect | None, str], None]
"""Is called at the end with the mask before, the box that was touched (None: cancelled) and the step's label."""


class Stroke:
    """`move_to` as the pointer goes, then `end` (keeps it) or `cancel` (as if never begun)."""

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
        """The pointer is at (x, y) in the picture's pixels, pressed with `pressure` in [0, 1]. Ignored once over."""
        if not self._ended:
            self._notify(self._painter.move_to(x, y, pressure))

    def end(self) -> None:
        """Finish: one step to undo, unless it changed nothing."""
        if not self._ended:
            self._ended = True
            last = self._painter.finish() or self._last_rect
            self._on_end(self, self._before, self._painter.rect, self._label)
            self._notify(last)  # now that there is a step to undo

    def cancel(self) -> None:
        """Take everything back."""
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
