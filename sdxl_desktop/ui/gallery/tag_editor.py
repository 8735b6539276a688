"""Edits the tags of the selected pictures: a box for each tag there is, and a field for a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialogButtonBox, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from sdxl_desktop.history.entries import MAX_TAG, HistoryEntry, TagCount
from sdxl_desktop.ui.gallery.entry_text import format_count
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic


@dataclass(frozen=True, slots=True)
class TagChange:
    """Tags to add to all selected pictures, and to remove from all."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


class TagEditor(FittedDialog):
    """Shows the tags of `entries` among those in `known`. A partly checked tag is on some of the pictures and stays so
    until it is clicked."""

    def __init__(self, entries: Sequence[HistoryEntry], known: Sequence[TagCount], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Tags")
        self._before = {tag.tag: _state_of(tag.tag, entries) for tag in known}
        self._boxes: dict[str, QCheckBox] = {}
        self._list = QVBoxLayout()
        self._list.addStretch(1)
        self._empty = muted_label("No picture has a tag yet. Type the first one above.", wrap=True)
        self.field = QLineEdit(placeholderText="New tag", maxLength=MAX_TAG)
        self.field.setAccessibleName("New tag")
        self._add_button = QPushButton("Add")
        self._add_button.setAutoDefault(False)
        self._add_button.setEnabled(False)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._lay_out(len(entries))
        for tag, state in self._before.items():
            self._add_box(tag, state)
        self._connect()

    def _lay_out(self, count: int) -> None:
        inside = QWidget()
        inside.setObjectName("panelContent")
        inside.setLayout(self._list)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setWidget(inside)
        scroll.setMinimumSize(280, 160)
        new = row(self.field, self._add_button)
        whole = column(muted_label(f"Tags of {format_count(count)}"), new, self._empty, scroll, self.buttons)
        whole.setContentsMargins(16, 16, 16, 16)
        whole.setStretch(3, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        self.field.textChanged.connect(lambda text: self._add_button.setEnabled(bool(text.strip())))
        self.field.returnPressed.connect(self._handle_return)
        self._add_button.clicked.connect(self._add_new)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    def _add_box(self, tag: str, state: Qt.CheckState) -> None:
        box = QCheckBox(escape_mnemonic(tag))
        box.setTristate(state is Qt.CheckState.PartiallyChecked)
        box.setCheckState(state)
        box.clicked.connect(lambda: box.setTristate(False))
        self._boxes[tag] = box
        self._list.insertWidget(self._list.count() - 1, box)
        self._empty.hide()

    def _handle_return(self) -> None:
        if self.field.text().strip():
            self._add_new()
        else:
            self.accept()

    def _add_new(self) -> None:
        tag = " ".join(self.field.text().split())
        self.field.clear()
        known = next((one for one in self._boxes if one.casefold() == tag.casefold()), None)
        if known is not None:
            self._boxes[known].setTristate(False)
            self._boxes[known].setChecked(True)
        elif tag:
            self._before[tag] = Qt.CheckState.Unchecked
            self._add_box(tag, Qt.CheckState.Checked)

    def value(self) -> TagChange:
        """Return what the person changed; a tag typed but not added yet counts as added."""
        if self.field.text().strip():
            self._add_new()
        changed = {tag: box.checkState() for tag, box in self._boxes.items() if box.checkState() != self._before[tag]}
        added = tuple(tag for tag, state in changed.items() if state is Qt.CheckState.Checked)
        removed = tuple(tag for tag, state in changed.items() if state is Qt.CheckState.Unchecked)
        return TagChange(added, removed)


def _state_of(tag: str, entries: Sequence[HistoryEntry]) -> Qt.CheckState:
    having = sum(tag in entry.tags for entry in entries)
    if not having:
        return Qt.CheckState.Unchecked
    return Qt.CheckState.Checked if having == len(entries) else Qt.CheckState.PartiallyChecked
