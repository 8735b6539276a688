"""The canvas: a picture to look at, to drag out, and, with a hand that works on it, to paint on."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPointingDevice,
    QTabletEvent,
)
from PySide6.QtWidgets import QApplication

from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.painting.pointer import Hand, Pointer, View

_PEEK_KEY, _SPLIT_KEY = Qt.Key.Key_Backslash, Qt.Key.Key_Y


class Canvas(PictureView):
    """Shows a QImage. Dragging with the left button takes the picture out; with Space or the middle button pans.

    `\\` held shows the picture before, Y the line between before and after, where there is a picture to compare with.
    """

    drag_wanted = Signal()
    menu_wanted = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self._hand: Hand | None = None
        self._grip: QPointF | None = None
        self._press: QPointF | None = None
        self._busy = False
        self._on_line = False
        self._space = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.setMouseTracking(True)
        self.setTabletTracking(True)

    # the hand

    def give_hand(self, hand: Hand | None) -> None:
        """Let `hand` work on the picture; None: only look."""
        self.stop_gesture()
        if self._hand is not None:
            self._hand.hover(None)
        self._hand = hand
        self.show_cursor()
        self.update()

    def stop_gesture(self) -> None:
        """Take back what the hand is in the middle of."""
        if self._busy:
            self._busy = False
            assert self._hand is not None
            self._hand.cancel()

    def about_to_scroll(self) -> None:
        if self._hand is not None:
            self._hand.hover(None)

    def paint_layers(self, painter: QPainter, view: View) -> None:
        super().paint_layers(painter, view)
        if self._hand is not None:
            self._hand.paint(painter, view)

    # the pointer

    def mousePressEvent(self, press: QMouseEvent) -> None:
        self._pressed(press.button(), self._pointer(press.position(), press.modifiers()))

    def mouseMoveEvent(self, move: QMouseEvent) -> None:
        self._moved(self._pointer(move.position(), move.modifiers(), down=bool(move.buttons())))

    def mouseReleaseEvent(self, release: QMouseEvent) -> None:
        self._released(self._pointer(release.position(), release.modifiers(), down=False))

    def mouseDoubleClickEvent(self, press: QMouseEvent) -> None:
        if self._hand is not None and self._hand_takes(press):
            return
        if self.fitted:
            self.show_actual_size()
        else:
            self.fit()

    def _hand_takes(self, press: QMouseEvent) -> bool:
        """Whether the second press of a double click is a press to the hand: people dab fast."""
        self._pressed(press.button(), self._pointer(press.position(), press.modifiers()))
        if not self._busy:
            self._press = None
        return self._busy or self._grip is not None

    def tabletEvent(self, event: QTabletEvent) -> None:
        kind = event.type()
        pointer = self._pointer(
            event.position(),
            event.modifiers(),
            down=kind == QEvent.Type.TabletPress or (kind == QEvent.Type.TabletMove and bool(event.buttons())),
            pressure=event.pressure(),
            eraser=event.pointerType() == QPointingDevice.PointerType.Eraser,
        )
        if kind == QEvent.Type.TabletPress:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self._pressed(event.button(), pointer)
        elif kind == QEvent.Type.TabletMove:
            self._moved(pointer)
        elif kind == QEvent.Type.TabletRelease:
            self._released(pointer)
        event.accept()  # or Qt sends the same again as a mouse

    def _pointer(
        self,
        spot: QPointF,
        modifiers: Qt.KeyboardModifier,
        *,
        down: bool = True,
        pressure: float = 1.0,
        eraser: bool = False,
    ) -> Pointer:
        return Pointer(self._look.to_picture(spot), spot, modifiers, pressure, down, eraser)

    def _pressed(self, button: Qt.MouseButton, pointer: Pointer) -> None:
        left = button == Qt.MouseButton.LeftButton
        if self._busy or self._grip is not None:
            return
        if button == Qt.MouseButton.MiddleButton or (left and self._space):
            self._grip = pointer.spot
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif left and self._picture is not None and self._comparison.holds(self._look, pointer.spot):
            self._on_line = True
        elif left and self._picture is not None and self._hand is not None and self._hand.press(pointer):
            self._busy = True
        elif left:
            self._press = pointer.spot

    def _moved(self, pointer: Pointer) -> None:
        if self._grip is not None:
            self._move(self._look.panned(pointer.spot - self._grip))
            self._grip = pointer.spot
        elif self._on_line:
            self._comparison.move_line(self._look, pointer.spot)
            self.update()
        elif self._busy:
            assert self._hand is not None
            self._hand.move(pointer)
        elif self._press is not None and self._far_from_press(pointer.spot) and self._picture is not None:
            self._press = None
            self.drag_wanted.emit()
        elif not pointer.down:
            self._hovered(pointer)

    def _hovered(self, pointer: Pointer) -> None:
        if self._picture is not None and self._comparison.holds(self._look, pointer.spot):
            self.setCursor(Qt.CursorShape.SplitHCursor)
        elif self.cursor().shape() == Qt.CursorShape.SplitHCursor:
            self.show_cursor()
        if self._hand is not None and not self._space:
            self._hand.hover(pointer)

    def _far_from_press(self, spot: QPointF) -> bool:
        return self._press is not None and (spot - self._press).manhattanLength() >= QApplication.startDragDistance()

    def _released(self, pointer: Pointer) -> None:
        busy, self._busy = self._busy, False
        self._grip = self._press = None
        self._on_line = False
        if busy and self._hand is not None:
            self._hand.release(pointer)
        self.show_cursor()

    def show_cursor(self) -> None:
        """Show what a press would do."""
        if self._space:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif self._hand is not None and self._picture is not None:
            self.setCursor(self._hand.cursor())
        else:
            self.setCursor(Qt.CursorShape.ArrowCursor)

    def leaveEvent(self, _: QEvent) -> None:
        if self._hand is not None:
            self._hand.hover(None)

    # keys

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._wants(event):
            event.accept()  # before a menu's shortcut takes it
            return True
        return super().event(event)

    def _wants(self, key: QKeyEvent) -> bool:
        if key.key() == Qt.Key.Key_Escape and self._busy:
            return True
        return self._hand is not None and self._picture is not None and self._hand.knows(key)

    def keyPressEvent(self, key: QKeyEvent) -> None:
        plain = key.modifiers() == Qt.KeyboardModifier.NoModifier
        if key.key() == Qt.Key.Key_Space:
            self._hold_space(True, key)
        elif key.key() == Qt.Key.Key_Escape and self._busy:
            self.stop_gesture()
        elif plain and key.key() == _PEEK_KEY and self._comparison.possible:
            self.peek(True)
        elif plain and key.key() == _SPLIT_KEY and self._comparison.possible:
            self.show_split(not self.split)
        elif self._hand is None or self._picture is None or not self._hand.key(key):
            super().keyPressEvent(key)

    def keyReleaseEvent(self, key: QKeyEvent) -> None:
        if key.key() == Qt.Key.Key_Space:
            self._hold_space(False, key)
        elif key.key() == _PEEK_KEY and not key.isAutoRepeat() and self._comparison.peeking:
            self.peek(False)
        else:
            super().keyReleaseEvent(key)

    def _hold_space(self, held: bool, key: QKeyEvent) -> None:
        if not key.isAutoRepeat():
            self._space = held
            if held and self._hand is not None:
                self._hand.hover(None)
            self.show_cursor()

    def focusOutEvent(self, _: QEvent) -> None:
        """Keys that are let go elsewhere are not heard here."""
        self._space = False
        self.peek(False)
        self.show_cursor()

    def enterEvent(self, _: QEvent) -> None:
        """Take the keyboard for Space, unless someone is writing."""
        if self.window().focusWidget() is None:
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def hideEvent(self, _: QHideEvent) -> None:
        """A gesture ends with the window it is made in."""
        self.stop_gesture()

    def contextMenuEvent(self, request: QContextMenuEvent) -> None:
        if self._picture is not None:
            self.menu_wanted.emit(request.globalPos())
