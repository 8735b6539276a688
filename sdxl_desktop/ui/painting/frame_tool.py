"""The frame tool: drag the picture's edges and corners outwards to expand it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QKeyEvent, QPainter, QPalette, QPen, QRegion

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.expansion import (
    BOTTOM,
    EXPANSION_STEP,
    HANDLES,
    LEFT,
    RIGHT,
    TOP,
    EdgeHandle,
    Expansion,
)
from sdxl_desktop.ui.painting.frame_layer import format_size_label
from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.painting.pointer import PaintContext, Pointer
from sdxl_desktop.ui.painting.text_overlay import paint_text_overlay, text_overlay_rect
from sdxl_desktop.ui.painting.tools import Gesture
from sdxl_desktop.ui.viewport import Viewport

HIT_DISTANCE = 9.0
"""Logical pixels from an edge within which a press grabs it."""

_LARGE_STEP = 8 * EXPANSION_STEP
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_DARK, _LIGHT = QColor(0, 0, 0, 200), QColor(255, 255, 255)
_HANDLE_LENGTH, _HANDLE_THICKNESS = 22.0, 6.0
"""Length and thickness of a handle in logical pixels."""
_HANDLE_CLEARANCE = 8.0
_CHECKER_SIZE = 8
_ARROWS = {Qt.Key.Key_Left: LEFT, Qt.Key.Key_Right: RIGHT, Qt.Key.Key_Up: TOP, Qt.Key.Key_Down: BOTTOM}
_ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class FrameTool:
    """Holds the pending expansion `growth` until it is applied, as one undo step, or reset."""

    def __init__(self, canvas: PictureView, document: Document) -> None:
        self._canvas, self._document = canvas, document
        self._active_grip: EdgeHandle | None = None
        self.growth = Expansion()

    # pointer

    def grip_at(self, position: QPointF) -> EdgeHandle | None:
        """Return the edge or corner that a press at `position` grabs."""
        box = self._picture_rect(self._canvas.viewport)
        if box is None or not box.adjusted(-HIT_DISTANCE, -HIT_DISTANCE, HIT_DISTANCE, HIT_DISTANCE).contains(position):
            return None
        across = _nearest_end(position.x(), box.left(), box.right())
        down = _nearest_end(position.y(), box.top(), box.bottom())
        return EdgeHandle(across, down) if across or down else None

    def cursor(self, position: QPointF | None) -> Qt.CursorShape:
        grip = None if position is None else self.grip_at(position)
        if grip is None:
            return Qt.CursorShape.ArrowCursor
        if grip.is_corner:
            rising = grip.across != grip.down
            return Qt.CursorShape.SizeBDiagCursor if rising else Qt.CursorShape.SizeFDiagCursor
        return Qt.CursorShape.SizeHorCursor if grip.across else Qt.CursorShape.SizeVerCursor

    def begin_drag(self, press: Pointer) -> Gesture | None:
        """Start a drag; return None if the press grabs no edge."""
        grip = self.grip_at(press.widget_position)
        return None if grip is None else self._drag_gesture(grip, press)

    def _drag_gesture(self, grip: EdgeHandle, press: Pointer) -> Gesture:
        before, size = self.growth, self._document.size
        assert size is not None
        self._set_growth(before, None if grip.is_corner else grip)
        try:
            while True:
                pointer = yield
                by = pointer.picture_position - press.picture_position
                grown = before.dragged(grip, by.x(), by.y(), size, symmetric=pointer.has_modifier(_SHIFT))
                self._set_growth(grown, self._active_grip)
                if not pointer.down:
                    break
        except GeneratorExit:
            self._set_growth(before, self._active_grip)
            raise
        self.apply()

    # keys

    def handles_key(self, key: QKeyEvent) -> bool:
        """Return whether `key` has an effect: arrows always, Enter and Escape while an expansion is pending."""
        code = Qt.Key(key.key())
        modifiers = key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if code in _ARROWS:
            return modifiers in (Qt.KeyboardModifier.NoModifier, _SHIFT)
        return bool(self.growth) and (code in _ENTER_KEYS or code == Qt.Key.Key_Escape) and not modifiers

    def handle_key(self, key: QKeyEvent) -> None:
        """Run the action of a handled key; may raise RequestError as `Document.extend` does."""
        code, size = Qt.Key(key.key()), self._document.size
        if size is None:
            return
        if code in _ARROWS:
            by = _LARGE_STEP if key.modifiers() & _SHIFT else EXPANSION_STEP
            self._set_growth(*self.growth.nudged(_ARROWS[code], self._active_grip, by, size))
        elif code in _ENTER_KEYS:
            self.apply()
        else:
            self.reset()

    # apply and reset

    def apply(self) -> None:
        """Expand the picture as shown."""
        grown = self.growth
        self.reset()
        if grown:
            self._document.extend(grown.left, grown.top, grown.right, grown.bottom)

    def reset(self) -> None:
        """Drop the pending expansion."""
        self._set_growth(Expansion(), None)

    def _set_growth(self, growth: Expansion, active_grip: EdgeHandle | None) -> None:
        before = self.painted_region()
        self.growth, self._active_grip = growth, active_grip
        self._canvas.update(before.united(self.painted_region()))

    # painting

    def painted_region(self) -> QRegion:
        """Return the area that `paint` may touch, in logical pixels: around the picture's edge, and all outside it."""
        box = self._picture_rect(self._canvas.viewport)
        if box is None:
            return QRegion()
        inner = (
            self._canvas.viewport.picture_rect().adjusted(100, 40, -100, -40).toAlignedRect()
        )  # labels may overlap it
        outer = QRegion(box.adjusted(-16, -40, 16, 40).toAlignedRect())
        return outer.subtracted(QRegion(inner)) if inner.isValid() else outer

    def _picture_rect(self, viewport: Viewport) -> QRectF | None:
        """Return the picture's current rectangle in widget coordinates."""
        size = self._document.size
        if size is None:
            return None
        box = self.growth.box(size)
        return viewport.to_widget_rect(QRectF(box.x, box.y, box.width, box.height))

    def paint(self, painter: QPainter, context: PaintContext) -> None:
        box, size = self._picture_rect(context.viewport), self._document.size
        if box is None or size is None:
            return
        palette = self._canvas.palette()
        if self.growth:
            _paint_new_area(painter, context.viewport.picture_rect(), box, palette)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, dashes in ((_DARK, None), (_LIGHT, [4.0, 4.0])):
            pen = QPen(colour, 1.0)
            if dashes is not None:
                pen.setDashPattern(dashes)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
        for grip in HANDLES:
            held = grip == self._active_grip
            _paint_handle(painter, box, grip, palette.color(QPalette.ColorRole.Accent) if held else _LIGHT)
        if self.growth:
            self._paint_labels(painter, context.viewport.picture_rect(), box, size)

    def _paint_labels(self, painter: QPainter, picture: QRectF, box: QRectF, size: Size) -> None:
        """Paint each side's growth in pixels, in the middle of its new area, and the resulting size."""
        font = painter.font()
        for grip, middle in (
            (LEFT, QPointF((box.left() + picture.left()) / 2, picture.center().y())),
            (RIGHT, QPointF((box.right() + picture.right()) / 2, picture.center().y())),
            (TOP, QPointF(picture.center().x(), (box.top() + picture.top()) / 2)),
            (BOTTOM, QPointF(picture.center().x(), (box.bottom() + picture.bottom()) / 2)),
        ):
            if self.growth.on_side(grip):
                words = f"+{self.growth.on_side(grip)} px"
                plate = text_overlay_rect(font, words, middle, 0.5)
                plate.moveTop(middle.y() - plate.height() / 2)
                paint_text_overlay(painter, _keep_off_handle(plate, box, grip), words)
        words = format_size_label(self.growth.size(size))
        plate = text_overlay_rect(font, words, QPointF(box.center().x(), box.bottom()), 0.5)
        plate.moveTop(box.bottom() + 10)
        paint_text_overlay(painter, plate, words)


