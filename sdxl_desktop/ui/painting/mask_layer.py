"""The mask overlay: a translucent colour with a crisp black and white edge, visible on any picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.ui.painting.image_pyramid import ImagePyramid
from sdxl_desktop.ui.painting.pointer import PaintContext

EDGE_MARGIN = 3
"""Logical pixels around a changed pixel within which its edge may be drawn."""

_INNER_EDGE_COLOUR = 0xFFFFFFFF
_OUTER_EDGE_COLOUR = 0xC0000000
_NEAREST_FROM_ZOOM = 6.0

ColourArray = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """`colour` as "#rrggbb" and its opacity where the mask is 255, in [0, 1]."""

    colour: str = "#ff3355"
    opacity: float = 0.45


class MaskLayer:
    """Draws a mask in screen pixels, so that its edge has the same width at every zoom."""

    def __init__(self) -> None:
        self._pyramid: ImagePyramid | None = None
        self._style = OverlayStyle()
        self._colour_table = _build_colour_table(self._style)
        self.visible = True

    def set_mask(self, mask: UInt8Array | None) -> None:
        """Show `mask` (uint8 [H, W]), which may change in place; None shows nothing."""
        self._pyramid = None if mask is None else ImagePyramid.from_pixels(mask)

    def update(self, rect: QRect) -> None:
        """Update after the mask has changed in `rect`."""
        if self._pyramid is not None:
            self._pyramid.update(rect)

    @property
    def style(self) -> OverlayStyle:
        return self._style

    def set_style(self, style: OverlayStyle) -> None:
        if style != self._style:
            self._style = style
            self._colour_table = _build_colour_table(style)

    def paint(self, painter: QPainter, context: PaintContext) -> None:
        if self._pyramid is None or not self.visible:
            return
        width = max(1, round(context.device_pixel_ratio))
        target = context.viewport.picture_rect()
        screen = QRectF(target.topLeft() * context.device_pixel_ratio, target.size() * context.device_pixel_ratio)
        exposed = QRectF(
            QPointF(context.exposed.topLeft()) * context.device_pixel_ratio,
            context.exposed.size().toSizeF() * context.device_pixel_ratio,
        )
        seen = exposed.intersected(screen).toAlignedRect().adjusted(-width, -width, width, width)
        if seen.isEmpty():
            return
        amount = self._sample(seen, screen, context.viewport.scale * context.device_pixel_ratio)
        if not amount.any():
            return
        drawn = _colourize(amount, self._colour_table, width)
        image = QImage(
            drawn.data, seen.width(), seen.height(), drawn.strides[0], QImage.Format.Format_ARGB32_Premultiplied
        )
        corner = QPointF(seen.topLeft()) / context.device_pixel_ratio
        painter.drawImage(QRectF(corner, seen.size().toSizeF() / context.device_pixel_ratio), image)

    def _sample(self, seen: QRect, screen: QRectF, zoom: float) -> UInt8Array:
        """Return the mask sampled at the screen pixels of `seen`: uint8 [H, W]."""
        assert self._pyramid is not None
        image = QImage(seen.size(), QImage.Format.Format_RGB32)  # the format that Qt samples into fastest
        image.fill(0)
        painter = QPainter(image)
        self._pyramid.draw(painter, screen.translated(-QPointF(seen.topLeft())), zoom, crisp=zoom >= _NEAREST_FROM_ZOOM)
        painter.end()
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(seen.height(), -1)
        return np.ascontiguousarray(rows[:, : 4 * seen.width() : 4])


def _build_colour_table(style: OverlayStyle) -> ColourArray:
    """Return the premultiplied colour for each mask value, uint32 [256]."""
    colour = QColor(style.colour)
    alpha = np.arange(256) * style.opacity
    parts = [np.rint(alpha * part / 255).astype(np.uint32) for part in (colour.red(), colour.green(), colour.blue())]
    table: ColourArray = (np.rint(alpha).astype(np.uint32) << 24) | (parts[0] << 16) | (parts[1] << 8) | parts[2]
    return table


def _colourize(amount: UInt8Array, table: ColourArray, width: int) -> ColourArray:
    """Colour a mask in screen pixels: white just inside the contour at one half, black just outside."""
    drawn: ColourArray = table[amount]
    inside = amount >= 128
    if inside.all() or not inside.any():
        return drawn
    outer = _dilate(inside, width)
    outer ^= inside
    outside = ~inside
    inner = _dilate(outside, width)
    inner ^= outside
    drawn[inner] = _INNER_EDGE_COLOUR
    drawn[outer] = _OUTER_EDGE_COLOUR
    return drawn


def _dilate(shape: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    """Dilate the shape by `width` pixels."""
    wide = shape.copy()
    for _ in range(width):
        before = wide.copy()
        wide[1:] |= before[:-1]
        wide[:-1] |= before[1:]
        wide[:, 1:] |= before[:, :-1]
        wide[:, :-1] |= before[:, 1:]
    return wide
