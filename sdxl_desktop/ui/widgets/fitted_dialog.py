"""A dialog that is never larger than its screen, whatever its content requests."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog

from sdxl_desktop.ui.screen_size import shrink_to_screen


class FittedDialog(QDialog):
    """Base class of all dialogs here except message boxes, which Qt itself keeps on the screen."""

    def showEvent(self, event: QShowEvent) -> None:
        if not event.spontaneous():
            shrink_to_screen(self)
        super().showEvent(event)
