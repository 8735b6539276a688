"""The frame over the picture: a dashed line with the drawing size; the outside is slightly dimmed."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF
from PySide6.QtGui import QColor, QPainter, QPalette, QRegion
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.document.frame import Frame
from sdxl_desktop.ui.painting.pointer import PaintContext
from sdxl_desktop.ui.painting.text_overlay import paint_text_overlay, text_overlay_rect
from sdxl_desktop.ui.viewport import Viewport

DIM_ALPHA = 96
"""Alpha, in [0, 255], of the canvas's background colour over the outside."""

_LINE_MARGIN = 3
"""Logical pixels on both sides of the line that painting it may touch."""
_DASH_PERIOD = 10
"""Logical pixels of one light and one dark dash together."""
_DARK, _LIGHT = QColor(0, 0, 0, 200), QColor(255, 255, 255)


class FrameLayer:
    """Paints `frame` if there is one and it is `visible`."""

    def __init__(self, canvas: QWidget) -> None:
        self.frame: Frame | None = None
        self.visible = True
        self._canvas = canvas

    @property
    def visible_frame(self) -> Frame | None:
        """Return the frame if it is visible, else None."""
        return self.frame if self.visible else None

    def changed_region(self, previous: Frame | None, viewport: Viewport) -> QRegion:
        """Return the region to repaint, in logical pixels, if `previous` was the visible frame: a band along each side
        that moved, and the labels. An unmoved side keeps its dashes, as they are counted from the picture's corner."""
        now = self.visible_frame
        if previous is None or now is None:  # the dimming appears or disappears with the frame
            return QRegion(
                viewport.picture_rect()
                .toAlignedRect()
                .adjusted(-_LINE_MARGIN, -_LINE_MARGIN, _LINE_MARGIN, _LINE_MARGIN)
            ) + self._label_region((previous, now), viewport)
        old, new = (_frame_edges(frame, viewport) for frame in (previous, now))
        around = old.united(new).adjusted(-_LINE_MARGIN, -_LINE_MARGIN, _LINE_MARGIN, _LINE_MARGIN)
        region = (
            self._label_region((previous, now), viewport)
            if (old, previous.drawing_size) != (new, now.drawing_size)
            else QRegion()
        )
        for one, other in ((old.left(), new.left()), (old.right(), new.right())):
            if one != other:
                region += QRect(
                    min(one, other) - _LINE_MARGIN, around.top(), abs(one - other) + 2 * _LINE_MARGIN, around.height()
                )
        for one, other in ((old.top(), new.top()), (old.bottom(), new.bottom())):
            if one != other:
                region += QRect(
                    around.left(), min(one, other) - _LINE_MARGIN, around.width(), abs(one - other) + 2 * _LINE_MARGIN
                )
        return region

    def _label_region(self, frames: tuple[Frame | None, ...], viewport: Viewport) -> QRegion:
        region = QRegion()
        for frame in frames:
            if frame is not None:
                region += self.label_rect(frame, viewport).toAlignedRect()
        return region

    def paint(self, painter: QPainter, context: PaintContext) -> None:
        frame = self.visible_frame
        if frame is None:
            return
        edges, target = _frame_edges(frame, context.viewport), context.viewport.picture_rect()
        self._paint_dimming(painter, context, QRectF(edges))
        _paint_line(painter, edges, context.exposed, QPoint(round(target.left()), round(target.top())))
        label = self.label_rect(frame, context.viewport)
        if label.toAlignedRect().intersects(context.exposed):
            paint_text_overlay(painter, label, format_size_label(frame.drawing_size))

    def _paint_dimming(self, painter: QPainter, context: PaintContext, frame_rect: QRectF) -> None:
        colour = self._canvas.palette().color(QPalette.ColorRole.Dark)
        colour.setAlpha(DIM_ALPHA)
        picture, inside = context.viewport.picture_rect(), frame_rect.intersected(context.viewport.picture_rect())
        for band in (
            QRectF(picture.left(), picture.top(), picture.width(), inside.top() - picture.top()),
            QRectF(picture.left(), inside.bottom(), picture.width(), picture.bottom() - inside.bottom()),
            QRectF(picture.left(), inside.top(), inside.left() - picture.left(), inside.height()),
            QRectF(inside.right(), inside.top(), picture.right() - inside.right(), inside.height()),
        ):
            seen = band.intersected(QRectF(context.exposed))
            if not seen.isEmpty():
                painter.fillRect(seen, colour)

    def label_rect(self, frame: Frame, viewport: Viewport) -> QRectF:
        """Return the size label's rectangle: above the line's left end if the widget has room there, else inside."""
        line = viewport.to_widget_rect(_frame_rect(frame))
        box = text_overlay_rect(self._canvas.font(), format_size_label(frame.drawing_size), line.topLeft())
        above = line.top() - box.height() - 4
        box.moveTop(above if above >= 2 else max(2.0, line.top() + 4))
        box.moveLeft(min(max(2.0, line.left()), viewport.widget_size.width() - box.width() - 2))
        return box


def format_size_label(size: Size) -> str:
    return f"{size.width} × {size.height}"


def _frame_rect(frame: Frame) -> QRectF:
    region = frame.region
    return QRectF(region.x, region.y, region.width, region.height)


def _frame_edges(frame: Frame, viewport: Viewport) -> QRect:
    """Return the rectangle of whole logical pixels inside the line."""
    line = viewport.to_widget_rect(_frame_rect(frame))
    left, top = round(line.left()), round(line.top())
    return QRect(left, top, round(line.right()) - left, round(line.bottom()) - top)


def _paint_line(painter: QPainter, edges: QRect, exposed: QRect, corner: QPoint) -> None:
    """Paint a line one logical pixel wide just outside `edges`: dark with light dashes, one of which always shows.

    The dashes are counted from `corner`, the picture's, so that they stay in place when the frame grows; Qt's own
    dashes restart where a line is clipped.
    """
    around = edges.adjusted(-1, -1, 1, 1)
    for y in (around.top(), around.bottom()):
        seen = QRect(around.left(), y, around.width(), 1).intersected(exposed)
        painter.fillRect(seen, _DARK)
        for x in range(_dash_start(seen.left(), corner.x()), seen.right() + 1, _DASH_PERIOD):
            painter.fillRect(QRect(x, y, _DASH_PERIOD // 2, 1).intersected(seen), _LIGHT)
    for x in (around.left(), around.right()):
        seen = QRect(x, around.top(), 1, around.height()).intersected(exposed)
        painter.fillRect(seen, _DARK)
        for y in range(_dash_start(seen.top(), corner.y()), seen.bottom() + 1, _DASH_PERIOD):
            painter.fillRect(QRect(x, y, 1, _DASH_PERIOD // 2).intersected(seen), _LIGHT)


def _dash_start(position: int, origin: int) -> int:
    return position - (position - origin) % _DASH_PERIOD
