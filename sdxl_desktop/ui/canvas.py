"""The canvas: shows a picture, lets it be dragged out and, with an input handler, painted on."""

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
from sdxl_desktop.ui.painting.pointer import CanvasInputHandler, PaintContext, Pointer

_BEFORE_KEY, _SPLIT_KEY = Qt.Key.Key_Backslash, Qt.Key.Key_Y


class Canvas(PictureView):
    """Shows a QImage. Left-dragging drags the picture out; with Space, or with the middle button, it pans.

    If there is a picture to compare with, `\\` (held) shows the previous picture and Y toggles the split view.
    """

    drag_requested = Signal()
    context_menu_requested = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self._input_handler: CanvasInputHandler | None = None
        self._pan_position: QPointF | None = None
        self._press_position: QPointF | None = None
        self._gesture_active = False
        self._split_dragged = False
        self._space_held = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.setMouseTracking(True)
        self.setTabletTracking(True)

    # input handler

    def set_input_handler(self, handler: CanvasInputHandler | None) -> None:
        """Route pointer events on the picture to `handler`; None makes the canvas view-only."""
        self.cancel_gesture()
        if self._input_handler is not None:
            self._input_handler.hover(None)
        self._input_handler = handler
        self.update_cursor()
        self.update()

    def cancel_gesture(self) -> None:
        """Cancel the input handler's gesture in progress."""
        if self._gesture_active:
            self._gesture_active = False
            assert self._input_handler is not None
            self._input_handler.cancel()

    def about_to_scroll(self) -> None:
        if self._input_handler is not None:
            self._input_handler.hover(None)

    def paint_layers(self, painter: QPainter, context: PaintContext) -> None:
        super().paint_layers(painter, context)
        if self._input_handler is not None:
            self._input_handler.paint(painter, context)

    # pointer events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._handle_press(event.button(), self._pointer(event.position(), event.modifiers()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._handle_move(self._pointer(event.position(), event.modifiers(), down=bool(event.buttons())))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._handle_release(self._pointer(event.position(), event.modifiers(), down=False))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._input_handler is not None and self._handler_accepts(event):
            return
        if self.is_fitted:
            self.show_actual_size()
        else:
            self.fit()

    def _handler_accepts(self, press: QMouseEvent) -> bool:
        """Whether the input handler takes the second press of a double click as a press: users dab quickly."""
        self._handle_press(press.button(), self._pointer(press.position(), press.modifiers()))
        if not self._gesture_active:
            self._press_position = None
        return self._gesture_active or self._pan_position is not None

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
            self._handle_press(event.button(), pointer)
        elif kind == QEvent.Type.TabletMove:
            self._handle_move(pointer)
        elif kind == QEvent.Type.TabletRelease:
            self._handle_release(pointer)
        event.accept()  # otherwise Qt sends it again as a mouse event

    def _pointer(
        self,
        position: QPointF,
        modifiers: Qt.KeyboardModifier,
        *,
        down: bool = True,
        pressure: float = 1.0,
        eraser: bool = False,
    ) -> Pointer:
        return Pointer(self._viewport.to_picture_point(position), position, modifiers, pressure, down, eraser)

    def _handle_press(self, button: Qt.MouseButton, pointer: Pointer) -> None:
        left = button == Qt.MouseButton.LeftButton
        if self._gesture_active or self._pan_position is not None:
            return
        if button == Qt.MouseButton.MiddleButton or (left and self._space_held):
            self._pan_position = pointer.widget_position
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif (
            left
            and self._picture is not None
            and self._before_after.is_over_line(self._viewport, pointer.widget_position)
        ):
            self._split_dragged = True
        elif (
            left
            and self._picture is not None
            and self._input_handler is not None
            and self._input_handler.press(pointer)
        ):
            self._gesture_active = True
        elif left:
            self._press_position = pointer.widget_position

    def _handle_move(self, pointer: Pointer) -> None:
        if self._pan_position is not None:
            self._set_viewport(self._viewport.panned(pointer.widget_position - self._pan_position))
            self._pan_position = pointer.widget_position
        elif self._split_dragged:
            self._before_after.move_split(self._viewport, pointer.widget_position)
            self.update()
        elif self._gesture_active:
            assert self._input_handler is not None
            self._input_handler.move(pointer)
        elif (
            self._press_position is not None
            and self._exceeds_drag_distance(pointer.widget_position)
            and self._picture is not None
        ):
            self._press_position = None
            self.drag_requested.emit()
        elif not pointer.down:
            self._handle_hover(pointer)

    def _handle_hover(self, pointer: Pointer) -> None:
        if self._picture is not None and self._before_after.is_over_line(self._viewport, pointer.widget_position):
            self.setCursor(Qt.CursorShape.SplitHCursor)
        elif self.cursor().shape() == Qt.CursorShape.SplitHCursor:
            self.update_cursor()
        if self._input_handler is not None and not self._space_held:
            self._input_handler.hover(pointer)

    def _exceeds_drag_distance(self, position: QPointF) -> bool:
        return (
            self._press_position is not None
            and (position - self._press_position).manhattanLength() >= QApplication.startDragDistance()
        )

    def _handle_release(self, pointer: Pointer) -> None:
        busy, self._gesture_active = self._gesture_active, False
        self._pan_position = self._press_position = None
        self._split_dragged = False
        if busy and self._input_handler is not None:
            self._input_handler.release(pointer)
        self.update_cursor()

    def update_cursor(self) -> None:
        """Set the cursor for what a press would do."""
        if self._space_held:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif self._input_handler is not None and self._picture is not None:
            self.setCursor(self._input_handler.cursor())
        else:
            self.setCursor(Qt.CursorShape.ArrowCursor)

    def leaveEvent(self, _: QEvent) -> None:
        if self._input_handler is not None:
            self._input_handler.hover(None)

    # keys

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._handles_key(event):
            event.accept()  # before a menu's shortcut takes it
            return True
        return super().event(event)

    def _handles_key(self, key: QKeyEvent) -> bool:
        if key.key() == Qt.Key.Key_Escape and self._gesture_active:
            return True
        return self._input_handler is not None and self._picture is not None and self._input_handler.handles_key(key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if event.key() == Qt.Key.Key_Space:
            self._set_space_held(True, event)
        elif event.key() == Qt.Key.Key_Escape and self._gesture_active:
            self.cancel_gesture()
        elif plain and event.key() == _BEFORE_KEY and self._before_after.is_available:
            self.show_before(True)
        elif plain and event.key() == _SPLIT_KEY and self._before_after.is_available:
            self.set_split(not self.is_split)
        elif self._input_handler is None or self._picture is None or not self._input_handler.handle_key(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self._set_space_held(False, event)
        elif event.key() == _BEFORE_KEY and not event.isAutoRepeat() and self._before_after.showing_before:
            self.show_before(False)
        else:
            super().keyReleaseEvent(event)

    def _set_space_held(self, held: bool, key: QKeyEvent) -> None:
        if not key.isAutoRepeat():
            self._space_held = held
            if held and self._input_handler is not None:
                self._input_handler.hover(None)
            self.update_cursor()

    def focusOutEvent(self, _: QEvent) -> None:
        """Reset held keys: their release is not received without the focus."""
        self._space_held = False
        self.show_before(False)
        self.update_cursor()

    def enterEvent(self, _: QEvent) -> None:
        """Take the keyboard focus for Space, unless another widget has it."""
        if self.window().focusWidget() is None:
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def hideEvent(self, _: QHideEvent) -> None:
        """Cancel a gesture in progress when the window is hidden."""
        self.cancel_gesture()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self._picture is not None:
            self.context_menu_requested.emit(event.globalPos())
