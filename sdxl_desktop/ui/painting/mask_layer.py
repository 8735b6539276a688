"""The mask shown over the picture: a translucent colour with a crisp edge in black and white, visible on anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.ui.painting.pointer import View
from sdxl_desktop.ui.painting.pyramid import Pyramid

REACH = 3
"""Points around a changed pixel within which its edge may be drawn."""

_INNER = 0xFFFFFFFF
_OUTER = 0xC0000000
_CRISP_FROM = 6.0

Colours = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class OverlayLook:
    """`colour` as "#rrggbb" and how much of the picture it hides where the mask is full, in [0, 1]."""

    colour: str = "#ff3355"
    opacity: float = 0.45


class MaskLayer:
    """Draws a mask in screen pixels, so that its edge is a line of the same width at every zoom."""

    def __init__(self) -> None:
        self._pyramid: Pyramid | None = None
        self._look = OverlayLook()
        self._table = _table(self._look)
        self.visible = True

    def show_mask(self, mask: Bytes | None) -> None:
        """Show `mask` (uint8 [H, W]), which may change in place, or nothing."""
        self._pyramid = None if mask is None else Pyramid.over(mask)

    def update(self, rect: QRect) -> None:
        """The mask is different in `rect`."""
        if self._pyramid is not None:
            self._pyramid.update(rect)

    @property
    def look(self) -> OverlayLook:
        return self._look

    def wear(self, look: OverlayLook) -> None:
        if look != self._look:
            self._look = look
            self._table = _table(look)

    def paint(self, painter: QPainter, view: View) -> None:
        if self._pyramid is None or not self.visible:
            return
        width = max(1, round(view.ratio))
        target = view.look.target()
        screen = QRectF(target.topLeft() * view.ratio, target.size() * view.ratio)
        exposed = QRectF(QPointF(view.exposed.topLeft()) * view.ratio, view.exposed.size().toSizeF() * view.ratio)
        seen = exposed.intersected(screen).toAlignedRect().adjusted(-width, -width, width, width)
        if seen.isEmpty():
            return
        amount = self._sampled(seen, screen, view.look.scale * view.ratio)
        if not amount.any():
            return
        drawn = _dyed(amount, self._table, width)
        image = QImage(
            drawn.data, seen.width(), seen.height(), drawn.strides[0], QImage.Format.Format_ARGB32_Premultiplied
        )
        corner = QPointF(seen.topLeft()) / view.ratio
        painter.drawImage(QRectF(corner, seen.size().toSizeF() / view.ratio), image)

    def _sampled(self, seen: QRect, screen: QRectF, zoom: float) -> Bytes:
        """The mask in the screen pixels of `seen`: uint8 [H, W]."""
        assert self._pyramid is not None
        image = QImage(seen.size(), QImage.Format.Format_RGB32)  # the format that Qt samples into fastest
        image.fill(0)
        painter = QPainter(image)
        self._pyramid.draw(painter, screen.translated(-QPointF(seen.topLeft())), zoom, crisp=zoom >= _CRISP_FROM)
        painter.end()
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(seen.height(), -1)
        return np.ascontiguousarray(rows[:, : 4 * seen.width() : 4])


def _table(look: OverlayLook) -> Colours:
    """The premultiplied colour for each value of the mask, uint32 [256]."""
    colour = QColor(look.colour)
    alpha = np.arange(256) * look.opacity
    parts = [np.rint(alpha * part / 255).astype(np.uint32) for part in (colour.red(), colour.green(), colour.blue())]
    table: Colours = (np.rint(alpha).astype(np.uint32) << 24) | (parts[0] << 16) | (parts[1] << 8) | parts[2]
    return table


def _dyed(amount: Bytes, table: Colours, width: int) -> Colours:
    """Colours for a mask in screen pixels: white just inside where it passes one half, black just outside."""
    drawn: Colours = table[amount]
    inside = amount >= 128
    if inside.all() or not inside.any():
        return drawn
    outer = _spread(inside, width)
    outer ^= inside
    outside = ~inside
    inner = _spread(outside, width)
    inner ^= outside
    drawn[inner] = _INNER
    drawn[outer] = _OUTER
    return drawn


def _spread(shape: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    """The shape and `width` pixels around it."""
    wide = shape.copy()
    for _ in range(width):
        before = wide.copy()
        wide[1:] |= before[:-1]
        wide[:-1] |= before[1:]
        wide[:, 1:] |= before[:, :-1]
        wide[:, :-1] |= before[:, 1:]
    return wide
