"""How large a window may be: what the screen has room for, the system's own bars and the window's frame left out."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget

_WINDOW_FRAME_SIZE = QSize(16, 48)
"""Logical pixels for the frame and title that the system puts around a window that it has not shown yet."""


def available_screen_size(window: QWidget) -> QSize:
    """The largest size that `window` can have on its screen, in logical pixels."""
    return (window.screen().availableSize() - _WINDOW_FRAME_SIZE).expandedTo(QSize(320, 240))


def shrink_to_screen(window: QWidget) -> None:
    """Make `window` no larger than its screen has room for, and let it be made smaller than that."""
    room = available_screen_size(window)
    least = window.minimumSize()
    if least != least.boundedTo(room):  # else it stays what the layout says, also when that changes
        window.setMinimumSize(least.boundedTo(room))
    window.resize(window.size().boundedTo(room))
