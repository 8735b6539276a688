"""Which checkpoint draws: a list of the library and the chosen one's description."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import Choice
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import plain_tip


class CheckpointPanel(QWidget):
    """Edits the name of the chosen checkpoint; `checkpoint()` is the chosen one itself. `library_wanted`: the page with
    all of them should be shown."""

    changed = Signal()
    library_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self._label = heading("Chec&kpoint")
        self._choice = Choice("Checkpoint")
        self._description = muted(wrap=True)
        self._library = IconButton("library", "Checkpoints", "All checkpoints: add, look at and remove them (Ctrl+L)")
        self._lay_out()
        self._choice.currentIndexChanged.connect(self._chosen)
        self._library.clicked.connect(self.library_wanted)

    def _lay_out(self) -> None:
        self._label.setBuddy(self._choice)
        for widget in (self._label, self._choice):
            widget.setToolTip(glossary.CHECKPOINT)
        self._choice.setPlaceholderText("Looking for checkpoints…")
        self._description.hide()
        self._library.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        line = row(self._choice, self._library, spacing=4)
        line.setStretch(0, 1)
        self.setLayout(column(self._label, line, self._description, spacing=4))

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint], wanted: str) -> None:
        """Offer these and choose the one called `wanted`, or the first that draws from words. Does not emit."""
        with QSignalBlocker(self):
            self._checkpoints = tuple(checkpoints)
            self._choice.clear()
            for checkpoint in checkpoints:
                self._choice.addItem(checkpoint.title, checkpoint.name)
                tip = plain_tip(checkpoint.description or str(checkpoint.folder))
                self._choice.setItemData(self._choice.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
            self._choice.setPlaceholderText("No checkpoint found")
            self.set_value(wanted)
            if checkpoints and self._choice.findData(wanted) < 0:
                kinds = [checkpoint.kind for checkpoint in checkpoints]
                self._choice.setCurrentIndex(kinds.index(CheckpointKind.BASE) if CheckpointKind.BASE in kinds else 0)
            self._chosen()

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return self._checkpoints

    def checkpoint(self) -> Checkpoint | None:
        index = self._choice.currentIndex()
        return self._checkpoints[index] if 0 <= index < len(self._checkpoints) else None

    def value(self) -> str:
        chosen = self.checkpoint()
        return chosen.name if chosen else ""

    def set_value(self, name: str) -> None:
        """Choose the checkpoint called `name`; an unknown name changes nothing."""
        index = self._choice.findData(name)
        if index >= 0:
            with QSignalBlocker(self):
                self._choice.setCurrentIndex(index)

    def choose(self, name: str) -> bool:
        """Choose the checkpoint called `name` as a person does, which is told; False where there is none."""
        index = self._choice.findData(name)
        self._choice.setCurrentIndex(index if index >= 0 else self._choice.currentIndex())
        return index >= 0

    def show_jobs(self, words: str) -> None:
        """Say beside the choice how far the checkpoints are that come in; "" when none do."""
        self._library.setText(words)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if words else Qt.ToolButtonStyle.ToolButtonIconOnly
        self._library.setToolButtonStyle(style)
        self._library.setAccessibleDescription(f"At work: {words}" if words else "")

    def _chosen(self) -> None:
        chosen = self.checkpoint()
        self._description.setText(chosen.description if chosen else "")
        self._description.setVisible(bool(chosen and chosen.description))
        self.changed.emit()
