"""The frame over the picture: a dashed line with its drawing size, what lies outside gently dimmed."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF
from PySide6.QtGui import QColor, QPainter, QPalette, QRegion
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.document.frame import Frame
from sdxl_desktop.ui.painting.plates import paint_plate, plate_box
from sdxl_desktop.ui.painting.pointer import View
from sdxl_desktop.ui.viewport import Viewport

DIMMED = 96
"""The alpha, in [0, 255], of the canvas's own colour over what is outside."""

_REACH = 3
"""Points to both sides of the line that painting it may touch."""
_DASH = 10
"""Points of light and dark together."""
_DARK, _LIGHT = QColor(0, 0, 0, 200), QColor(255, 255, 255)


class FrameLayer:
    """Paints `frame`, when there is one and it is `visible`."""

    def __init__(self, canvas: QWidget) -> None:
        self.frame: Frame | None = None
        self.visible = True
        self._canvas = canvas

    @property
    def shown(self) -> Frame | None:
        """The frame that is to be seen."""
        return self.frame if self.visible else None

    def difference(self, before: Frame | None, look: Viewport) -> QRegion:
        """What must be painted anew, in points, when the frame shown was `before`: a band along each side that moved,
        and the labels. A side that stays keeps its dashes, for they are counted from the picture's corner."""
        now = self.shown
        if before is None or now is None:  # the dimming comes or goes with the frame
            return QRegion(look.target().toAlignedRect().adjusted(-_REACH, -_REACH, _REACH, _REACH)) + self._labels(
                (before, now), look
            )
        old, new = (_edges(frame, look) for frame in (before, now))
        around = old.united(new).adjusted(-_REACH, -_REACH, _REACH, _REACH)
        region = self._labels((before, now), look) if (old, before.drawn) != (new, now.drawn) else QRegion()
        for one, other in ((old.left(), new.left()), (old.right(), new.right())):
            if one != other:
                region += QRect(min(one, other) - _REACH, around.top(), abs(one - other) + 2 * _REACH, around.height())
        for one, other in ((old.top(), new.top()), (old.bottom(), new.bottom())):
            if one != other:
                region += QRect(around.left(), min(one, other) - _REACH, around.width(), abs(one - other) + 2 * _REACH)
        return region

    def _labels(self, frames: tuple[Frame | None, ...], look: Viewport) -> QRegion:
        region = QRegion()
        for frame in frames:
            if frame is not None:
                region += self.label_box(frame, look).toAlignedRect()
        return region

    def paint(self, painter: QPainter, view: View) -> None:
        frame = self.shown
        if frame is None:
            return
        edges, target = _edges(frame, view.look), view.look.target()
        self._dim(painter, view, QRectF(edges))
        _paint_line(painter, edges, view.exposed, QPoint(round(target.left()), round(target.top())))
        label = self.label_box(frame, view.look)
        if label.toAlignedRect().intersects(view.exposed):
            paint_plate(painter, label, words_for(frame.drawn))

    def _dim(self, painter: QPainter, view: View, line: QRectF) -> None:
        colour = self._canvas.palette().color(QPalette.ColorRole.Dark)
        colour.setAlpha(DIMMED)
        picture, inside = view.look.target(), line.intersected(view.look.target())
        for band in (
            QRectF(picture.left(), picture.top(), picture.width(), inside.top() - picture.top()),
            QRectF(picture.left(), inside.bottom(), picture.width(), picture.bottom() - inside.bottom()),
            QRectF(picture.left(), inside.top(), inside.left() - picture.left(), inside.height()),
            QRectF(inside.right(), inside.top(), picture.right() - inside.right(), inside.height()),
        ):
            seen = band.intersected(QRectF(view.exposed))
            if not seen.isEmpty():
                painter.fillRect(seen, colour)

    def label_box(self, frame: Frame, look: Viewport) -> QRectF:
        """The plate with the size: above the line's left end, as far as the widget reaches, else inside."""
        line = look.to_widget(_rectangle(frame))
        box = plate_box(self._canvas.font(), words_for(frame.drawn), line.topLeft())
        above = line.top() - box.height() - 4
        box.moveTop(above if above >= 2 else max(2.0, line.top() + 4))
        box.moveLeft(min(max(2.0, line.left()), look.view.width() - box.width() - 2))
        return box


def words_for(size: Size) -> str:
    return f"{size.width} × {size.height}"


def _rectangle(frame: Frame) -> QRectF:
    region = frame.region
    return QRectF(region.x, region.y, region.width, region.height)


def _edges(frame: Frame, look: Viewport) -> QRect:
    """The whole points that are inside the line."""
    line = look.to_widget(_rectangle(frame))
    left, top = round(line.left()), round(line.top())
    return QRect(left, top, round(line.right()) - left, round(line.bottom()) - top)


def _paint_line(painter: QPainter, edges: QRect, exposed: QRect, corner: QPoint) -> None:
    """A point wide, just outside `edges`: dark with light dashes, so that one of both shows on anything.

    The dashes are counted from `corner`, the picture's, so that they stay where they are when the frame grows; Qt's own
    begin anew where a line is clipped.
    """
    around = edges.adjusted(-1, -1, 1, 1)
    for y in (around.top(), around.bottom()):
        seen = QRect(around.left(), y, around.width(), 1).intersected(exposed)
        painter.fillRect(seen, _DARK)
        for x in range(_dash_before(seen.left(), corner.x()), seen.right() + 1, _DASH):
            painter.fillRect(QRect(x, y, _DASH // 2, 1).intersected(seen), _LIGHT)
    for x in (around.left(), around.right()):
        seen = QRect(x, around.top(), 1, around.height()).intersected(exposed)
        painter.fillRect(seen, _DARK)
        for y in range(_dash_before(seen.top(), corner.y()), seen.bottom() + 1, _DASH):
            painter.fillRect(QRect(x, y, 1, _DASH // 2).intersected(seen), _LIGHT)


def _dash_before(place: int, origin: int) -> int:
    return place - (place - origin) % _DASH
