"""The history dialog: find an earlier prompt, use it, delete it, or clear the history."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QPushButton, QWidget

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.prompt_history import UsedPrompt
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_EMPTY = "The prompts that you draw with are listed here."
_OFF = "Prompts are not remembered. Settings, Prompts, Remember prompts turns it on."
_NO_MATCH = "No prompt holds these words."
_SIZE = QSize(560, 480)


class HistoryDialog(FittedDialog):
    """Emits `use_requested` and `delete_requested` with a `UsedPrompt`, and `clear_requested`."""

    use_requested = Signal(object)
    delete_requested = Signal(object)
    clear_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Prompt history")
        self.setObjectName("promptHistory")
        self._prompts: tuple[UsedPrompt, ...] = ()
        self._remembers = True
        self._search = QLineEdit()
        self._list = _PromptList()
        self._note = muted_label(wrap=True)
        self._use = with_role(QPushButton("&Use it"), "primary")
        self._delete, self._clear = QPushButton("&Delete"), QPushButton("Delete &all")
        self._lay_out()
        self._search.textChanged.connect(self._show)
        self._list.itemActivated.connect(lambda _: self._emit_use())
        self._list.delete_pressed.connect(self._emit_delete)
        self._list.currentRowChanged.connect(lambda _: self._enable())
        self._use.clicked.connect(self._emit_use)
        self._delete.clicked.connect(self._emit_delete)
        self._clear.clicked.connect(self.clear_requested)

    def _lay_out(self) -> None:
        self._search.setPlaceholderText("Search prompts")
        self._search.setAccessibleName("Search prompts")
        self._search.setClearButtonEnabled(True)
        foot = row(self._delete, self._clear)
        foot.addStretch(1)
        foot.addWidget(self._use)
        for button in (self._delete, self._clear):
            button.setAutoDefault(False)
        whole = column(self._search, self._note, self._list, foot, spacing=12, margins=(16, 16, 16, 16))
        whole.setStretch(2, 1)
        self.setLayout(whole)
        self.resize(_SIZE.boundedTo(self.screen().availableSize() * 0.9))

    def set_prompts(self, prompts: Sequence[UsedPrompt], *, remembers: bool) -> None:
        """Show these, the newest first; `remembers`: new ones are added."""
        self._prompts, self._remembers = tuple(prompts), remembers
        self._show()

    def _show(self) -> None:
        row = self._list.currentRow()
        self._list.clear()
        for used in self._prompts:
            if used.matches(self._search.text()):
                item = QListWidgetItem(_line(used))
                item.setData(Qt.ItemDataRole.UserRole, used)
                item.setToolTip(plain_text_tooltip(_whole(used)))
                self._list.addItem(item)
        self._list.setCurrentRow(max(0, min(row, self._list.count() - 1)))
        words = "" if self._remembers else _OFF
        if not self._list.count():
            words = _NO_MATCH if self._prompts else words or _EMPTY
        self._note.setText(words)
        self._note.setVisible(bool(words))
        self._enable()

    def _enable(self) -> None:
        for button in (self._use, self._delete):
            button.setEnabled(self._current() is not None)
        self._clear.setEnabled(bool(self._prompts))

    def _current(self) -> UsedPrompt | None:
        item = self._list.currentItem()
        used = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        return used if isinstance(used, UsedPrompt) else None

    def _emit_use(self) -> None:
        used = self._current()
        if used is not None:
            self.use_requested.emit(used)
            self.accept()

    def _emit_delete(self) -> None:
        used = self._current()
        if used is not None:
            self.delete_requested.emit(used)


class _PromptList(QListWidget):
    delete_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Earlier prompts")
        self.setSpacing(3)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
            return
        super().keyPressEvent(event)


def _line(used: UsedPrompt) -> str:
    styles = f"  [{', '.join(used.styles)}]" if used.styles else ""
    return display_text(used.prompt + styles, 300)


def _whole(used: UsedPrompt) -> str:
    parts = [used.prompt[:1000]]
    if used.negative_prompt:
        parts.append(f"Negative: {used.negative_prompt[:500]}")
    if used.styles:
        parts.append(f"Styles: {display_text(', '.join(used.styles), 300)}")
    return "\n".join(parts)
