"""A stroke in progress on a document's mask: one step to undo, told bit by bit while it is drawn."""

from __future__ import annotations

from collections.abc import Callable

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.session.document.brush import Brush, Sweep
from sdxl_desktop.session.document.layers import Change, Layers, window

Over = Callable[["Stroke", Bytes, Rect | None, str], None]
"""Is called at the end with the mask before, the box that was touched (None: cancelled) and the step's label."""


class Stroke:
    """`move_to` as the pointer goes, then `end` (keeps it) or `cancel` (as if never begun)."""

    def __init__(
        self, layers: Layers, coverage: Bytes, brush: Brush, tell: Callable[[Change], None], over: Over
    ) -> None:
        self._mask = layers.mask
        self._before = layers.mask.copy()
        self._sweep = Sweep(layers.mask, self._before, coverage, brush)
        self._label = "eraser stroke" if brush.erase else "brush stroke"
        self._tell_change, self._when_over = tell, over
        self._over = False
        self._last: Rect | None = None

    def move_to(self, x: float, y: float, pressure: float = 1.0) -> None:
        """The pointer is at (x, y) in the picture's pixels, pressed with `pressure` in [0, 1]. Ignored once over."""
        if not self._over:
            self._tell(self._sweep.move_to(x, y, pressure))

    def end(self) -> None:
        """Finish: one step to undo, unless it changed nothing."""
        if not self._over:
            self._over = True
            last = self._sweep.finish() or self._last
            self._when_over(self, self._before, self._sweep.rect, self._label)
            self._tell(last)  # now that there is a step to undo

    def cancel(self) -> None:
        """Take everything back."""
        if not self._over:
            self._over = True
            self._sweep.finish()
            rect = self._sweep.rect
            if rect is not None:
                self._mask[window(rect)] = self._before[window(rect)]
            self._when_over(self, self._before, None, self._label)
            self._tell(rect)

    def _tell(self, rect: Rect | None) -> None:
        if rect is not None:
            self._last = rect
            self._tell_change(Change(rect, mask=True))
