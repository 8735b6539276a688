"""Few-step checkpoints: says which settings were changed for one, and restores them on request."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip


class FewStepNote(QWidget):
    """One line, visible only after a few-step checkpoint was selected. `restore_requested`: undo the changes."""

    restore_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._label = ElidedLabel()
        self._restore_button = with_role(QPushButton("Keep mine"), "link")
        self._restore_button.setToolTip(tooltips.KEEP_MINE)
        line = row(spacing=4)
        line.addWidget(self._label, 1)
        line.addWidget(self._restore_button)
        self.setLayout(line)
        self._restore_button.clicked.connect(self.restore_requested)
        self.hide()

    def show_words(self, words: str) -> None:
        """Show which settings were changed for the checkpoint; "" hides the note."""
        self._label.setText(words)
        self._label.setToolTip(plain_text_tooltip(words))
        self.setVisible(bool(words))
