"""The base of the dialogs that start a long job: two buttons, the Enter key, and the disk space."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QPushButton, QWidget

from sdxl_desktop.ui.library import library_formatting, library_stylesheet
from sdxl_desktop.ui.library.common_widgets import scroll_area, set_tone
from sdxl_desktop.ui.library.free_resources import DISK_RESERVE, FreeResources
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, escape_window_title


class JobStartDialog(FittedDialog):
    """`start` accepts the dialog, `cancel` rejects it. Enter starts the job only if it can be started."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(escape_window_title(title))
        self.setStyleSheet(library_stylesheet.LIBRARY_STYLESHEET)
        self.start_button = with_role(QPushButton("&Start"), "primary")
        self.cancel_button = QPushButton("Cancel")
        self.start_button.setDefault(True)
        self.cancel_button.setAutoDefault(False)
        self.start_button.clicked.connect(self.accept)
        self.cancel_button.clicked.connect(self.reject)

    def button_row(self) -> QHBoxLayout:
        """Return both buttons in a right-aligned row."""
        line = row()
        line.addStretch(1)
        line.addWidget(self.cancel_button)
        line.addWidget(self.start_button)
        return line

    def set_scrolling_content(self, content: QLayout) -> None:
        """Show `content` above the buttons; it scrolls if it is too long."""
        whole = column(scroll_area(content), self.button_row(), spacing=16, margins=(24, 24, 24, 16))
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self.start_button.isEnabled():
            return
        super().keyPressEvent(event)


def show_disk_space(label: PlainTextLabel, required_bytes: int, resources: FreeResources) -> bool:
    """Show the required and the free bytes of disk on `label`; return whether there is enough."""
    fits = required_bytes + DISK_RESERVE <= resources.disk_bytes
    required, free = map(library_formatting.format_size, (required_bytes, resources.disk_bytes))
    text = f"{required} must be free while it works, and {free} are free."
    label.setText(text if fits else f"Not enough room on the disk: {text} Make room, or choose less.")
    set_tone(label, "" if fits else "bad")
    return fits
