"""Paints one cell of the grid: thumbnail, selection, focus, star and rating."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPalette, QPen

from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.ui.gallery.entry_text import file_name
from sdxl_desktop.ui.gallery.thumbnail_loader import Thumbnail, Unavailable

PADDING = 6
"""Logical pixels between a cell's edge and its thumbnail."""
_STAR = 12
_SHADE = QColor(0, 0, 0, 150)
_ON_SHADE = QColor("#ffd34d")


@dataclass(frozen=True, slots=True)
class CellState:
    """How a cell is shown; `focused`: it is the current one, and the grid has the focus."""

    selected: bool = False
    focused: bool = False


def paint_cell(
    painter: QPainter,
    cell: QRect,
    entry: HistoryEntry | None,
    thumbnail: Thumbnail | None,
    state: CellState,
    palette: QPalette,
) -> None:
    """Paint the cell; `entry` None: it has not been read yet; `thumbnail` None: it has not arrived yet."""
    inside = cell.adjusted(PADDING, PADDING, -PADDING, -PADDING)
    if state.selected:
        _paint_selection(painter, cell, palette)
    match thumbnail:
        case QImage():
            place = _fit(thumbnail.size(), inside)
            painter.drawImage(place, thumbnail)
        case Unavailable():
            _paint_unavailable(painter, inside, thumbnail, entry, palette)
            place = inside
        case _:
            place = inside
            painter.fillRect(inside, palette.color(QPalette.ColorRole.AlternateBase))
    if entry is not None:
        _paint_marks(painter, place, entry)
    if state.focused:
        painter.setPen(QPen(palette.color(QPalette.ColorRole.WindowText), 1, Qt.PenStyle.DotLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(cell.adjusted(1, 1, -2, -2))


def _paint_selection(painter: QPainter, cell: QRect, palette: QPalette) -> None:
    accent = palette.color(QPalette.ColorRole.Accent)
    ground = QColor(accent)
    ground.setAlpha(56)
    painter.setPen(QPen(accent, 2))
    painter.setBrush(ground)
    painter.drawRoundedRect(QRectF(cell).adjusted(1, 1, -1, -1), 6, 6)


def _fit(size: QSize, inside: QRect) -> QRect:
    """Return the centred place of a thumbnail that fills `inside` as far as its proportions allow; a picture smaller
    than that keeps its size."""
    fitted = size.scaled(inside.size(), Qt.AspectRatioMode.KeepAspectRatio)
    place = QRect(inside.topLeft(), fitted)
    place.moveCenter(inside.center())
    return place


def _paint_unavailable(
    painter: QPainter, inside: QRect, why: Unavailable, entry: HistoryEntry | None, palette: QPalette
) -> None:
    painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(inside.adjusted(0, 0, -1, -1))
    painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
    words = "Missing" if why is Unavailable.MISSING else "Cannot be read"
    if entry is not None and inside.height() >= 120:
        words += f"\n\n{file_name(entry.file)}"
    painter.drawText(
        inside.adjusted(6, 6, -6, -6),
        int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWrapAnywhere | Qt.TextFlag.TextWordWrap),
        words,
    )


def _paint_marks(painter: QPainter, place: QRect, entry: HistoryEntry) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    if entry.starred:
        spot = QRectF(place.right() - 2 * _STAR + 2, place.top() + 4, 1.6 * _STAR, 1.6 * _STAR)
        painter.setBrush(_SHADE)
        painter.drawEllipse(spot)
        _draw_star(painter, spot.center(), _STAR, _ON_SHADE)
    if entry.rating:
        strip = QRectF(place.left() + 4, place.bottom() - _STAR - 7, entry.rating * _STAR + 8, _STAR + 4)
        painter.setBrush(_SHADE)
        painter.drawRoundedRect(strip, 4, 4)
        for number in range(entry.rating):
            middle = QPointF(strip.left() + 4 + (number + 0.5) * _STAR, strip.center().y())
            _draw_star(painter, middle, _STAR * 0.8, QColor("#ffffff"))


def _draw_star(painter: QPainter, middle: QPointF, width: float, colour: QColor) -> None:
    painter.save()
    painter.translate(middle)
    painter.scale(width / 2, width / 2)
    painter.fillPath(_star_path(), colour)
    painter.restore()


@cache
def _star_path() -> QPainterPath:
    """A star with five points, of radius 1 about the origin."""
    path = QPainterPath()
    for corner in range(10):
        radius = 1.0 if corner % 2 == 0 else 0.42
        angle = math.pi * (corner / 5 - 0.5)
        point = QPointF(radius * math.cos(angle), radius * math.sin(angle))
        if corner:
            path.lineTo(point)
        else:
            path.moveTo(point)
    path.closeSubpath()
    return path
