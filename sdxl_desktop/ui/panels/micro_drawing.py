"""Boxes to take hold of: the pretended original, and the crop out of it, drawn to scale and set by mouse or keys."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MAX_SIDE
from sdxl_desktop.ui import glossary

STEP = 8
_MARGIN, _TEXT, _HANDLE, _REACH = 10, 20, 8, 12
_SLACK = 1.2
"""The drawing is this much smaller than its room, so that a box can be pulled larger."""
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Where the crop lies in the original once that is scaled to cover the target, in target pixels."""

    original: QRectF
    crop: QRectF

    @classmethod
    def of(cls, original: Size, crop: Point, target: Size) -> CropPlan:
        cover = max(target.width / original.width, target.height / original.height)
        return cls(
            QRectF(0, 0, original.width * cover, original.height * cover),
            QRectF(crop.x, crop.y, target.width, target.height),
        )

    @property
    def leaves_the_original(self) -> bool:
        return not self.original.adjusted(-1, -1, 1, 1).contains(self.crop)


@dataclass(frozen=True, slots=True)
class _Grip:
    """A drag in progress: of the corner or the box, from where, and the box and scale it began with."""

    corner: bool
    start: QPointF
    box: QRectF
    scale: float
    origin: QPointF


class _BoxDrawing(QWidget):
    """A box with a corner to pull, in front of a dotted box to compare with. Pixels of the picture are its units."""

    reset_wanted = Signal()
    _moves = False

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self._box, self._other = QRectF(0, 0, 1024, 1024), QRectF(0, 0, 1024, 1024)
        self._words, self._alarming = "", False
        self._grip: _Grip | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        self.setToolTip(tip)

    def sizeHint(self) -> QSize:
        return QSize(150, 156)

    def box(self) -> QRectF:
        return QRectF(self._box)

    def put(self, box: QRectF) -> None:
        """The person set the box to this: subclasses tell."""
        raise NotImplementedError

    def _show_boxes(self, box: QRectF, other: QRectF, words: str, *, alarming: bool = False) -> None:
        self._box, self._other, self._words, self._alarming = box, other, words, alarming
        self.setAccessibleDescription(words)
        self.update()

    # where things are

    def _fitted(self) -> tuple[float, QPointF]:
        """Logical pixels per pixel, and where pixel (0, 0) lies."""
        if self._grip is not None:
            return self._grip.scale, self._grip.origin
        everything = self._box.united(self._other)
        room = QRectF(self.rect()).adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN - _TEXT)
        scale = min(room.width() / everything.width(), room.height() / everything.height()) / _SLACK
        left = room.center().x() - everything.width() * scale / 2
        top = room.center().y() - everything.height() * scale / 2
        return scale, QPointF(left, top)

    def _placed(self, rect: QRectF) -> QRectF:
        scale, origin = self._fitted()
        return QRectF(
            origin.x() + rect.x() * scale, origin.y() + rect.y() * scale, rect.width() * scale, rect.height() * scale
        )

    def corner_place(self) -> QPointF:
        """Where the corner to pull is, in the widget."""
        return self._placed(self._box).bottomRight()

    def _over_corner(self, place: QPointF) -> bool:
        away = place - self.corner_place()
        return max(abs(away.x()), abs(away.y())) <= _REACH

    # mouse

    def mousePressEvent(self, press: QMouseEvent) -> None:
        place = press.position()
        corner = self._over_corner(place)
        if press.button() != Qt.MouseButton.LeftButton or not (
            corner or (self._moves and self._placed(self._box).contains(place))
        ):
            super().mousePressEvent(press)
            return
        self._grip = _Grip(corner, place, QRectF(self._box), *self._fitted())

    def mouseMoveEvent(self, move: QMouseEvent) -> None:
        if self._grip is None:
            self._show_cursor(move.position())
            return
        grip = self._grip
        by = (move.position() - grip.start) / grip.scale
        proportional = bool(move.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        wanted = _pulled(grip.box, by, proportional) if grip.corner else grip.box.translated(by)
        self._change(wanted, STEP)

    def mouseReleaseEvent(self, release: QMouseEvent) -> None:
        self._grip = None
        self.update()
        super().mouseReleaseEvent(release)

    def focusOutEvent(self, leave: QFocusEvent) -> None:
        self._grip = None
        super().focusOutEvent(leave)

    def _show_cursor(self, place: QPointF) -> None:
        if self._over_corner(place):
            self.setCursor(Qt.CursorShape.SizeFDiagCursor)
        elif self._moves and self._placed(self._box).contains(place):
            self.setCursor(Qt.CursorShape.SizeAllCursor)
        else:
            self.unsetCursor()

    # keys

    def keyPressEvent(self, key: QKeyEvent) -> None:
        pressed = Qt.Key(key.key())
        if pressed == Qt.Key.Key_Home:
            self.reset_wanted.emit()
            return
        if pressed not in _ARROWS:
            super().keyPressEvent(key)
            return
        modifiers = key.modifiers()
        step = 1 if modifiers & Qt.KeyboardModifier.ControlModifier else STEP
        by = QPointF(*_ARROWS[pressed]) * step
        resizes = not self._moves or bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        self._change(_pulled(self._box, by, False) if resizes else self._box.translated(by), step)

    def _change(self, wanted: QRectF, step: int) -> None:
        """Keep `wanted` on the grid of `step` pixels and within what is allowed, and tell when that is new."""
        now = self._box
        box = QRectF(
            _snapped(wanted.x(), now.x(), step, 0),
            _snapped(wanted.y(), now.y(), step, 0),
            _snapped(wanted.width(), now.width(), step, step),
            _snapped(wanted.height(), now.height(), step, step),
        )
        if box != now:
            self.put(box)

    # painting

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette, roles = self.palette(), QPalette.ColorRole
        ring = QPen(palette.color(roles.Accent), 1) if self.hasFocus() else QPen(Qt.PenStyle.NoPen)
        painter.setPen(ring)
        painter.setBrush(palette.color(roles.Dark))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(palette.color(roles.WindowText))
        bottom = self.rect().adjusted(4, 0, -4, -5)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, self._words)
        painter.setClipRect(self.rect().adjusted(2, 2, -2, -_TEXT - 4))
        self._paint_boxes(painter)

    def _paint_boxes(self, painter: QPainter) -> None:
        palette, roles = self.palette(), QPalette.ColorRole
        colour = palette.color(roles.BrightText if self._alarming else roles.Accent)
        if not self.isEnabled():
            colour = palette.color(roles.Mid)
        fill = QColor(colour)
        fill.setAlpha(64)
        box = self._placed(self._box)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(roles.Window))
        painter.drawRect(self._placed(self._other))
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(fill)
        painter.drawRect(box)
        painter.setPen(QPen(palette.color(roles.PlaceholderText), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self._placed(self._other))
        self._paint_handle(painter, box.bottomRight(), colour)

    def _paint_handle(self, painter: QPainter, corner: QPointF, colour: QColor) -> None:
        handle = QRectF(0, 0, _HANDLE, _HANDLE)
        handle.moveCenter(corner)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Window), 1))
        painter.setBrush(colour)
        painter.drawRoundedRect(handle, 2, 2)


