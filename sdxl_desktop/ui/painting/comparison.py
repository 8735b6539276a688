"""Before and after: the earlier picture shown while a key is held, or left of a line that can be dragged."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from sdxl_desktop.ui.painting.plates import paint_plate, plate_box
from sdxl_desktop.ui.painting.pointer import View
from sdxl_desktop.ui.painting.pyramid import Pyramid
from sdxl_desktop.ui.viewport import Viewport

_GRIP = 6.0
_KNOB = 9.0


class Comparison:
    """Paints the earlier picture over the present one, all of it or the part left of the line."""

    def __init__(self) -> None:
        self._before: Pyramid | None = None
        self.peeking = False
        self.split = False
        self.share = 0.5
        """Where the line stands, in shares of the picture's width."""

    def show_before(self, image: QImage | None) -> None:
        self._before = None if image is None else Pyramid(image)

    @property
    def possible(self) -> bool:
        return self._before is not None

    @property
    def all_before(self) -> bool:
        """Whether nothing of the present picture is to be seen."""
        return self.possible and self.peeking

    def line(self, look: Viewport) -> float:
        """The line's x in the widget."""
        target = look.target()
        return target.left() + self.share * target.width()

    def holds(self, look: Viewport, spot: QPointF) -> bool:
        """Whether a press at `spot` takes hold of the line."""
        target = look.target()
        on_picture = target.top() - _GRIP <= spot.y() <= target.bottom() + _GRIP
        near = abs(spot.x() - self.line(look)) <= _GRIP
        return self.possible and self.split and not self.peeking and on_picture and near

    def move_line(self, look: Viewport, spot: QPointF) -> None:
        target = look.target()
        self.share = min(1.0, max(0.0, (spot.x() - target.left()) / max(1.0, target.width())))

    def paint(self, painter: QPainter, view: View, *, crisp: bool) -> None:
        """The earlier picture, where it is to be seen."""
        if self._before is None or not (self.peeking or self.split):
            return
        target = view.look.target()
        zoom = target.width() / max(1, self._before.image.width()) * view.ratio
        painter.save()
        if not self.peeking:
            left = QRectF(target.topLeft(), QPointF(self.line(view.look), target.bottom()))
            painter.setClipRect(left, Qt.ClipOperation.IntersectClip)
        self._before.draw(painter, target, zoom, crisp=crisp)
        painter.restore()

    def paint_line(self, painter: QPainter, view: View) -> None:
        """The line with its knob and words, over everything else."""
        if not self.possible or not (self.peeking or self.split):
            return
        target = view.look.target()
        shown = target.intersected(QRectF(0, 0, view.look.view.width(), view.look.view.height()))
        if self.peeking:
            _tag(painter, "Before", shown.topLeft() + QPointF(8, 8), 0.0)
            return
        x = self.line(view.look)
        _tag(painter, "Before", QPointF(x - 12, shown.top() + 8), 1.0)
        _tag(painter, "After", QPointF(x + 12, shown.top() + 8), 0.0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255), 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(x, shown.top()), QPointF(x, shown.bottom()))
        middle = QPointF(x, shown.center().y())
        painter.setPen(QPen(QColor(0, 0, 0, 150), 1.0))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, _KNOB, _KNOB)
        painter.setPen(QPen(QColor(32, 33, 36), 1.5))
        for side in (-1, 1):
            tip = middle + QPointF(5 * side, 0)
            painter.drawPolyline([tip + QPointF(-2.5 * side, -3), tip, tip + QPointF(-2.5 * side, 3)])
        painter.restore()


def _tag(painter: QPainter, words: str, corner: QPointF, align: float) -> None:
    paint_plate(painter, plate_box(painter.font(), words, corner, align), words)
