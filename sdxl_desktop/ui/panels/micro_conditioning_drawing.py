"""Draggable boxes for the original size and the crop, drawn to scale and set by mouse or keys."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MAX_SIDE
from sdxl_desktop.ui import tooltips

DRAG_STEP = 8
_MARGIN, _TEXT_HEIGHT, _HANDLE_SIZE, _HANDLE_HIT_RADIUS = 10, 20, 8, 12
_SCALE_DIVISOR = 1.2
"""The drawing is smaller than its widget by this factor, so that a box can be dragged larger."""
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """The crop in the original after that is scaled to cover the target, in target pixels."""

    original: QRectF
    crop: QRectF

    @classmethod
    def from_sizes(cls, original: Size, crop: Point, target: Size) -> CropGeometry:
        cover = max(target.width / original.width, target.height / original.height)
        return cls(
            QRectF(0, 0, original.width * cover, original.height * cover),
            QRectF(crop.x, crop.y, target.width, target.height),
        )

    @property
    def exceeds_original(self) -> bool:
        return not self.original.adjusted(-1, -1, 1, 1).contains(self.crop)


@dataclass(frozen=True, slots=True)
class _DragState:
    """A drag in progress: of the corner or the box, its start point, and the box and scale at the start."""

    is_corner: bool
    start: QPointF
    box: QRectF
    scale: float
    origin: QPointF


class _BoxEditor(QWidget):
    """A box with a draggable corner, over a dotted reference box. Coordinates are picture pixels."""

    reset_requested = Signal()
    _movable = False

    def __init__(self, name: str, tooltip: str) -> None:
        super().__init__()
        self._box, self._reference_box = QRectF(0, 0, 1024, 1024), QRectF(0, 0, 1024, 1024)
        self._caption, self._is_warning = "", False
        self._drag: _DragState | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)

    def sizeHint(self) -> QSize:
        return QSize(150, 156)

    def box(self) -> QRectF:
        return QRectF(self._box)

    def set_box(self, box: QRectF) -> None:
        """Called when the user sets the box; subclasses emit their signals."""
        raise NotImplementedError

    def _set_boxes(self, box: QRectF, reference: QRectF, caption: str, *, warning: bool = False) -> None:
        self._box, self._reference_box, self._caption, self._is_warning = box, reference, caption, warning
        self.setAccessibleDescription(caption)
        self.update()

    # geometry

    def _scale_and_origin(self) -> tuple[float, QPointF]:
        """Return the logical pixels per picture pixel, and the position of picture pixel (0, 0)."""
        if self._drag is not None:
            return self._drag.scale, self._drag.origin
        everything = self._box.united(self._reference_box)
        room = QRectF(self.rect()).adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN - _TEXT_HEIGHT)
        scale = min(room.width() / everything.width(), room.height() / everything.height()) / _SCALE_DIVISOR
        left = room.center().x() - everything.width() * scale / 2
        top = room.center().y() - everything.height() * scale / 2
        return scale, QPointF(left, top)

    def _to_widget(self, rect: QRectF) -> QRectF:
        scale, origin = self._scale_and_origin()
        return QRectF(
            origin.x() + rect.x() * scale, origin.y() + rect.y() * scale, rect.width() * scale, rect.height() * scale
        )

    def corner_position(self) -> QPointF:
        """Return the position of the draggable corner, in widget coordinates."""
        return self._to_widget(self._box).bottomRight()

    def _is_over_corner(self, position: QPointF) -> bool:
        away = position - self.corner_position()
        return max(abs(away.x()), abs(away.y())) <= _HANDLE_HIT_RADIUS

    # mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        corner = self._is_over_corner(place)
        if event.button() != Qt.MouseButton.LeftButton or not (
            corner or (self._movable and self._to_widget(self._box).contains(place))
        ):
            super().mousePressEvent(event)
            return
        self._drag = _DragState(corner, place, QRectF(self._box), *self._scale_and_origin())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is None:
            self._update_cursor(event.position())
            return
        grip = self._drag
        by = (event.position() - grip.start) / grip.scale
        proportional = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        wanted = _resize_from_corner(grip.box, by, proportional) if grip.is_corner else grip.box.translated(by)
        self._apply_change(wanted, DRAG_STEP)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.update()
        super().mouseReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._drag = None
        super().focusOutEvent(event)

    def _update_cursor(self, position: QPointF) -> None:
        if self._is_over_corner(position):
            self.setCursor(Qt.CursorShape.SizeFDiagCursor)
        elif self._movable and self._to_widget(self._box).contains(position):
            self.setCursor(Qt.CursorShape.SizeAllCursor)
        else:
            self.unsetCursor()

    # keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        pressed = Qt.Key(event.key())
        if pressed == Qt.Key.Key_Home:
            self.reset_requested.emit()
            return
        if pressed not in _ARROWS:
            super().keyPressEvent(event)
            return
        modifiers = event.modifiers()
        step = 1 if modifiers & Qt.KeyboardModifier.ControlModifier else DRAG_STEP
        by = QPointF(*_ARROWS[pressed]) * step
        resizes = not self._movable or bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        self._apply_change(_resize_from_corner(self._box, by, False) if resizes else self._box.translated(by), step)

    def _apply_change(self, wanted: QRectF, step: int) -> None:
        """Snap `wanted` to the grid of `step` pixels, limit it to the allowed range, and set it if it has changed."""
        now = self._box
        box = QRectF(
            _snap(wanted.x(), now.x(), step, 0),
            _snap(wanted.y(), now.y(), step, 0),
            _snap(wanted.width(), now.width(), step, step),
            _snap(wanted.height(), now.height(), step, step),
        )
        if box != now:
            self.set_box(box)

    # painting

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette, roles = self.palette(), QPalette.ColorRole
        outline = QPen(palette.color(roles.Accent), 1) if self.hasFocus() else QPen(Qt.PenStyle.NoPen)
        painter.setPen(outline)
        painter.setBrush(palette.color(roles.Dark))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(palette.color(roles.WindowText))
        bottom = self.rect().adjusted(4, 0, -4, -5)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, self._caption)
        painter.setClipRect(self.rect().adjusted(2, 2, -2, -_TEXT_HEIGHT - 4))
        self._paint_boxes(painter)

    def _paint_boxes(self, painter: QPainter) -> None:
        palette, roles = self.palette(), QPalette.ColorRole
        colour = palette.color(roles.BrightText if self._is_warning else roles.Accent)
        if not self.isEnabled():
            colour = palette.color(roles.Mid)
        fill = QColor(colour)
        fill.setAlpha(64)
        box = self._to_widget(self._box)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(roles.Window))
        painter.drawRect(self._to_widget(self._reference_box))
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(fill)
        painter.drawRect(box)
        painter.setPen(QPen(palette.color(roles.PlaceholderText), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self._to_widget(self._reference_box))
        self._paint_handle(painter, box.bottomRight(), colour)

    def _paint_handle(self, painter: QPainter, corner: QPointF, colour: QColor) -> None:
        handle = QRectF(0, 0, _HANDLE_SIZE, _HANDLE_SIZE)
        handle.moveCenter(corner)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Window), 1))
        painter.setBrush(colour)
        painter.drawRoundedRect(handle, 2, 2)


class OriginalSizeEditor(_BoxEditor):
    """Edits the original size, shown over the picture's own size."""

    resized = Signal(object)
    """Size"""

    def __init__(self, name: str) -> None:
        super().__init__(name, tooltips.DRAW_ORIGINAL)

    def set_values(self, original: Size, picture: Size) -> None:
        self._set_boxes(
            _rect_of_size(original), _rect_of_size(picture), f"Original {original.width} × {original.height}"
        )

    def set_box(self, box: QRectF) -> None:
        self.resized.emit(_size_of_rect(box))