class OriginalDrawing(_BoxDrawing):
    """The pretended original's size, beside the picture's own."""

    resized = Signal(object)
    """Size"""

    def __init__(self, name: str) -> None:
        super().__init__(name, glossary.DRAW_ORIGINAL)

    def show_values(self, original: Size, picture: Size) -> None:
        self._show_boxes(_box(original), _box(picture), f"Original {original.width} × {original.height}")

    def put(self, box: QRectF) -> None:
        self.resized.emit(_size(box))


class CropDrawing(_BoxDrawing):
    """The target, where it is cut out of the original; in the warning colour where it leaves that."""

    moved = Signal(object)
    """Point"""
    resized = Signal(object)
    """Size"""
    _moves = True

    def __init__(self, name: str) -> None:
        super().__init__(name, glossary.DRAW_CROP)

    def show_values(self, original: Size, crop: Point, target: Size) -> None:
        plan = CropPlan.of(original, crop, target)
        words = f"{target.width} × {target.height} at {crop.x}, {crop.y}"
        self._show_boxes(plan.crop, plan.original, words, alarming=plan.leaves_the_original)

    def put(self, box: QRectF) -> None:
        if box.topLeft() != self._box.topLeft():
            self.moved.emit(Point(round(box.x()), round(box.y())))
        if box.size() != self._box.size():
            self.resized.emit(_size(box))


def _box(size: Size) -> QRectF:
    return QRectF(0, 0, size.width, size.height)


def _size(box: QRectF) -> Size:
    return Size(round(box.width()), round(box.height()))


def _pulled(box: QRectF, by: QPointF, proportional: bool) -> QRectF:
    """`box` with its lower right corner moved."""
    width, height = box.width() + by.x(), box.height() + by.y()
    if proportional:
        factor = max(width / box.width(), height / box.height())
        width, height = box.width() * factor, box.height() * factor
    return QRectF(box.x(), box.y(), width, height)


def _snapped(wanted: float, now: float, step: int, least: int) -> float:
    """The multiple of `step` nearest to `wanted`, within [`least`, the largest side]; what does not move stays."""
    if abs(wanted - now) < 0.5:
        return now
    return float(min(MAX_SIDE, max(least, round(wanted / step) * step)))
