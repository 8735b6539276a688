"""The keyboard shortcuts for painting."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

from sdxl_desktop.ui.painting.tool_settings import ToolKind


class PaintShortcut(Enum):
    """The actions of shortcuts, apart from selecting a tool."""

    SMALLER_BRUSH = auto()
    LARGER_BRUSH = auto()
    SOFTER_BRUSH = auto()
    HARDER_BRUSH = auto()
    SWAP_TOOL = auto()
    TOGGLE_OVERLAY = auto()
    INVERT_MASK = auto()
    CLEAR_MASK = auto()
    UNDO = auto()
    REDO = auto()


_BY_KEY_TEXT = {
    "[": PaintShortcut.SMALLER_BRUSH,
    "]": PaintShortcut.LARGER_BRUSH,
    "{": PaintShortcut.SOFTER_BRUSH,
    "}": PaintShortcut.HARDER_BRUSH,
}
_WITHOUT_MODIFIER = {
    Qt.Key.Key_X: PaintShortcut.SWAP_TOOL,
    Qt.Key.Key_M: PaintShortcut.TOGGLE_OVERLAY,
    Qt.Key.Key_Delete: PaintShortcut.CLEAR_MASK,
}
_BRACKETS = {Qt.Key.Key_BracketLeft: PaintShortcut.SOFTER_BRUSH, Qt.Key.Key_BracketRight: PaintShortcut.HARDER_BRUSH}
_WITH_CONTROL = {
    Qt.Key.Key_Z: PaintShortcut.UNDO,
    Qt.Key.Key_Y: PaintShortcut.REDO,
    Qt.Key.Key_I: PaintShortcut.INVERT_MASK,
}
_TOOLS_BY_KEY = {tool.key: tool for tool in ToolKind}


def shortcut_for(key: QKeyEvent) -> PaintShortcut | ToolKind | float | None:
    """Return a key's meaning: an action, a tool, an opacity in (0, 1] (the digits), or None."""
    modifiers = key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    code = Qt.Key(key.key())
    if modifiers == Qt.KeyboardModifier.ControlModifier:
        return _WITH_CONTROL.get(code)
    shift = Qt.KeyboardModifier.ShiftModifier
    if modifiers == Qt.KeyboardModifier.ControlModifier | shift:
        return PaintShortcut.REDO if code == Qt.Key.Key_Z else None
    if key.text() in _BY_KEY_TEXT and not modifiers & Qt.KeyboardModifier.AltModifier:  # where the layout has them
        return _BRACKETS.get(code, _BY_KEY_TEXT[key.text()]) if modifiers == shift else _BY_KEY_TEXT[key.text()]
    if modifiers == shift:
        return _BRACKETS.get(code)
    if modifiers != Qt.KeyboardModifier.NoModifier:
        return None
    if Qt.Key.Key_0 <= code <= Qt.Key.Key_9:
        return (int(code) - int(Qt.Key.Key_0)) / 10 or 1.0
    return _WITHOUT_MODIFIER.get(code) or _TOOLS_BY_KEY.get(chr(code) if code < 128 else "")