def _keep_off_handle(label_rect: QRectF, box: QRectF, grip: EdgeHandle) -> QRectF:
    """Move an edge's label off the handle at its middle, over the picture where the new area is narrow."""
    if grip == LEFT:
        return label_rect.translated(max(0.0, box.left() + _HANDLE_CLEARANCE - label_rect.left()), 0)
    if grip == RIGHT:
        return label_rect.translated(min(0.0, box.right() - _HANDLE_CLEARANCE - label_rect.right()), 0)
    if grip == TOP:
        return label_rect.translated(0, max(0.0, box.top() + _HANDLE_CLEARANCE - label_rect.top()))
    return label_rect.translated(0, min(0.0, box.bottom() - _HANDLE_CLEARANCE - label_rect.bottom()))


def _nearest_end(position: float, low: float, high: float) -> int:
    """Return the end of the interval that `position` is near: -1 or 1, or 0 for neither."""
    to_low, to_high = abs(position - low), abs(position - high)
    if min(to_low, to_high) > HIT_DISTANCE:
        return 0
    return -1 if to_low <= to_high else 1


def _paint_new_area(painter: QPainter, picture: QRectF, box: QRectF, palette: QPalette) -> None:
    """Paint the new area as a checkerboard, the pattern for empty areas."""
    painter.save()
    painter.setClipRegion(
        QRegion(box.toAlignedRect()).subtracted(QRegion(picture.toAlignedRect())), Qt.ClipOperation.IntersectClip
    )
    painter.fillRect(box, palette.color(QPalette.ColorRole.Window))
    painter.setBrushOrigin(box.topLeft())
    painter.fillRect(box, QBrush(_checkerboard(palette.color(QPalette.ColorRole.Midlight))))
    painter.restore()


def _checkerboard(colour: QColor) -> QImage:
    """Return a tile with two squares of `colour` and two transparent ones."""
    tile = QImage(2 * _CHECKER_SIZE, 2 * _CHECKER_SIZE, QImage.Format.Format_ARGB32_Premultiplied)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.fillRect(QRect(0, 0, _CHECKER_SIZE, _CHECKER_SIZE), colour)
    painter.fillRect(QRect(_CHECKER_SIZE, _CHECKER_SIZE, _CHECKER_SIZE, _CHECKER_SIZE), colour)
    painter.end()
    return tile


def _paint_handle(painter: QPainter, box: QRectF, grip: EdgeHandle, colour: QColor) -> None:
    middle = QPointF(
        box.center().x() + grip.across * box.width() / 2,
        box.center().y() + grip.down * box.height() / 2,
    )
    width = height = 1.6 * _HANDLE_THICKNESS
    if not grip.is_corner:
        width, height = (_HANDLE_THICKNESS, _HANDLE_LENGTH) if grip.across else (_HANDLE_LENGTH, _HANDLE_THICKNESS)
    handle = QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)
    painter.setPen(QPen(_DARK, 1.0))
    painter.setBrush(colour)
    painter.drawRoundedRect(handle, 2.5, 2.5)
