"""A picture viewer: zoom at the cursor, pan, fit, before and after; repaints only what has changed."""

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

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.ui.painting.before_after import BeforeAfter
from sdxl_desktop.ui.painting.image_pyramid import ImagePyramid
from sdxl_desktop.ui.painting.pointer import CanvasLayer, PaintContext
from sdxl_desktop.ui.viewport import Viewport

_WHEEL_NOTCH = 120
_ZOOM_STEP = 1.25
_MARGIN = 16.0
"""Logical pixels around a fitted picture."""
_WIDE_MARGIN_SHARE = 0.2
"""The wide margin on each side, as a fraction of the widget's shorter side."""
_NEAREST_FROM_ZOOM = 6.0


_MAX_PARTS = 24
_MAX_COVERAGE = 0.7
"""Layers are painted rectangle by rectangle if the exposed ones cover no more than this part of their bounding box."""


class PictureView(QWidget):
    """Shows one picture at any zoom, with layers painted over it."""

    zoomed = Signal()
    split_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._picture: ImagePyramid | None = None
        self._waiting_text = ""
        self._wide_margin = False
        self._viewport = Viewport(QSizeF(1, 1), QSizeF(1, 1))
        self._layers: list[CanvasLayer] = []
        self._before_after = BeforeAfter()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 160)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(640, 640)

    # content

    def set_image(self, image: QImage | None) -> None:
        """Show `image`, keeping zoom and position if it has the previous image's size."""
        self._set_picture(None if image is None else ImagePyramid(image))

    def set_pixels(self, pixels: UInt8Array) -> None:
        """Show `pixels` (uint8 [H, W, 3]) without copying them; after a change in place call `pixels_changed`."""
        self._set_picture(ImagePyramid.from_pixels(pixels))

    def _set_picture(self, picture: ImagePyramid | None) -> None:
        self._picture = picture
        self._waiting_text = ""
        if picture is not None:
            self._set_viewport(self._viewport.for_picture(QSizeF(picture.image.size())))
        self.update()

    def pixels_changed(self, rect: QRect) -> None:
        """Update and repaint the picture in `rect` after its pixels have changed."""
        if self._picture is not None:
            self._picture.update(rect)
            self.repaint_pixels(rect)

    def repaint_pixels(self, rect: QRect, margin: float = 2.0) -> None:
        """Repaint the widget over these picture pixels and `margin` logical pixels around them."""
        box = self._viewport.to_widget_rect(QRectF(rect)).adjusted(-margin, -margin, margin, margin)
        self.update(box.toAlignedRect().intersected(self.rect()))

    def show_waiting(self, size: QSize, text: str) -> None:
        """Show an empty frame of the picture's size with `text`, which says what is being waited for."""
        self.set_image(None)
        self._waiting_text = text
        self._set_viewport(self._viewport.for_picture(QSizeF(size)).fit())

    def image(self) -> QImage | None:
        return None if self._picture is None else self._picture.image

    def add_layer(self, layer: CanvasLayer) -> None:
        """Paint `layer` over the picture and over previously added layers."""
        self._layers.append(layer)
        self.update()

    # before and after

    def set_before(self, image: QImage | None) -> None:
        """Set the earlier picture; None: there is nothing to compare."""
        self._before_after.set_before(image)
        self.update()

    @property
    def can_compare(self) -> bool:
        """Return whether there is an earlier picture to compare with."""
        return self._before_after.is_available

    @property
    def is_split(self) -> bool:
        """Return whether the line between before and after is enabled."""
        return self._before_after.is_split

    def set_split(self, is_split: bool) -> None:
        """Enable the line between before and after; it is shown if there is a picture to compare with."""
        if is_split != self._before_after.is_split:
            self._before_after.is_split = is_split
            self.split_changed.emit(is_split)
            self.update()

    def show_before(self, visible: bool) -> None:
        """Show the earlier picture while `visible`."""
        self._before_after.showing_before = visible
        self.update()

    # zoom and pan

    @property
    def viewport(self) -> Viewport:
        return self._viewport

    @property
    def zoom(self) -> float:
        """Return the screen pixels per picture pixel: 1.0 is "100 %" on every display."""
        return self._viewport.scale * self.devicePixelRatioF()

    @property
    def is_fitted(self) -> bool:
        return self._viewport.is_fitted

    def fit(self) -> None:
        self._set_viewport(self._viewport.fit())

    def set_wide_margin(self, wide: bool) -> None:
        """Set whether a fitted picture has a wide margin, for instance to drag its edges into."""
        if wide != self._wide_margin:
            self._wide_margin = wide
            self._set_viewport(self._viewport_with_margin(QSizeF(self.size())))

    def _viewport_with_margin(self, view: QSizeF) -> Viewport:
        """Return the current viewport for a widget of `view` logical pixels."""
        margin = max(_MARGIN, _WIDE_MARGIN_SHARE * min(view.width(), view.height())) if self._wide_margin else _MARGIN
        return replace(self._viewport, margin=margin).resized(view)

    def show_actual_size(self) -> None:
        self.zoom_to(1.0)

    def zoom_in(self) -> None:
        self.zoom_to(self.zoom * _ZOOM_STEP)

    def zoom_out(self) -> None:
        self.zoom_to(self.zoom / _ZOOM_STEP)

    def zoom_to(self, zoom: float, about: QPointF | None = None) -> None:
        """Zoom to `zoom` screen pixels per picture pixel at a point of the widget, by default its centre."""
        self._set_viewport(
            self._viewport.zoomed(zoom / self.devicePixelRatioF(), about or QRectF(self.rect()).center())
        )

    def pan(self, by: QPointF) -> None:
        """Move the picture by this many logical pixels."""
        self._set_viewport(self._viewport.panned(by))

    def show_same_part(self, other: Viewport) -> None:
        """Show the part of the picture that `other` shows of its own."""
        self._set_viewport(self._viewport.showing_part_of(other))

    def _set_viewport(self, viewport: Viewport) -> None:
        viewport = viewport.snapped_to_pixels(self.devicePixelRatioF())
        if viewport == self._viewport:
            return
        before, self._viewport = self._viewport, viewport
        if (
            viewport.scale != before.scale
            or viewport.picture_size != before.picture_size
            or not self._try_scroll(before)
        ):
            self.update()
        self.zoomed.emit()

    def _try_scroll(self, previous: Viewport) -> bool:
        """Scroll to the new viewport, so that only the exposed strips are repainted; return False if impossible."""
        if self._picture is None or self._before_after.is_split or self._before_after.showing_before:
            return False
        by = self._viewport.picture_rect().topLeft() - previous.picture_rect().topLeft()
        x, y = round(by.x()), round(by.y())
        if max(abs(by.x() - x), abs(by.y() - y)) > 1e-4:
            return False
        self.about_to_scroll()
        self.scroll(x, y)
        return True

    def about_to_scroll(self) -> None:
        """Called before scrolling: erase what does not move with the picture."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._picture is None:
            return
        pixels = event.pixelDelta()
        if not pixels.isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._set_viewport(self._viewport.panned(QPointF(pixels)))  # two-finger scrolling pans; pinching zooms
        else:
            self.zoom_to(self.zoom * _ZOOM_STEP ** (event.angleDelta().y() / _WHEEL_NOTCH), event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_to(self.zoom * (1 + event.value()), event.position())
            return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._set_viewport(self._viewport_with_margin(QSizeF(event.size())))

    def focusInEvent(self, _: QEvent) -> None:
        self.update()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), self.palette().color(QPalette.ColorRole.Dark))
        target = self._viewport.picture_rect()
        if self._picture is None:
            self._paint_waiting(painter, target)
            return
        painter.fillRect(target.adjusted(-1, -1, 1, 1), QColor(0, 0, 0, 64))
        crisp = self.zoom >= _NEAREST_FROM_ZOOM and not self.is_fitted
        view = PaintContext(self._viewport, self.devicePixelRatioF(), event.rect())
        parts = _paint_rects(event.region())
        if not self._before_after.shows_only_before:
            self._picture.draw(painter, target, self.zoom, crisp=crisp)
        self._before_after.paint(painter, view, crisp=crisp)
        if not self._before_after.shows_only_before:
            for part in parts:
                painter.save()
                painter.setClipRect(part, Qt.ClipOperation.IntersectClip)
                self.paint_layers(painter, replace(view, exposed=part))
                painter.restore()
        self._before_after.paint_split(painter, view)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(target.adjusted(-2.5, -2.5, 2.5, 2.5))

    def paint_layers(self, painter: QPainter, context: PaintContext) -> None:
        """Paint what is over the picture."""
        for layer in self._layers:
            layer.paint(painter, context)

    def _paint_waiting(self, painter: QPainter, target: QRectF) -> None:
        if self._waiting_text:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
            painter.drawRect(target)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(target, Qt.AlignmentFlag.AlignCenter, self._waiting_text)


def _paint_rects(region: QRegion) -> list[QRect]:
    """Return the rectangles to paint layers in: for instance the bands around a moved frame, not their bounding box."""
    around = region.boundingRect()
    parts: list[QRect] = list(region)  # type: ignore[call-overload]
    covered = sum(part.width() * part.height() for part in parts)
    worth_it = len(parts) <= _MAX_PARTS and covered < _MAX_COVERAGE * around.width() * around.height()
    return parts if worth_it else [around]
