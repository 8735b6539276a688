"""What marks the pointer and shapes in progress: lines in black and white, so that they show on anything."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from sdxl_desktop.session.document.shapes import Outline
from sdxl_desktop.ui.viewport import Viewport

LEAST_RADIUS = 3.0
"""Points below which a ring could not be told from its middle: a cross is shown instead."""

_DARK, _LIGHT = QColor(0, 0, 0, 190), QColor(255, 255, 255)


def ring_box(middle: QPointF, radius: float) -> QRect:
    """All that `paint_ring` may touch."""
    reach = max(radius, LEAST_RADIUS + 6) + 3
    return QRectF(middle.x() - reach, middle.y() - reach, 2 * reach, 2 * reach).toAlignedRect()


def paint_ring(painter: QPainter, middle: QPointF, radius: float, hardness: float, *, erases: bool) -> None:
    """The brush's rim, a fainter ring where it begins to be soft, and a dot, or a minus for the eraser. Points."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if radius < LEAST_RADIUS:
        _paint_cross(painter, middle)
    else:
        painter.setPen(QPen(_DARK, 1.0))
        painter.drawEllipse(middle, radius + 0.5, radius + 0.5)  # the two lines lie side by side, a point each
        painter.setPen(QPen(_LIGHT, 1.0))
        painter.drawEllipse(middle, radius - 0.5, radius - 0.5)
        inner = radius * hardness
        if LEAST_RADIUS < inner < radius - 3:
            for colour, shift in ((QColor(0, 0, 0, 110), 0.0), (QColor(255, 255, 255, 190), 3.0)):
                pen = QPen(colour, 1.0, Qt.PenStyle.CustomDashLine)
                pen.setDashPattern([3, 3])
                pen.setDashOffset(shift)
                painter.setPen(pen)
                painter.drawEllipse(middle, inner, inner)
        if radius > 8:
            _paint_middle(painter, middle, erases=erases)
    painter.restore()


def _paint_cross(painter: QPainter, middle: QPointF) -> None:
    for colour, width in ((_DARK, 3.0), (_LIGHT, 1.0)):
        painter.setPen(QPen(colour, width))
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            way = QPointF(x, y)
            painter.drawLine(middle + way * 3, middle + way * 7)


def _paint_middle(painter: QPainter, middle: QPointF, *, erases: bool) -> None:
    half = QPointF(3.0 if erases else 0.01, 0)
    for colour, width in ((_DARK, 3.0), (_LIGHT, 1.5)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(middle - half, middle + half)


def outline_in_widget(outline: Outline, look: Viewport) -> QPolygonF:
    """The corners of an outline, in points of the widget."""
    return QPolygonF([look.point(QPointF(x, y)) for x, y in outline.tolist()])


def paint_outline(painter: QPainter, corners: QPolygonF) -> None:
    """A shape in progress."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(255, 255, 255, 28))
    painter.setPen(QPen(_DARK, 1.0))
    painter.drawPolygon(corners)
    pen = QPen(_LIGHT, 1.0, Qt.PenStyle.CustomDashLine)
    pen.setDashPattern([4, 4])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolygon(corners)
    painter.restore()
