"""The brush cursor and the outlines of shapes in progress: black and white lines, visible on any background."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from sdxl_desktop.session.document.mask_shapes import Outline
from sdxl_desktop.ui.viewport import Viewport

MIN_RADIUS = 3.0
"""Logical pixels; a ring with a smaller radius would look like a dot, so a cross is drawn instead."""

_DARK, _LIGHT = QColor(0, 0, 0, 190), QColor(255, 255, 255)


def brush_cursor_rect(centre: QPointF, radius: float) -> QRect:
    """Return the rectangle that `paint_brush_cursor` may paint in."""
    reach = max(radius, MIN_RADIUS + 6) + 3
    return QRectF(centre.x() - reach, centre.y() - reach, 2 * reach, 2 * reach).toAlignedRect()


def paint_brush_cursor(painter: QPainter, centre: QPointF, radius: float, hardness: float, *, erases: bool) -> None:
    """Paint the rim, a fainter ring where the soft edge begins, and a dot (eraser: a minus). Logical pixels."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if radius < MIN_RADIUS:
        _paint_cross(painter, centre)
    else:
        painter.setPen(QPen(_DARK, 1.0))
        painter.drawEllipse(centre, radius + 0.5, radius + 0.5)  # two adjacent lines, one logical pixel wide each
        painter.setPen(QPen(_LIGHT, 1.0))
        painter.drawEllipse(centre, radius - 0.5, radius - 0.5)
        inner = radius * hardness
        if MIN_RADIUS < inner < radius - 3:
            for colour, shift in ((QColor(0, 0, 0, 110), 0.0), (QColor(255, 255, 255, 190), 3.0)):
                pen = QPen(colour, 1.0, Qt.PenStyle.CustomDashLine)
                pen.setDashPattern([3, 3])
                pen.setDashOffset(shift)
                painter.setPen(pen)
                painter.drawEllipse(centre, inner, inner)
        if radius > 8:
            _paint_centre(painter, centre, erases=erases)
    painter.restore()


def _paint_cross(painter: QPainter, centre: QPointF) -> None:
    for colour, width in ((_DARK, 3.0), (_LIGHT, 1.0)):
        painter.setPen(QPen(colour, width))
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            way = QPointF(x, y)
            painter.drawLine(centre + way * 3, centre + way * 7)


def _paint_centre(painter: QPainter, centre: QPointF, *, erases: bool) -> None:
    half = QPointF(3.0 if erases else 0.01, 0)
    for colour, width in ((_DARK, 3.0), (_LIGHT, 1.5)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(centre - half, centre + half)


def outline_to_widget(outline: Outline, viewport: Viewport) -> QPolygonF:
    """Return the corners of an outline in widget coordinates."""
    return QPolygonF([viewport.to_widget_point(QPointF(x, y)) for x, y in outline.tolist()])


def paint_outline(painter: QPainter, polygon: QPolygonF) -> None:
    """Paint a shape in progress."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(255, 255, 255, 28))
    painter.setPen(QPen(_DARK, 1.0))
    painter.drawPolygon(polygon)
    pen = QPen(_LIGHT, 1.0, Qt.PenStyle.CustomDashLine)
    pen.setDashPattern([4, 4])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolygon(polygon)
    painter.restore()
