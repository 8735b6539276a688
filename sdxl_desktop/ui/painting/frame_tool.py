"""The frame tool: the picture's edges and corners dragged outwards, to draw more around it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QKeyEvent, QPainter, QPalette, QPen, QRegion

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.growth import BOTTOM, GRIPS, LEFT, RIGHT, STEP, TOP, Grip, Growth
from sdxl_desktop.ui.painting.frame_layer import words_for
from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.painting.plates import paint_plate, plate_box
from sdxl_desktop.ui.painting.pointer import Pointer, View
from sdxl_desktop.ui.painting.tools import Gesture
from sdxl_desktop.ui.viewport import Viewport

REACH = 9.0
"""Points from an edge within which a press takes hold of it."""

_FAR = 8 * STEP
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_DARK, _LIGHT = QColor(0, 0, 0, 200), QColor(255, 255, 255)
_LONG, _SHORT = 22.0, 6.0
"""Points that a handle is long and thick."""
_CLEAR = 8.0
_CHECK = 8
_ARROWS = {Qt.Key.Key_Left: LEFT, Qt.Key.Key_Right: RIGHT, Qt.Key.Key_Up: TOP, Qt.Key.Key_Down: BOTTOM}
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class FrameTool:
    """Holds the `growth` that is wanted until it is applied, as one step, or dropped."""

    def __init__(self, canvas: PictureView, document: Document) -> None:
        self._canvas, self._document = canvas, document
        self._held: Grip | None = None
        self.growth = Growth()

    # the pointer

    def grip_at(self, spot: QPointF) -> Grip | None:
        """The edge or corner that a press at `spot` takes hold of."""
        box = self._box(self._canvas.look)
        if box is None or not box.adjusted(-REACH, -REACH, REACH, REACH).contains(spot):
            return None
        across = _end(spot.x(), box.left(), box.right())
        down = _end(spot.y(), box.top(), box.bottom())
        return Grip(across, down) if across or down else None

    def cursor(self, spot: QPointF | None) -> Qt.CursorShape:
        grip = None if spot is None else self.grip_at(spot)
        if grip is None:
            return Qt.CursorShape.ArrowCursor
        if grip.is_corner:
            rising = grip.across != grip.down
            return Qt.CursorShape.SizeBDiagCursor if rising else Qt.CursorShape.SizeFDiagCursor
        return Qt.CursorShape.SizeHorCursor if grip.across else Qt.CursorShape.SizeVerCursor

    def drag(self, first: Pointer) -> Gesture | None:
        """What a press begins; None where there is nothing to take hold of."""
        grip = self.grip_at(first.spot)
        return None if grip is None else self._dragging(grip, first)

    def _dragging(self, grip: Grip, first: Pointer) -> Gesture:
        before, size = self.growth, self._document.size
        assert size is not None
        self._show(before, None if grip.is_corner else grip)
        try:
            while True:
                pointer = yield
                by = pointer.at - first.at
                grown = before.dragged(grip, by.x(), by.y(), size, even=pointer.holds(_SHIFT))
                self._show(grown, self._held)
                if not pointer.down:
                    break
        except GeneratorExit:
            self._show(before, self._held)
            raise
        self.apply()

    # keys

    def knows(self, key: QKeyEvent) -> bool:
        """Whether `key` would do something: arrows always, Enter and Escape while something is to be decided."""
        code = Qt.Key(key.key())
        modifiers = key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if code in _ARROWS:
            return modifiers in (Qt.KeyboardModifier.NoModifier, _SHIFT)
        return bool(self.growth) and (code in _ENTER or code == Qt.Key.Key_Escape) and not modifiers

    def key(self, key: QKeyEvent) -> None:
        """Do what a key that is known stands for; may raise RequestError as `Document.extend` does."""
        code, size = Qt.Key(key.key()), self._document.size
        if size is None:
            return
        if code in _ARROWS:
            by = _FAR if key.modifiers() & _SHIFT else STEP
            self._show(*self.growth.nudged(_ARROWS[code], self._held, by, size))
        elif code in _ENTER:
            self.apply()
        else:
            self.drop()

    # what comes of it

    def apply(self) -> None:
        """Make the picture as large as is shown."""
        grown = self.growth
        self.drop()
        if grown:
            self._document.extend(grown.left, grown.top, grown.right, grown.bottom)

    def drop(self) -> None:
        """Leave the picture as it is."""
        self._show(Growth(), None)

    def _show(self, growth: Growth, held: Grip | None) -> None:
        before = self.touched()
        self.growth, self._held = growth, held
        self._canvas.update(before.united(self.touched()))

    # what is to be seen

    def touched(self) -> QRegion:
        """All that `paint` may touch, in points: a band around the picture's edge, and what lies beyond it."""
        box = self._box(self._canvas.look)
        if box is None:
            return QRegion()
        inner = self._canvas.look.target().adjusted(100, 40, -100, -40).toAlignedRect()  # plates may lie over it
        outer = QRegion(box.adjusted(-16, -40, 16, 40).toAlignedRect())
        return outer.subtracted(QRegion(inner)) if inner.isValid() else outer

    def _box(self, look: Viewport) -> QRectF | None:
        """Where the picture's edges are now, in points of the widget."""
        size = self._document.size
        if size is None:
            return None
        box = self.growth.box(size)
        return look.to_widget(QRectF(box.x, box.y, box.width, box.height))

    def paint(self, painter: QPainter, view: View) -> None:
        box, size = self._box(view.look), self._document.size
        if box is None or size is None:
            return
        palette = self._canvas.palette()
        if self.growth:
            _paint_new(painter, view.look.target(), box, palette)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, dashes in ((_DARK, None), (_LIGHT, [4.0, 4.0])):
            pen = QPen(colour, 1.0)
            if dashes is not None:
                pen.setDashPattern(dashes)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
        for grip in GRIPS:
            held = grip == self._held
            _paint_handle(painter, box, grip, palette.color(QPalette.ColorRole.Accent) if held else _LIGHT)
        if self.growth:
            self._paint_words(painter, view.look.target(), box, size)

    def _paint_words(self, painter: QPainter, picture: QRectF, box: QRectF, size: Size) -> None:
        """How many pixels each side grows by, in the middle of what is new there, and the size that it makes."""
        font = painter.font()
        for grip, middle in (
            (LEFT, QPointF((box.left() + picture.left()) / 2, picture.center().y())),
            (RIGHT, QPointF((box.right() + picture.right()) / 2, picture.center().y())),
            (TOP, QPointF(picture.center().x(), (box.top() + picture.top()) / 2)),
            (BOTTOM, QPointF(picture.center().x(), (box.bottom() + picture.bottom()) / 2)),
        ):
            if self.growth.at(grip):
                words = f"+{self.growth.at(grip)} px"
                plate = plate_box(font, words, middle, 0.5)
                plate.moveTop(middle.y() - plate.height() / 2)
                paint_plate(painter, _kept_inside(plate, box, grip), words)
        words = words_for(self.growth.size(size))
        plate = plate_box(font, words, QPointF(box.center().x(), box.bottom()), 0.5)
        plate.moveTop(box.bottom() + 10)
        paint_plate(painter, plate, words)


