"""A window that asks or shows one thing: never larger than its screen, whatever its content wants."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog

from sdxl_desktop.ui.screen_size import shrink_to_screen


class FittedDialog(QDialog):
    """The kind of every dialog of this application but of message boxes, which Qt keeps on the screen itself."""

    def showEvent(self, event: QShowEvent) -> None:
        if not event.spontaneous():
            shrink_to_screen(self)
        super().showEvent(event)
