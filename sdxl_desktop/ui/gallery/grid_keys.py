"""The keys of the grid: moving, selecting, rating, and typing to search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence

if TYPE_CHECKING:
    from sdxl_desktop.ui.gallery.picture_grid import PictureGrid

_CONTROL, _SHIFT, _KEYPAD = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.KeypadModifier,
)
_COMMANDS = _CONTROL | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_STAR_KEYS = (Qt.Key.Key_Asterisk, Qt.Key.Key_Period)
_ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class GridKeys:
    """Arrows, Home, End and Page keys move; with Shift they extend the selection, with Ctrl they only move the focus.
    Space selects or deselects, 0 to 5 rate, * or . stars, Delete deletes, Enter opens, letters search."""

    def __init__(self, grid: PictureGrid) -> None:
        self._grid = grid

    def takes(self, event: QKeyEvent) -> bool:
        """Whether the grid handles this key itself, so no shortcut of the window must."""
        return self._action(event) is not None

    def handle(self, event: QKeyEvent) -> bool:
        """Handle the key; return whether it is one of the grid's."""
        action = self._action(event)
        if action is not None:
            action()
        return action is not None

    def _action(self, event: QKeyEvent) -> Callable[[], object] | None:
        grid, key, modifiers = self._grid, Qt.Key(event.key()), event.modifiers() & ~_KEYPAD
        if event.matches(QKeySequence.StandardKey.SelectAll):
            return grid.select_all
        target = self._target(key)
        if target is not None and not modifiers & ~(_CONTROL | _SHIFT):
            return lambda: self._move(target(), modifiers)
        if key == Qt.Key.Key_Space and not modifiers & ~_CONTROL:
            return self._toggle_current
        if modifiers & _COMMANDS:
            return None
        if key in _ENTER_KEYS:
            return grid.activated.emit
        if key == Qt.Key.Key_Delete:
            return grid.delete_requested.emit
        if key in _STAR_KEYS:
            return grid.star_requested.emit
        if Qt.Key.Key_0 <= key <= Qt.Key.Key_5:
            rating = key - Qt.Key.Key_0
            return lambda: grid.rating_requested.emit(rating)
        text = event.text()
        if text[:1].isalpha() or text in ('"', "/"):
            return lambda: grid.text_typed.emit("" if text == "/" else text)
        return None

    def _target(self, key: Qt.Key) -> Callable[[], int] | None:
        """Return what computes the number of the picture that `key` moves to; None for other keys."""
        grid = self._grid
        cells = grid.layout_of_cells
        here = grid.current_number() or 0
        rows = max(1, grid.viewport().height() // (cells.side + 8))
        last = max(0, cells.count - 1)
        targets: dict[Qt.Key, Callable[[], int]] = {
            Qt.Key.Key_Left: lambda: max(0, here - 1),
            Qt.Key.Key_Right: lambda: min(last, here + 1),
            Qt.Key.Key_Up: lambda: cells.below(here, -1),
            Qt.Key.Key_Down: lambda: cells.below(here, 1),
            Qt.Key.Key_PageUp: lambda: cells.below(here, -rows),
            Qt.Key.Key_PageDown: lambda: cells.below(here, rows),
            Qt.Key.Key_Home: lambda: 0,
            Qt.Key.Key_End: lambda: last,
        }
        return targets.get(key)

    def _move(self, number: int, modifiers: Qt.KeyboardModifier) -> None:
        grid = self._grid
        entry_id = grid.id_at(number)
        if entry_id is None:
            return
        if modifiers & _SHIFT:
            grid.extend_to(entry_id, keep=bool(modifiers & _CONTROL))
        elif modifiers & _CONTROL:
            grid.change_selection(lambda selection: selection.move_current(entry_id))
        else:
            grid.select(entry_id)

    def _toggle_current(self) -> None:
        current = self._grid.current
        if current is not None:
            self._grid.change_selection(lambda selection: selection.toggle(current))
