"""Geometry of viewing a picture: zoom about a point, pan, fit. Values only, in device-independent pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QPointF, QRectF, QSizeF

MAX_ZOOM = 32.0
MIN_ZOOM = 0.05


@dataclass(frozen=True, slots=True)
class Viewport:
    """A picture of `picture_size` pixels in a widget of `widget_size` points, at `scale` points per pixel.

    `centre` is the picture's pixel in the middle of the widget. While `is_fitted`, resizing fits again.
    """

    widget_size: QSizeF
    picture_size: QSizeF
    scale: float = 1.0
    centre: QPointF = field(default_factory=QPointF)
    is_fitted: bool = True
    margin: float = 16.0

    @property
    def fit_scale(self) -> float:
        """The scale at which the whole picture and the margins fit."""
        width = max(1.0, self.widget_size.width() - 2 * self.margin)
        height = max(1.0, self.widget_size.height() - 2 * self.margin)
        return min(width / max(1.0, self.picture_size.width()), height / max(1.0, self.picture_size.height()))

    def fit(self) -> Viewport:
        middle = QPointF(self.picture_size.width() / 2, self.picture_size.height() / 2)
        return replace(self, scale=self.fit_scale, centre=middle, is_fitted=True)

    def resized(self, view: QSizeF) -> Viewport:
        changed = replace(self, widget_size=view)
        return changed.fit() if self.is_fitted else changed

    def for_picture(self, picture: QSizeF) -> Viewport:
        """Return the same view of a picture of another size; a new size is fitted."""
        if picture == self.picture_size:
            return self
        return replace(self, picture_size=picture).fit()

    def zoomed(self, scale: float, anchor: QPointF) -> Viewport:
        """Return the view at `scale`; the picture's pixel under the widget's point `anchor` stays in place."""
        scale = min(MAX_ZOOM, max(min(MIN_ZOOM, self.fit_scale), scale))
        held = self.to_picture_point(anchor)
        shift = (anchor - self._widget_centre()) / scale
        return replace(self, scale=scale, centre=held - shift, is_fitted=False)._clamped()

    def panned(self, by: QPointF) -> Viewport:
        """Return the view moved by this many points, as if the picture were dragged."""
        return replace(self, centre=self.centre - by / self.scale, is_fitted=False)._clamped()

    def showing_part_of(self, other: Viewport) -> Viewport:
        """Return the view of this picture that shows the same part of it as `other` does of its own, at the same size
        in the widget."""
        if other.is_fitted:
            return self.fit()
        x = other.centre.x() / max(1.0, other.picture_size.width()) * self.picture_size.width()
        y = other.centre.y() / max(1.0, other.picture_size.height()) * self.picture_size.height()
        scale = other.scale * other.picture_size.width() / max(1.0, self.picture_size.width())
        return replace(self, scale=scale, centre=QPointF(x, y), is_fitted=False)._clamped()

    def snapped_to_pixels(self, ratio: float) -> Viewport:
        """Move by less than a screen pixel, so that at 100 % the picture's pixels match the screen's."""
        corner = self.picture_rect().topLeft() * ratio
        off = QPointF(round(corner.x()), round(corner.y())) - corner
        return replace(self, centre=self.centre - off / (ratio * self.scale))

    def to_picture_point(self, point: QPointF) -> QPointF:
        return self.centre + (point - self._widget_centre()) / self.scale

    def to_widget_rect(self, box: QRectF) -> QRectF:
        """Map a rectangle from picture pixels to widget coordinates."""
        corner = self._widget_centre() + (box.topLeft() - self.centre) * self.scale
        return QRectF(corner, box.size() * self.scale)

    def to_widget_point(self, pixel: QPointF) -> QPointF:
        """Map a point from picture pixels to widget coordinates."""
        return self._widget_centre() + (pixel - self.centre) * self.scale

    def picture_rect(self) -> QRectF:
        """Return the picture's rectangle in widget coordinates."""
        corner = self._widget_centre() - self.centre * self.scale
        return QRectF(corner, QSizeF(self.picture_size.width() * self.scale, self.picture_size.height() * self.scale))

    def _widget_centre(self) -> QPointF:
        return QPointF(self.widget_size.width() / 2, self.widget_size.height() / 2)

    def _clamped(self) -> Viewport:
        """Keep the middle of the widget over the picture, so the picture stays visible."""
        x = min(max(self.centre.x(), 0.0), self.picture_size.width())
        y = min(max(self.centre.y(), 0.0), self.picture_size.height())
        return replace(self, centre=QPointF(x, y))
