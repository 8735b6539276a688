"""The checkpoint selector: a list of the library and the description of the selected one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip


class CheckpointPanel(QWidget):
    """Edits the name of the selected checkpoint; `checkpoint()` returns the checkpoint itself. `library_requested`: the
    library dialog should be shown."""

    changed = Signal()
    library_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self._label = heading_label("Chec&kpoint")
        self._combo_box = ComboBox("Checkpoint")
        self._description = muted_label(wrap=True)
        self._library_button = IconButton(
            "library", "Checkpoints", "All checkpoints: add, look at and remove them (Ctrl+L)"
        )
        self._lay_out()
        self._combo_box.currentIndexChanged.connect(self._handle_selection)
        self._library_button.clicked.connect(self.library_requested)

    def _lay_out(self) -> None:
        self._label.setBuddy(self._combo_box)
        for widget in (self._label, self._combo_box):
            widget.setToolTip(tooltips.CHECKPOINT)
        self._combo_box.setPlaceholderText("Looking for checkpoints…")
        self._description.hide()
        self._library_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        line = row(self._combo_box, self._library_button, spacing=4)
        line.setStretch(0, 1)
        self.setLayout(column(self._label, line, self._description, spacing=4))

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint], selected: str) -> None:
        """List these and select the one called `selected`, or else the first text-to-image one. Does not emit."""
        with QSignalBlocker(self):
            self._checkpoints = tuple(checkpoints)
            self._combo_box.clear()
            for checkpoint in checkpoints:
                self._combo_box.addItem(checkpoint.title, checkpoint.name)
                tip = plain_text_tooltip(checkpoint.description or str(checkpoint.folder))
                self._combo_box.setItemData(self._combo_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
            self._combo_box.setPlaceholderText("No checkpoint found")
            self.set_value(selected)
            if checkpoints and self._combo_box.findData(selected) < 0:
                kinds = [checkpoint.kind for checkpoint in checkpoints]
                self._combo_box.setCurrentIndex(kinds.index(CheckpointKind.BASE) if CheckpointKind.BASE in kinds else 0)
            self._handle_selection()

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return self._checkpoints

    def checkpoint(self) -> Checkpoint | None:
        index = self._combo_box.currentIndex()
        return self._checkpoints[index] if 0 <= index < len(self._checkpoints) else None

    def value(self) -> str:
        chosen = self.checkpoint()
        return chosen.name if chosen else ""

    def set_value(self, name: str) -> None:
        """Select the checkpoint called `name`; an unknown name changes nothing."""
        index = self._combo_box.findData(name)
        if index >= 0:
            with QSignalBlocker(self):
                self._combo_box.setCurrentIndex(index)

    def select(self, name: str) -> bool:
        """Select the checkpoint called `name` as a user would, emitting `changed`; return False if there is none."""
        index = self._combo_box.findData(name)
        self._combo_box.setCurrentIndex(index if index >= 0 else self._combo_box.currentIndex())
        return index >= 0

    def set_jobs_text(self, text: str) -> None:
        """Show the progress of running imports beside the selector; "" for none."""
        self._library_button.setText(text)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if text else Qt.ToolButtonStyle.ToolButtonIconOnly
        self._library_button.setToolButtonStyle(style)
        self._library_button.setAccessibleDescription(f"At work: {text}" if text else "")

    def _handle_selection(self) -> None:
        chosen = self.checkpoint()
        self._description.setText(chosen.description if chosen else "")
        self._description.setVisible(bool(chosen and chosen.description))
        self.changed.emit()
