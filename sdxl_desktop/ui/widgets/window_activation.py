"""Tells when a person comes back to a window."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QWidget


class WindowActivation(QObject):
    """Emits `activated` when `window` becomes the active one. It holds nothing: Qt keeps a filter as long as what it
    filters, out of sight of Python's garbage collector."""

    activated = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.WindowActivate:
            self.activated.emit()
        return False
