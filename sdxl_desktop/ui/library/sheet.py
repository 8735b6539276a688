"""What sheets share that ask before something long begins: two buttons, what Enter does, and the room on the disk."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QPushButton, QWidget

from sdxl_desktop.ui.library import look, words
from sdxl_desktop.ui.library.pieces import scrolled, set_tone
from sdxl_desktop.ui.library.room import RESERVE, Room
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_title


class Sheet(Dialog):
    """`start` accepts it, `cancel` does not. Enter starts, but not what cannot be."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(plain_title(title))
        self.setStyleSheet(look.SHEET)
        self.start = dressed(QPushButton("&Start"), "primary")
        self.cancel = QPushButton("Cancel")
        self.start.setDefault(True)
        self.cancel.setAutoDefault(False)
        self.start.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)

    def buttons(self) -> QHBoxLayout:
        """The two in a line, on the right."""
        line = row()
        line.addStretch(1)
        line.addWidget(self.cancel)
        line.addWidget(self.start)
        return line

    def fill(self, content: QLayout) -> None:
        """Show `content`, which scrolls where it is long, above the buttons."""
        whole = column(scrolled(content), self.buttons(), spacing=16, margins=(24, 24, 24, 16))
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def keyPressEvent(self, key: QKeyEvent) -> None:
        if key.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self.start.isEnabled():
            return
        super().keyPressEvent(key)


def tell_disk(label: PlainLabel, needed: int, room: Room) -> bool:
    """Say on `label` how many bytes must be free on the disk and how many are; returns whether that will do."""
    fits = needed + RESERVE <= room.disk
    text = f"{words.size(needed)} must be free while it works, and {words.size(room.disk)} are free."
    label.setText(text if fits else f"Not enough room on the disk: {text} Make room, or choose less.")
    set_tone(label, "" if fits else "bad")
    return fits
