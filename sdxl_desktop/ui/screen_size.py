"""Maximum size of a window: the available screen size without the window's frame."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget

_WINDOW_FRAME_SIZE = QSize(16, 48)
"""Logical pixels for the frame and title bar of a window that is not shown yet."""


def available_screen_size(window: QWidget) -> QSize:
    """Return the largest size that `window` can have on its screen, in logical pixels."""
    return (window.screen().availableSize() - _WINDOW_FRAME_SIZE).expandedTo(QSize(320, 240))


def shrink_to_screen(window: QWidget) -> None:
    """Limit `window` to its screen's size, and lower its minimum size if needed."""
    room = available_screen_size(window)
    least = window.minimumSize()
    if least != least.boundedTo(room):  # else keep the layout's own, possibly changing, minimum
        window.setMinimumSize(least.boundedTo(room))
    window.resize(window.size().boundedTo(room))