class CropEditor(_BoxEditor):
    """Edits the target's place in the original; in the warning colour where it extends beyond the original."""

    crop_moved = Signal(object)
    """Point"""
    target_resized = Signal(object)
    """Size"""
    _movable = True

    def __init__(self, name: str) -> None:
        super().__init__(name, tooltips.DRAW_CROP)

    def set_values(self, original: Size, crop: Point, target: Size) -> None:
        plan = CropGeometry.from_sizes(original, crop, target)
        words = f"{target.width} × {target.height} at {crop.x}, {crop.y}"
        self._set_boxes(plan.crop, plan.original, words, warning=plan.exceeds_original)

    def set_box(self, box: QRectF) -> None:
        if box.topLeft() != self._box.topLeft():
            self.crop_moved.emit(Point(round(box.x()), round(box.y())))
        if box.size() != self._box.size():
            self.target_resized.emit(_size_of_rect(box))


def _rect_of_size(size: Size) -> QRectF:
    return QRectF(0, 0, size.width, size.height)


def _size_of_rect(box: QRectF) -> Size:
    return Size(round(box.width()), round(box.height()))


def _resize_from_corner(box: QRectF, by: QPointF, proportional: bool) -> QRectF:
    """Return `box` with its lower right corner moved."""
    width, height = box.width() + by.x(), box.height() + by.y()
    if proportional:
        factor = max(width / box.width(), height / box.height())
        width, height = box.width() * factor, box.height() * factor
    return QRectF(box.x(), box.y(), width, height)


def _snap(value: float, current: float, step: int, minimum: int) -> float:
    """Return the multiple of `step` nearest to `value` in [`minimum`, MAX_SIDE]; `current` if it did not move."""
    if abs(value - current) < 0.5:
        return current
    return float(min(MAX_SIDE, max(minimum, round(value / step) * step)))
