"""Before and after: the earlier picture, shown while a key is held or to the left of a draggable line."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from sdxl_desktop.ui.painting.image_pyramid import ImagePyramid
from sdxl_desktop.ui.painting.pointer import PaintContext
from sdxl_desktop.ui.painting.text_overlay import paint_text_overlay, text_overlay_rect
from sdxl_desktop.ui.viewport import Viewport

_HIT_DISTANCE = 6.0
_KNOB_RADIUS = 9.0


class BeforeAfter:
    """Paints the earlier picture over the current one: all of it, or the part left of the line."""

    def __init__(self) -> None:
        self._before_image: ImagePyramid | None = None
        self.showing_before = False
        self.is_split = False
        self.split_position = 0.5
        """The line's position as a fraction of the picture's width."""

    def set_before(self, image: QImage | None) -> None:
        self._before_image = None if image is None else ImagePyramid(image)

    @property
    def is_available(self) -> bool:
        return self._before_image is not None

    @property
    def shows_only_before(self) -> bool:
        """Return whether the current picture is entirely hidden."""
        return self.is_available and self.showing_before

    def split_x(self, viewport: Viewport) -> float:
        """Return the line's x in widget coordinates."""
        target = viewport.picture_rect()
        return target.left() + self.split_position * target.width()

    def is_over_line(self, viewport: Viewport, position: QPointF) -> bool:
        """Return whether a press at `position` grabs the line."""
        target = viewport.picture_rect()
        on_picture = target.top() - _HIT_DISTANCE <= position.y() <= target.bottom() + _HIT_DISTANCE
        near = abs(position.x() - self.split_x(viewport)) <= _HIT_DISTANCE
        return self.is_available and self.is_split and not self.showing_before and on_picture and near

    def move_split(self, viewport: Viewport, position: QPointF) -> None:
        target = viewport.picture_rect()
        self.split_position = min(1.0, max(0.0, (position.x() - target.left()) / max(1.0, target.width())))

    def paint(self, painter: QPainter, context: PaintContext, *, crisp: bool) -> None:
        """Paint the visible part of the earlier picture."""
        if self._before_image is None or not (self.showing_before or self.is_split):
            return
        target = context.viewport.picture_rect()
        zoom = target.width() / max(1, self._before_image.image.width()) * context.device_pixel_ratio
        painter.save()
        if not self.showing_before:
            left = QRectF(target.topLeft(), QPointF(self.split_x(context.viewport), target.bottom()))
            painter.setClipRect(left, Qt.ClipOperation.IntersectClip)
        self._before_image.draw(painter, target, zoom, crisp=crisp)
        painter.restore()

    def paint_split(self, painter: QPainter, context: PaintContext) -> None:
        """Paint the line with its handle and labels, over everything else."""
        if not self.is_available or not (self.showing_before or self.is_split):
            return
        target = context.viewport.picture_rect()
        shown = target.intersected(
            QRectF(0, 0, context.viewport.widget_size.width(), context.viewport.widget_size.height())
        )
        if self.showing_before:
            _paint_label(painter, "Before", shown.topLeft() + QPointF(8, 8), 0.0)
            return
        x = self.split_x(context.viewport)
        _paint_label(painter, "Before", QPointF(x - 12, shown.top() + 8), 1.0)
        _paint_label(painter, "After", QPointF(x + 12, shown.top() + 8), 0.0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255), 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(x, shown.top()), QPointF(x, shown.bottom()))
        middle = QPointF(x, shown.center().y())
        painter.setPen(QPen(QColor(0, 0, 0, 150), 1.0))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, _KNOB_RADIUS, _KNOB_RADIUS)
        painter.setPen(QPen(QColor(32, 33, 36), 1.5))
        for side in (-1, 1):
            tip = middle + QPointF(5 * side, 0)
            painter.drawPolyline([tip + QPointF(-2.5 * side, -3), tip, tip + QPointF(-2.5 * side, 3)])
        painter.restore()


def _paint_label(painter: QPainter, text: str, corner: QPointF, align: float) -> None:
    paint_text_overlay(painter, text_overlay_rect(painter.font(), text, corner, align), text)
