"""Words on a dark plate, to be read on any picture."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter


def plate_box(font: QFont, words: str, corner: QPointF, align: float = 0.0) -> QRectF:
    """Where the plate lies: `align` 0 begins at `corner`, 1 ends there, 0.5 has its middle there, across."""
    measure = QFontMetricsF(font)
    box = QRectF(0, 0, measure.horizontalAdvance(words) + 16, measure.height() + 6)
    box.moveTo(corner.x() - align * box.width(), corner.y())
    return box


def paint_plate(painter: QPainter, box: QRectF, words: str) -> None:
    """The plate with its words, in a box from `plate_box`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 165))
    painter.drawRoundedRect(box, 5, 5)
    painter.setPen(QColor(255, 255, 255))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
    painter.restore()
