"""The canvas: shows one picture; zooms about the cursor, pans, fits, and lets the picture be dragged out."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from sdxl_desktop.ui.viewport import Viewport

_NOTCH = 120
_ZOOM_STEP = 1.25
_CRISP_FROM = 6.0


class Canvas(QWidget):
    """Shows a QImage. Dragging with the left button takes the picture out; with Space or the middle button pans."""

    zoomed = Signal()
    drag_wanted = Signal()
    menu_wanted = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self._waiting = ""
        self._shrunk: QImage | None = None
        self._look = Viewport(QSizeF(1, 1), QSizeF(1, 1))
        self._grip: QPointF | None = None
        self._press: QPointF | None = None
        self._space = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 160)

    def sizeHint(self) -> QSize:
        return QSize(640, 640)

    # what is shown

    def show_image(self, image: QImage | None) -> None:
        """Show `image`, keeping zoom and place when it has the size of the one before."""
        self._image = image
        self._waiting = ""
        self._shrunk = None
        if image is not None:
            self._move(self._look.of_picture(QSizeF(image.size())))
        self.update()

    def show_waiting(self, size: QSize, words: str) -> None:
        """Show an empty frame of the picture to come, saying what it waits for."""
        self.show_image(None)
        self._waiting = words
        self._move(self._look.of_picture(QSizeF(size)).fit())

    def image(self) -> QImage | None:
        return self._image

    # looking

    @property
    def zoom(self) -> float:
        """Screen pixels a picture pixel: 1.0 is "100 %" on every display."""
        return self._look.scale * self.devicePixelRatioF()

    @property
    def fitted(self) -> bool:
        return self._look.fitted

    def fit(self) -> None:
        self._move(self._look.fit())

    def show_actual_size(self) -> None:
        self.zoom_to(1.0)

    def zoom_in(self) -> None:
        self.zoom_to(self.zoom * _ZOOM_STEP)

    def zoom_out(self) -> None:
        self.zoom_to(self.zoom / _ZOOM_STEP)

    def zoom_to(self, zoom: float, about: QPointF | None = None) -> None:
        """Zoom to screen pixels a picture pixel about a point of the widget, its middle by default."""
        self._move(self._look.zoomed(zoom / self.devicePixelRatioF(), about or QRectF(self.rect()).center()))

    def _move(self, look: Viewport) -> None:
        if look != self._look:
            self._look = look
            self.zoomed.emit()
            self.update()

    # events

    def resizeEvent(self, change: QResizeEvent) -> None:
        self._move(self._look.resized(QSizeF(change.size())))

    def wheelEvent(self, turn: QWheelEvent) -> None:
        if self._image is None:
            return
        pixels = turn.pixelDelta()
        if not pixels.isNull() and not turn.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._move(self._look.panned(QPointF(pixels)))  # a touchpad scrolls; its pinch zooms
        else:
            self.zoom_to(self.zoom * _ZOOM_STEP ** (turn.angleDelta().y() / _NOTCH), turn.position())
        turn.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_to(self.zoom * (1 + event.value()), event.position())
            return True
        return super().event(event)

    def mousePressEvent(self, press: QMouseEvent) -> None:
        pans = press.button() == Qt.MouseButton.MiddleButton or (
            press.button() == Qt.MouseButton.LeftButton and self._space
        )
        if pans:
            self._grip = press.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif press.button() == Qt.MouseButton.LeftButton:
            self._press = press.position()

    def mouseMoveEvent(self, move: QMouseEvent) -> None:
        if self._grip is not None:
            self._move(self._look.panned(move.position() - self._grip))
            self._grip = move.position()
        elif self._press is not None and self._far_from_press(move) and self._image is not None:
            self._press = None
            self.drag_wanted.emit()

    def _far_from_press(self, move: QMouseEvent) -> bool:
        return (
            self._press is not None
            and (move.position() - self._press).manhattanLength() >= QApplication.startDragDistance()
        )

    def mouseReleaseEvent(self, _: QMouseEvent) -> None:
        self._grip = self._press = None
        self._show_cursor()

    def mouseDoubleClickEvent(self, _: QMouseEvent) -> None:
        if self.fitted:
            self.show_actual_size()
        else:
            self.fit()

    def keyPressEvent(self, key: QKeyEvent) -> None:
        if key.key() == Qt.Key.Key_Space and not key.isAutoRepeat():
            self._space = True
            self._show_cursor()
            return
        super().keyPressEvent(key)

    def keyReleaseEvent(self, key: QKeyEvent) -> None:
        if key.key() == Qt.Key.Key_Space and not key.isAutoRepeat():
            self._space = False
            self._show_cursor()
            return
        super().keyReleaseEvent(key)

    def enterEvent(self, _: QEvent) -> None:
        """Take the keyboard for Space, unless someone is writing."""
        if self.window().focusWidget() is None:
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def contextMenuEvent(self, request: QContextMenuEvent) -> None:
        if self._image is not None:
            self.menu_wanted.emit(request.globalPos())

    def _show_cursor(self) -> None:
        self.setCursor(Qt.CursorShape.OpenHandCursor if self._space else Qt.CursorShape.ArrowCursor)

    # painting

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Dark))
        target = self._look.target()
        if self._image is None:
            self._paint_waiting(painter, target)
            return
        painter.fillRect(target.adjusted(-1, -1, 1, 1), QColor(0, 0, 0, 64))
        crisp = self.zoom >= _CRISP_FROM and not self.fitted
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not crisp)
        painter.drawImage(target, self._fitting_image(target))
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 1))
            painter.drawRect(target.adjusted(-2.5, -2.5, 2.5, 2.5))

    def _paint_waiting(self, painter: QPainter, target: QRectF) -> None:
        if self._waiting:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
            painter.drawRect(target)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(target, Qt.AlignmentFlag.AlignCenter, self._waiting)

    def _fitting_image(self, target: QRectF) -> QImage:
        """The image, or when it is shown much smaller than it is a copy averaged down, which does not glitter."""
        assert self._image is not None
        if self.zoom >= 0.75:
            return self._image
        wanted = (target.size() * self.devicePixelRatioF()).toSize()
        if self._shrunk is None or self._shrunk.size() != wanted:
            self._shrunk = self._image.scaled(
                wanted, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        return self._shrunk
