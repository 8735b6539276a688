"""A few lines of text that grow with what is written, under a label with a token counter."""

from __future__ import annotations

import math

from PySide6.QtCore import QMimeData, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QSizePolicy, QWidget

from sdxl_desktop.library.tokens import CHUNK, TokenCounter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row

_ROOM = 12


class GrowingEdit(QPlainTextEdit):
    """Plain text between `least` and `most` lines high; Tab moves on, Enter breaks the line."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self._least, self._most = least, most
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit()

    def keyPressEvent(self, key: QKeyEvent) -> None:
        """Leave Ctrl+Enter to the window: it generates."""
        if key.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and key.modifiers() & Qt.KeyboardModifier.ControlModifier:
            key.ignore()
            return
        super().keyPressEvent(key)

    def replace_text(self, text: str) -> None:
        """Put `text` in place of everything, in a way that Undo takes back: what was typed is never lost."""
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.setTextCursor(cursor)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Words only: a picture or file dropped here by mistake leaves no path in the prompt."""
        return source.hasText() and not source.hasUrls()

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self._height(self._least))

    def _height(self, lines: float) -> int:
        return math.ceil(lines * self.fontMetrics().lineSpacing()) + _ROOM + 8

    def _fit(self) -> None:
        lines = max(self._least, min(self._most, self.document().size().height()))
        self.setFixedHeight(self._height(lines))
        overfull = self.document().size().height() > self._most
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if overfull else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(policy)


class PromptField(QWidget):
    """One prompt: label, token counter, text."""

    changed = Signal()

    def __init__(self, title: str, placeholder: str, tip: str, *, least: int = 2, most: int = 8) -> None:
        super().__init__()
        self._counter: TokenCounter | None = None
        self._label = heading(title)
        self._count = muted()
        self._edit = GrowingEdit(least, most)
        self._lay_out(title.replace("&", ""), placeholder, tip)
        self._edit.textChanged.connect(self._typed)

    def _lay_out(self, name: str, placeholder: str, tip: str) -> None:
        self._label.setBuddy(self._edit)
        self._edit.setPlaceholderText(placeholder)
        self._edit.setAccessibleName(name)
        for widget in (self._edit, self._label):
            widget.setToolTip(tip)
        self._count.setToolTip(glossary.TOKENS.format(chunk=CHUNK))
        head = row(self._label, self._count)
        head.insertStretch(1)
        self.setLayout(column(head, self._edit, spacing=4))

    def value(self) -> str:
        return self._edit.toPlainText()

    def set_value(self, text: str) -> None:
        if text != self.value():
            with QSignalBlocker(self):
                self._edit.replace_text(text)

    def focus(self) -> None:
        """Put the cursor into the text."""
        self._edit.setFocus()

    def set_counter(self, counter: TokenCounter | None) -> None:
        """Count with this from now on; None hides the count."""
        self._counter = counter
        self._show_count()

    @property
    def count_label(self) -> QLabel:
        return self._count

    def _typed(self) -> None:
        self._show_count()
        self.changed.emit()

    def _show_count(self) -> None:
        self._count.setText("" if self._counter is None else count_text(self._counter, self.value()))


def count_text(counter: TokenCounter, text: str) -> str:
    """ "12 / 77", and beyond one chunk "92 tokens in 2 chunks of 77"; both count the start and end marks."""
    count = counter.count(text)
    if count.chunks == 1:
        return f"{count.encoded if count.tokens else 0} / {CHUNK}"
    return f"{count.encoded} tokens in {count.chunks} chunks of {CHUNK}"
