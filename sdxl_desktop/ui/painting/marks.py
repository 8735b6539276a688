"""The marks of the tool in hand: the brush's ring at the pointer and the outline of a shape in progress."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QPainter

from sdxl_desktop.session.document.shapes import Outline
from sdxl_desktop.ui.painting import ring
from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.painting.pointer import Pointer, View
from sdxl_desktop.ui.painting.settings import ToolSettings
from sdxl_desktop.ui.painting.tools import erases


class Marks:
    """Paints them, and has the canvas paint no more than what they covered and cover."""

    def __init__(self, canvas: PictureView, settings: ToolSettings) -> None:
        self._canvas, self._settings = canvas, settings
        self._outline: Outline | None = None
        self._pointer: Pointer | None = None
        self._held: QPointF | None = None
        self._ring_box = QRect()
        self._shown = False

    @property
    def pointer(self) -> Pointer | None:
        """Where the pointer was last seen."""
        return self._pointer

    def wear(self, settings: ToolSettings) -> None:
        self._settings = settings
        self._repaint_ring()

    def show(self, shown: bool) -> None:
        """Whether there is anything to mark."""
        self._shown = shown
        self._repaint_ring()

    def show_outline(self, outline: Outline | None) -> None:
        self._repaint_outline()
        self._outline = outline
        self._repaint_outline()

    def follow(self, pointer: Pointer | None) -> None:
        """The ring goes with the pointer."""
        self._pointer = pointer
        self._repaint_ring()

    def hold_ring(self, at: QPointF | None) -> None:
        """The ring stays around this point of the picture while the pointer goes on, until None."""
        self._held = at
        self._repaint_ring()

    def paint(self, painter: QPainter, view: View) -> None:
        if self._outline is not None:
            ring.paint_outline(painter, ring.outline_in_widget(self._outline, view.look))
        place = self._ring_place()
        if place is not None and self._pointer is not None:
            settings = self._settings
            self._ring_box = ring.ring_box(*place)
            if self._ring_box.intersects(view.exposed):
                ring.paint_ring(painter, *place, settings.hardness, erases=erases(settings, self._pointer))

    def _repaint_outline(self) -> None:
        if self._outline is not None and len(self._outline):
            corners = ring.outline_in_widget(self._outline, self._canvas.look)
            self._canvas.update(corners.boundingRect().adjusted(-3, -3, 3, 3).toAlignedRect())

    def _repaint_ring(self) -> None:
        self._canvas.update(self._ring_box)
        place = self._ring_place()
        self._ring_box = QRect() if place is None else ring.ring_box(*place)
        self._canvas.update(self._ring_box)

    def _ring_place(self) -> tuple[QPointF, float] | None:
        """The ring's middle and radius in points, or None when no ring is to be shown."""
        if self._pointer is None or not self._shown or not self._settings.tool.paints:
            return None
        look = self._canvas.look
        middle = self._pointer.spot if self._held is None else look.point(self._held)
        return middle, self._settings.size / 2 * look.scale
