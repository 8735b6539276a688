"""Geometry of looking at a picture: zoom about a point, pan, fit. Values only, in device-independent pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QPointF, QRectF, QSizeF

MAX_ZOOM = 32.0
MIN_ZOOM = 0.05


@dataclass(frozen=True, slots=True)
class Viewport:
    """A picture of `picture` pixels seen in a widget of `view` points: `scale` points a pixel about `centre`.

    `centre` is the picture's pixel in the middle of the widget. As long as `fitted`, resizing fits again.
    """

    widget_size: QSizeF
    picture_size: QSizeF
    scale: float = 1.0
    centre: QPointF = field(default_factory=QPointF)
    is_fitted: bool = True
    margin: float = 16.0

    @property
    def fit_scale(self) -> float:
        """The scale at which all of the picture shows, margins kept."""
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
        """The same look at a picture of another size; a size never seen before is fitted."""
        if picture == self.picture_size:
            return self
        return replace(self, picture_size=picture).fit()

    def zoomed(self, scale: float, anchor: QPointF) -> Viewport:
        """At `scale`, the picture's pixel under the widget's point `about` staying where it is."""
        scale = min(MAX_ZOOM, max(min(MIN_ZOOM, self.fit_scale), scale))
        held = self.to_picture_point(anchor)
        shift = (anchor - self._widget_centre()) / scale
        return replace(self, scale=scale, centre=held - shift, is_fitted=False)._clamped()

    def panned(self, by: QPointF) -> Viewport:
        """Moved by so many points, as if the picture were dragged."""
        return replace(self, centre=self.centre - by / self.scale, is_fitted=False)._clamped()

    def snapped_to_pixels(self, ratio: float) -> Viewport:
        """Moved by less than a pixel of the screen, so that at 100 % the picture's pixels are the screen's own."""
        corner = self.picture_rect().topLeft() * ratio
        off = QPointF(round(corner.x()), round(corner.y())) - corner
        return replace(self, centre=self.centre - off / (ratio * self.scale))

    def to_picture_point(self, point: QPointF) -> QPointF:
        return self.centre + (point - self._widget_centre()) / self.scale

    def to_widget_rect(self, box: QRectF) -> QRectF:
        """Where a box of the picture's pixels lies in the widget."""
        corner = self._widget_centre() + (box.topLeft() - self.centre) * self.scale
        return QRectF(corner, box.size() * self.scale)

    def to_widget_point(self, pixel: QPointF) -> QPointF:
        """Where a point of the picture lies in the widget."""
        return self._widget_centre() + (pixel - self.centre) * self.scale

    def picture_rect(self) -> QRectF:
        """Where the picture lies in the widget."""
        corner = self._widget_centre() - self.centre * self.scale
        return QRectF(corner, QSizeF(self.picture_size.width() * self.scale, self.picture_size.height() * self.scale))

    def _widget_centre(self) -> QPointF:
        return QPointF(self.widget_size.width() / 2, self.widget_size.height() / 2)

    def _clamped(self) -> Viewport:
        """With the middle of the widget over the picture, so that it cannot be lost."""
        x = min(max(self.centre.x(), 0.0), self.picture_size.width())
        y = min(max(self.centre.y(), 0.0), self.picture_size.height())
        return replace(self, centre=QPointF(x, y))
