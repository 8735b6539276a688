"""The keys of painting, each with what it does."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

from sdxl_desktop.ui.painting.settings import ToolKind


class Deed(Enum):
    """What a key can do besides taking up a tool."""

    SMALLER = auto()
    LARGER = auto()
    SOFTER = auto()
    HARDER = auto()
    SWAP = auto()
    TOGGLE_OVERLAY = auto()
    INVERT = auto()
    CLEAR = auto()
    UNDO = auto()
    REDO = auto()


_BY_TEXT = {"[": Deed.SMALLER, "]": Deed.LARGER, "{": Deed.SOFTER, "}": Deed.HARDER}
_PLAIN = {
    Qt.Key.Key_X: Deed.SWAP,
    Qt.Key.Key_M: Deed.TOGGLE_OVERLAY,
    Qt.Key.Key_Delete: Deed.CLEAR,
}
_BRACKETS = {Qt.Key.Key_BracketLeft: Deed.SOFTER, Qt.Key.Key_BracketRight: Deed.HARDER}
_WITH_CONTROL = {Qt.Key.Key_Z: Deed.UNDO, Qt.Key.Key_Y: Deed.REDO, Qt.Key.Key_I: Deed.INVERT}
_TOOLS = {tool.key: tool for tool in ToolKind}


def meaning(key: QKeyEvent) -> Deed | ToolKind | float | None:
    """What a key stands for: a deed, a tool, an opacity in (0, 1] (the digits), or nothing."""
    modifiers = key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    code = Qt.Key(key.key())
    if modifiers == Qt.KeyboardModifier.ControlModifier:
        return _WITH_CONTROL.get(code)
    shift = Qt.KeyboardModifier.ShiftModifier
    if modifiers == Qt.KeyboardModifier.ControlModifier | shift:
        return Deed.REDO if code == Qt.Key.Key_Z else None
    if key.text() in _BY_TEXT and not modifiers & Qt.KeyboardModifier.AltModifier:  # where a layout has them
        return _BRACKETS.get(code, _BY_TEXT[key.text()]) if modifiers == shift else _BY_TEXT[key.text()]
    if modifiers == shift:
        return _BRACKETS.get(code)
    if modifiers != Qt.KeyboardModifier.NoModifier:
        return None
    if Qt.Key.Key_0 <= code <= Qt.Key.Key_9:
        return (int(code) - int(Qt.Key.Key_0)) / 10 or 1.0
    return _PLAIN.get(code) or _TOOLS.get(chr(code) if code < 128 else "")
