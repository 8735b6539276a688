"""Few-step checkpoints: says which settings came with one, and takes them back on request."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.layout import ElidedLabel, row
from sdxl_desktop.ui.widgets.plain import plain_tip


class FewStepNote(QWidget):
    """One line, only there after a few-step checkpoint was chosen. `keep_wanted`: the settings should go back."""

    keep_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._words = ElidedLabel()
        self._keep = dressed(QPushButton("Keep mine"), "link")
        self._keep.setToolTip(glossary.KEEP_MINE)
        line = row(spacing=4)
        line.addWidget(self._words, 1)
        line.addWidget(self._keep)
        self.setLayout(line)
        self._keep.clicked.connect(self.keep_wanted)
        self.hide()

    def show_words(self, words: str) -> None:
        """Say which settings came with the checkpoint; "" where none did."""
        self._words.setText(words)
        self._words.setToolTip(plain_tip(words))
        self.setVisible(bool(words))