def _kept_inside(plate: QRectF, box: QRectF, grip: Grip) -> QRectF:
    """The plate of an edge moved off the handle in its middle, over the picture where the new area is narrow."""
    if grip == LEFT:
        return plate.translated(max(0.0, box.left() + _CLEAR - plate.left()), 0)
    if grip == RIGHT:
        return plate.translated(min(0.0, box.right() - _CLEAR - plate.right()), 0)
    if grip == TOP:
        return plate.translated(0, max(0.0, box.top() + _CLEAR - plate.top()))
    return plate.translated(0, min(0.0, box.bottom() - _CLEAR - plate.bottom()))


def _end(place: float, low: float, high: float) -> int:
    """Which end of an interval `place` is near to: -1, 1, or 0 for neither."""
    to_low, to_high = abs(place - low), abs(place - high)
    if min(to_low, to_high) > REACH:
        return 0
    return -1 if to_low <= to_high else 1


def _paint_new(painter: QPainter, picture: QRectF, box: QRectF, palette: QPalette) -> None:
    """The new area as a chequered ground, as where nothing is yet."""
    painter.save()
    painter.setClipRegion(
        QRegion(box.toAlignedRect()).subtracted(QRegion(picture.toAlignedRect())), Qt.ClipOperation.IntersectClip
    )
    painter.fillRect(box, palette.color(QPalette.ColorRole.Window))
    painter.setBrushOrigin(box.topLeft())
    painter.fillRect(box, QBrush(_checks(palette.color(QPalette.ColorRole.Midlight))))
    painter.restore()


def _checks(colour: QColor) -> QImage:
    """Two squares of `colour`, two of nothing."""
    tile = QImage(2 * _CHECK, 2 * _CHECK, QImage.Format.Format_ARGB32_Premultiplied)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.fillRect(QRect(0, 0, _CHECK, _CHECK), colour)
    painter.fillRect(QRect(_CHECK, _CHECK, _CHECK, _CHECK), colour)
    painter.end()
    return tile


def _paint_handle(painter: QPainter, box: QRectF, grip: Grip, colour: QColor) -> None:
    middle = QPointF(
        box.center().x() + grip.across * box.width() / 2,
        box.center().y() + grip.down * box.height() / 2,
    )
    width = height = 1.6 * _SHORT
    if not grip.is_corner:
        width, height = (_SHORT, _LONG) if grip.across else (_LONG, _SHORT)
    handle = QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)
    painter.setPen(QPen(_DARK, 1.0))
    painter.setBrush(colour)
    painter.drawRoundedRect(handle, 2.5, 2.5)
