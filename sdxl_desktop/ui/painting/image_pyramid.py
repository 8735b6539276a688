"""A picture prepared for drawing at any zoom: a pyramid of halved levels, of which only changed parts are recomputed.

When zoomed out, a picture must be averaged to avoid aliasing; averaging 16 million pixels per repaint is too slow. So
the level nearest in size is drawn (Williams, "Pyramidal parametrics", 1983), and a stroke averages only its own box.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter

from sdxl_desktop.core.raster import UInt8Array


def wrap_pixels(pixels: UInt8Array) -> QImage:
    """Return a QImage view of `pixels` (uint8 [H, W, 3] or [H, W], contiguous), not a copy; they must outlive it."""
    height, width = pixels.shape[:2]
    kind = QImage.Format.Format_RGB888 if pixels.ndim == 3 else QImage.Format.Format_Grayscale8
    return QImage(pixels.data, width, height, pixels.strides[0], kind)


class ImagePyramid:
    """Draws a picture. Call `update` with the rectangle in which its pixels have changed."""

    def __init__(self, image: QImage, pixels: UInt8Array | None = None) -> None:
        self._levels = [image]
        self._greys = [pixels] if pixels is not None and pixels.ndim == 2 else []
        self._pixels = pixels  # keeps the memory of `image` alive

    @classmethod
    def from_pixels(cls, pixels: UInt8Array) -> ImagePyramid:
        """Create a pyramid of pixels (uint8 [H, W, 3] or [H, W]) that may change in place."""
        return cls(wrap_pixels(pixels), pixels)

    @property
    def image(self) -> QImage:
        return self._levels[0]

    def update(self, rect: QRect) -> None:
        """Recompute the levels after the pixels in `rect` have changed."""
        for number in range(1, len(self._levels)):
            left, top = rect.left() // 2, rect.top() // 2
            rect = QRect(left, top, rect.right() // 2 - left + 1, rect.bottom() // 2 - top + 1)
            self._halve(number, rect)

    def draw(self, painter: QPainter, target: QRectF, zoom: float, *, crisp: bool = False) -> None:
        """Draw the picture into `target` at `zoom` screen pixels per picture pixel; `crisp`: without smoothing."""
        number = 0 if zoom >= 1 else min(int(math.log2(1 / zoom)), self._last_level())
        level = self.level(number)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not crisp)
        if number == 0:
            painter.drawImage(target, level)
            return
        # A level rounds odd sides up, so it may extend beyond the picture by a fraction of a pixel.
        across = target.width() / self.image.width() * 2**number
        down = target.height() / self.image.height() * 2**number
        painter.save()
        painter.setClipRect(target, Qt.ClipOperation.IntersectClip)
        painter.drawImage(QRectF(target.x(), target.y(), level.width() * across, level.height() * down), level)
        painter.restore()

    def _last_level(self) -> int:
        """Return the number of the level whose shorter side is one pixel."""
        return int(math.log2(max(1, min(self.image.width(), self.image.height()))))

    def level(self, number: int) -> QImage:
        """Return the picture at 1 / 2**number of its size, RGB or grey, computed at the first call."""
        while len(self._levels) <= number:
            below = self._levels[-1]
            size = QSize((below.width() + 1) // 2, (below.height() + 1) // 2)
            if self._greys:
                self._greys.append(np.empty((size.height(), size.width()), np.uint8))
                self._levels.append(wrap_pixels(self._greys[-1]))
            else:
                self._levels.append(QImage(size, QImage.Format.Format_RGB32))
            self._halve(len(self._levels) - 1, QRect(0, 0, size.width(), size.height()))
        return self._levels[number]

    def _halve(self, number: int, rect: QRect) -> None:
        """Set `rect` of a level to the averages of 2 x 2 pixels of the level below."""
        if self._greys:
            _halve_greys(self._greys[number - 1], self._greys[number], rect)
        else:
            _halve_image(self._levels[number - 1], self._levels[number], rect)


def _halve_greys(source: UInt8Array, target: UInt8Array, rect: QRect) -> None:
    """Halve uint8 [H, W]; five times as fast as Qt, which has no fast path for greyscale."""
    rows = slice(rect.y(), rect.y() + rect.height())
    columns = slice(rect.x(), rect.x() + rect.width())
    part = source[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
    if not part.any():  # true for most of a typical mask
        target[rows, columns] = 0
        return
    if part.shape[0] % 2 or part.shape[1] % 2:  # duplicate the last row or column of an odd side
        part = np.pad(part, ((0, part.shape[0] % 2), (0, part.shape[1] % 2)), mode="edge")
    sums = part[::2].astype(np.uint16)
    sums += part[1::2]
    total = sums[:, ::2] + sums[:, 1::2]
    total += 2
    total >>= 2
    target[rows, columns] = total


def _halve_image(source: QImage, target: QImage, rect: QRect) -> None:
    """Halve a colour image: at exactly half the size, bilinear sampling gives the averages."""
    painter = QPainter(target)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(QRectF(rect), source, QRectF(2 * rect.x(), 2 * rect.y(), 2 * rect.width(), 2 * rect.height()))
    painter.end()
