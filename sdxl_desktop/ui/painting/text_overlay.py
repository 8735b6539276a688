"""Text on a dark background plate, readable over any picture."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter


def text_overlay_rect(font: QFont, text: str, corner: QPointF, align: float = 0.0) -> QRectF:
    """Return the plate's rectangle: horizontally, it starts (`align` 0), is centred (0.5) or ends (1) at `corner`."""
    measure = QFontMetricsF(font)
    box = QRectF(0, 0, measure.horizontalAdvance(text) + 16, measure.height() + 6)
    box.moveTo(corner.x() - align * box.width(), corner.y())
    return box


def paint_text_overlay(painter: QPainter, rect: QRectF, text: str) -> None:
    """Paint the plate and its text in a rectangle from `text_overlay_rect`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 165))
    painter.drawRoundedRect(rect, 5, 5)
    painter.setPen(QColor(255, 255, 255))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()
