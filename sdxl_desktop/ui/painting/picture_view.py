"""Looking at a picture: zoom about the cursor, pan, fit, before and after, and painting no more than what changed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.ui.painting.comparison import Comparison
from sdxl_desktop.ui.painting.pointer import Layer, View
from sdxl_desktop.ui.painting.pyramid import Pyramid
from sdxl_desktop.ui.viewport import Viewport

_NOTCH = 120
_ZOOM_STEP = 1.25
_MARGIN = 16.0
"""Points around a fitted picture."""
_ROOM = 0.2
"""The share of the widget's shorter side that is left around it on each side where there is to be room."""
_CRISP_FROM = 6.0


_MOST_PARTS = 24
_SPARSE = 0.7
"""Layers are painted in the parts of what must be painted where these cover no more of the box around them all."""


class PictureView(QWidget):
    """Shows one picture at any zoom, with layers painted over it."""

    zoomed = Signal()
    split_shown = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._picture: Pyramid | None = None
        self._waiting = ""
        self._roomy = False
        self._look = Viewport(QSizeF(1, 1), QSizeF(1, 1))
        self._layers: list[Layer] = []
        self._comparison = Comparison()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 160)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(640, 640)

    # what is shown

    def show_image(self, image: QImage | None) -> None:
        """Show `image`, keeping zoom and place when it has the size of the one before."""
        self._show(None if image is None else Pyramid(image))

    def show_pixels(self, pixels: Bytes) -> None:
        """Show `pixels` (uint8 [H, W, 3]) without copying them; after a change in place call `pixels_changed`."""
        self._show(Pyramid.over(pixels))

    def _show(self, picture: Pyramid | None) -> None:
        self._picture = picture
        self._waiting = ""
        if picture is not None:
            self._move(self._look.of_picture(QSizeF(picture.image.size())))
        self.update()

    def pixels_changed(self, rect: QRect) -> None:
        """The pixels of the picture in `rect` are different: prepare and paint those alone."""
        if self._picture is not None:
            self._picture.update(rect)
            self.repaint_pixels(rect)

    def repaint_pixels(self, rect: QRect, reach: float = 2.0) -> None:
        """Paint what lies over these pixels, and `reach` points around them, anew."""
        box = self._look.to_widget(QRectF(rect)).adjusted(-reach, -reach, reach, reach)
        self.update(box.toAlignedRect().intersected(self.rect()))

    def show_waiting(self, size: QSize, words: str) -> None:
        """Show an empty frame of the picture to come, saying what it waits for."""
        self.show_image(None)
        self._waiting = words
        self._move(self._look.of_picture(QSizeF(size)).fit())

    def image(self) -> QImage | None:
        return None if self._picture is None else self._picture.image

    def add_layer(self, layer: Layer) -> None:
        """Paint `layer` over the picture, and over the layers added before."""
        self._layers.append(layer)
        self.update()

    # before and after

    def compare_with(self, image: QImage | None) -> None:
        """The picture as it was before; None: there is nothing to compare."""
        self._comparison.show_before(image)
        self.update()

    @property
    def comparable(self) -> bool:
        """Whether there is a picture to compare with."""
        return self._comparison.possible

    @property
    def split(self) -> bool:
        """Whether the line between before and after is wanted."""
        return self._comparison.split

    def show_split(self, shown: bool) -> None:
        """Show the line between before and after, wherever there is a picture to compare with."""
        if shown != self._comparison.split:
            self._comparison.split = shown
            self.split_shown.emit(shown)
            self.update()

    def peek(self, before: bool) -> None:
        """Show the picture before, for as long as wanted."""
        self._comparison.peeking = before
        self.update()

    # looking

    @property
    def look(self) -> Viewport:
        return self._look

    @property
    def zoom(self) -> float:
        """Screen pixels a picture pixel: 1.0 is "100 %" on every display."""
        return self._look.scale * self.devicePixelRatioF()

    @property
    def fitted(self) -> bool:
        return self._look.fitted

    def fit(self) -> None:
        self._move(self._look.fit())

    def give_room(self, wide: bool) -> None:
        """Whether a fitted picture has much space around it, for instance to drag its edges into."""
        if wide != self._roomy:
            self._roomy = wide
            self._move(self._with_margin(QSizeF(self.size())))

    def _with_margin(self, view: QSizeF) -> Viewport:
        """The present look in a widget of `view` points."""
        margin = max(_MARGIN, _ROOM * min(view.width(), view.height())) if self._roomy else _MARGIN
        return replace(self._look, margin=margin).resized(view)

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
        look = look.on_whole_pixels(self.devicePixelRatioF())
        if look == self._look:
            return
        before, self._look = self._look, look
        if look.scale != before.scale or look.picture != before.picture or not self._scrolled(before):
            self.update()
        self.zoomed.emit()

    def _scrolled(self, before: Viewport) -> bool:
        """Whether moving what is on the screen already shows the new look, but for the strips that come into sight."""
        if self._picture is None or self._comparison.split or self._comparison.peeking:
            return False
        by = self._look.target().topLeft() - before.target().topLeft()
        x, y = round(by.x()), round(by.y())
        if max(abs(by.x() - x), abs(by.y() - y)) > 1e-4:
            return False
        self.about_to_scroll()
        self.scroll(x, y)
        return True

    def about_to_scroll(self) -> None:
        """What does not move along with the picture must go from the screen before it moves."""

    def wheelEvent(self, turn: QWheelEvent) -> None:
        if self._picture is None:
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

    def resizeEvent(self, change: QResizeEvent) -> None:
        self._move(self._with_margin(QSizeF(change.size())))

    def focusInEvent(self, _: QEvent) -> None:
        self.update()

    # painting

    def paintEvent(self, paint: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(paint.rect(), self.palette().color(QPalette.ColorRole.Dark))
        target = self._look.target()
        if self._picture is None:
            self._paint_waiting(painter, target)
            return
        painter.fillRect(target.adjusted(-1, -1, 1, 1), QColor(0, 0, 0, 64))
        crisp = self.zoom >= _CRISP_FROM and not self.fitted
        view = View(self._look, self.devicePixelRatioF(), paint.rect())
        parts = _parts(paint.region())
        if not self._comparison.all_before:
            self._picture.draw(painter, target, self.zoom, crisp=crisp)
        self._comparison.paint(painter, view, crisp=crisp)
        if not self._comparison.all_before:
            for part in parts:
                painter.save()
                painter.setClipRect(part, Qt.ClipOperation.IntersectClip)
                self.paint_layers(painter, replace(view, exposed=part))
                painter.restore()
        self._comparison.paint_line(painter, view)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(target.adjusted(-2.5, -2.5, 2.5, 2.5))

    def paint_layers(self, painter: QPainter, view: View) -> None:
        """What lies over the picture."""
        for layer in self._layers:
            layer.paint(painter, view)

    def _paint_waiting(self, painter: QPainter, target: QRectF) -> None:
        if self._waiting:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
            painter.drawRect(target)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(target, Qt.AlignmentFlag.AlignCenter, self._waiting)


def _parts(region: QRegion) -> list[QRect]:
    """The boxes to paint layers in: the bands around a frame that moved, say, and not all that lies between them."""
    around = region.boundingRect()
    parts: list[QRect] = list(region)  # type: ignore[call-overload]
    covered = sum(part.width() * part.height() for part in parts)
    worth_it = len(parts) <= _MOST_PARTS and covered < _SPARSE * around.width() * around.height()
    return parts if worth_it else [around]
