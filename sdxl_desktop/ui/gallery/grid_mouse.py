"""The mouse in the grid: selecting, rubber band, dragging pictures out, double click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QRubberBand

if TYPE_CHECKING:
    from sdxl_desktop.ui.gallery.picture_grid import PictureGrid

_CONTROL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
_SCROLL_INTERVAL_MS = 30
_SCROLL_SHARE = 4
"""Beyond the edge, each interval scrolls by the distance divided by this."""


class GridMouse:
    """Handles the viewport's mouse events. Positions with a `y` in the content are called points."""

    def __init__(self, grid: PictureGrid) -> None:
        self._grid = grid
        self._pressed_at: QPoint | None = None
        self._pressed_id: int | None = None
        self._select_on_release = False
        self._band_from: QPoint | None = None
        self._band_kept: set[int] = set()
        self._pointer = QPoint()
        self._band: QRubberBand | None = None
        self._scroll_timer = QTimer(grid, interval=_SCROLL_INTERVAL_MS)
        self._scroll_timer.timeout.connect(self._scroll_beyond_edge)

    def handle_event(self, event: QEvent) -> bool:
        """Handle a mouse event of the viewport; return whether it is finished."""
        if not isinstance(event, QMouseEvent):
            return False
        match event.type():
            case QEvent.Type.MouseButtonPress:
                self._press(event)
            case QEvent.Type.MouseMove:
                self._move(event)
            case QEvent.Type.MouseButtonRelease:
                self._release(event)
            case QEvent.Type.MouseButtonDblClick:
                if event.button() == Qt.MouseButton.LeftButton and self._id_at(event.position().toPoint()) is not None:
                    self._grid.activated.emit()
            case _:
                return False
        return True

    def handle_scroll(self) -> None:
        """Follow the content, which has moved below the pointer."""
        if self._band_from is not None:
            self._update_band()

    def _id_at(self, position: QPoint) -> int | None:
        number = self._grid.number_at(position)
        return None if number is None else self._grid.id_at(number)

    def _press(self, event: QMouseEvent) -> None:
        position, modifiers = event.position().toPoint(), event.modifiers()
        entry_id = self._id_at(position)
        self._grid.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            if entry_id is not None and not self._grid.is_selected(entry_id):
                self._grid.select(entry_id)
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed_at, self._pressed_id, self._select_on_release = position, entry_id, False
        if entry_id is None:
            self._start_band(position, keep=bool(modifiers & (_CONTROL | _SHIFT)))
        elif modifiers & _SHIFT:
            self._grid.extend_to(entry_id, keep=bool(modifiers & _CONTROL))
        elif modifiers & _CONTROL:
            self._grid.change_selection(lambda selection: selection.toggle(entry_id))
        elif self._grid.is_selected(entry_id):
            self._select_on_release = True  # unless the selected pictures are dragged
            self._grid.change_selection(lambda selection: selection.move_current(entry_id))
        else:
            self._grid.select(entry_id)

    def _move(self, event: QMouseEvent) -> None:
        self._pointer = event.position().toPoint()
        if self._band_from is not None:
            self._update_band()
            inside = self._grid.viewport().rect().contains(self._pointer)
            if inside:
                self._scroll_timer.stop()
            elif not self._scroll_timer.isActive():
                self._scroll_timer.start()
        elif self._pressed_at is not None and self._pressed_id is not None:
            distance = (self._pointer - self._pressed_at).manhattanLength()
            if distance >= QApplication.startDragDistance() and self._grid.is_selected(self._pressed_id):
                self._pressed_at, self._select_on_release = None, False
                self._grid.drag_requested.emit()

    def _release(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        pressed = self._pressed_id
        if self._select_on_release and pressed is not None:
            self._grid.select(pressed)
        self._pressed_at = self._pressed_id = None
        self._select_on_release = False
        self._end_band()

    # rubber band

    def _start_band(self, position: QPoint, *, keep: bool) -> None:
        self._band_kept = set(self._grid.selected) if keep else set()
        if not keep:
            self._grid.clear_selection()
        self._pointer = position
        self._band_from = position + QPoint(0, self._grid.scroll_y)

    def _update_band(self) -> None:
        assert self._band_from is not None
        if self._band is None:
            self._band = QRubberBand(QRubberBand.Shape.Rectangle, self._grid.viewport())
        box = QRect(self._band_from, self._pointer + QPoint(0, self._grid.scroll_y)).normalized()
        self._band.setGeometry(box.translated(0, -self._grid.scroll_y))
        self._band.show()
        found = (self._grid.id_at(number) for number in self._grid.layout_of_cells.numbers_in(box))
        self._grid.set_selection([*self._band_kept, *(one for one in found if one is not None)])

    def _end_band(self) -> None:
        self._band_from = None
        self._scroll_timer.stop()
        if self._band is not None:
            self._band.hide()
            self._band.setGeometry(QRect(QPoint(0, 0), QSize(0, 0)))

    def _scroll_beyond_edge(self) -> None:
        view, bar = self._grid.viewport().rect(), self._grid.verticalScrollBar()
        beyond = min(0, self._pointer.y() - view.top()) + max(0, self._pointer.y() - view.bottom())
        bar.setValue(bar.value() + beyond // _SCROLL_SHARE)
