"""The overlays of the active tool: the brush cursor at the pointer and the outline of a shape in progress."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QPainter

from sdxl_desktop.session.document.mask_shapes import Outline
from sdxl_desktop.ui.painting import brush_cursor
from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.painting.pointer import PaintContext, Pointer
from sdxl_desktop.ui.painting.tool_settings import ToolSettings
from sdxl_desktop.ui.painting.tools import erases


class ToolOverlays:
    """Paints the overlays, and repaints only the old and the new areas that they cover."""

    def __init__(self, canvas: PictureView, settings: ToolSettings) -> None:
        self._canvas, self._settings = canvas, settings
        self._outline: Outline | None = None
        self._pointer: Pointer | None = None
        self._pinned_position: QPointF | None = None
        self._cursor_rect = QRect()
        self._enabled = False

    @property
    def pointer(self) -> Pointer | None:
        """Return the last known pointer."""
        return self._pointer

    def apply_settings(self, settings: ToolSettings) -> None:
        self._settings = settings
        self._repaint_cursor()

    def set_enabled(self, enabled: bool) -> None:
        """Show or hide the overlays."""
        self._enabled = enabled
        self._repaint_cursor()

    def set_outline(self, outline: Outline | None) -> None:
        self._repaint_outline()
        self._outline = outline
        self._repaint_outline()

    def set_pointer(self, pointer: Pointer | None) -> None:
        """Move the brush cursor to the pointer."""
        self._pointer = pointer
        self._repaint_cursor()

    def pin_cursor(self, position: QPointF | None) -> None:
        """Keep the brush cursor at this point of the picture while the pointer moves, until called with None."""
        self._pinned_position = position
        self._repaint_cursor()

    def paint(self, painter: QPainter, context: PaintContext) -> None:
        if self._outline is not None:
            brush_cursor.paint_outline(painter, brush_cursor.outline_to_widget(self._outline, context.viewport))
        place = self._cursor_circle()
        if place is not None and self._pointer is not None:
            settings = self._settings
            self._cursor_rect = brush_cursor.brush_cursor_rect(*place)
            if self._cursor_rect.intersects(context.exposed):
                brush_cursor.paint_brush_cursor(
                    painter, *place, settings.hardness, erases=erases(settings, self._pointer)
                )

    def _repaint_outline(self) -> None:
        if self._outline is not None and len(self._outline):
            corners = brush_cursor.outline_to_widget(self._outline, self._canvas.viewport)
            self._canvas.update(corners.boundingRect().adjusted(-3, -3, 3, 3).toAlignedRect())

    def _repaint_cursor(self) -> None:
        self._canvas.update(self._cursor_rect)
        place = self._cursor_circle()
        self._cursor_rect = QRect() if place is None else brush_cursor.brush_cursor_rect(*place)
        self._canvas.update(self._cursor_rect)

    def _cursor_circle(self) -> tuple[QPointF, float] | None:
        """Return the cursor's centre and radius in logical pixels, or None if no cursor is shown."""
        if self._pointer is None or not self._enabled or not self._settings.tool.paints:
            return None
        look = self._canvas.viewport
        middle = (
            self._pointer.widget_position
            if self._pinned_position is None
            else look.to_widget_point(self._pinned_position)
        )
        return middle, self._settings.size / 2 * look.scale
