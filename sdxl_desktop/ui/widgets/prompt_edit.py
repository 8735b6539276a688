"""A prompt: lines that grow with what is written and show what it means, under a label with a token counter."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QEvent, QMimeData, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QToolTip, QWidget

from sdxl_desktop.core.prompt_grammar import Problem, Severity
from sdxl_desktop.core.prompt_weighing import reweigh
from sdxl_desktop.library.tokens import CHUNK, TokenCounter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.incoming import carries_picture
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_tip
from sdxl_desktop.ui.widgets.prompt_highlighter import Positions, PromptHighlighter

WEIGHT_STEP = 0.1
WEIGHT_TIP = "Ctrl+Up and Ctrl+Down make the word at the cursor, or what is selected, count more or less."

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
        return source.hasText() and not carries_picture(source)

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


class PromptEdit(GrowingEdit):
    """A growing edit that knows the language of prompts: marks it, explains what is wrong, weighs words by key."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)
        self._highlighter = PromptHighlighter(self)

    def set_embeddings(self, tokens: Mapping[str, int]) -> None:
        """Mark these words as embeddings."""
        self._highlighter.set_embeddings(tokens)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the prompt, in order of place."""
        return self._highlighter.problems

    def keyPressEvent(self, key: QKeyEvent) -> None:
        """Ctrl+Up and Ctrl+Down weigh words, as in other programs that write prompts."""
        change = {Qt.Key.Key_Up: WEIGHT_STEP, Qt.Key.Key_Down: -WEIGHT_STEP}.get(Qt.Key(key.key()))
        pressed = key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if change is not None and pressed == Qt.KeyboardModifier.ControlModifier:
            self.weigh(change)
            key.accept()
            return
        super().keyPressEvent(key)

    def weigh(self, change: float) -> None:
        """Add `change` to the weight of the selection, or of the word or brackets at the cursor; one step for Undo."""
        if self.isReadOnly():
            return
        text, cursor = self.toPlainText(), self.textCursor()
        before = Positions(text)
        edit = reweigh(text, before.from_qt(cursor.selectionStart()), before.from_qt(cursor.selectionEnd()), change)
        if edit is None:
            return
        had_selection = cursor.hasSelection()
        cursor.beginEditBlock()
        cursor.setPosition(before.to_qt(edit.start))
        cursor.setPosition(before.to_qt(edit.end), QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(edit.text)
        cursor.endEditBlock()
        after = Positions(self.toPlainText())
        start, end = (after.to_qt(position) for position in edit.selection)
        cursor.setPosition(start if had_selection else end)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def viewportEvent(self, event: QEvent) -> bool:
        """Over something wrong the tooltip says what it is."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            problem = self._problem_under(event)
            if problem is not None:
                QToolTip.showText(event.globalPos(), plain_tip(str(problem)), self.viewport())
                return True
        return super().viewportEvent(event)

    def changeEvent(self, change: QEvent) -> None:
        super().changeEvent(change)
        if change.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and hasattr(self, "_highlighter"):
            self._highlighter.wear(self.palette())

    def _problem_under(self, event: QHelpEvent) -> Problem | None:
        """The nearest place between two letters may be on either side of the letter that is pointed at."""
        cursor = self.cursorForPosition(event.pos())
        if cursor.atEnd() and self.cursorRect(cursor).right() + self.fontMetrics().averageCharWidth() < event.pos().x():
            return None
        before = self.cursorRect(cursor).left() > event.pos().x()
        return self._highlighter.problem_at(cursor.position() - (1 if before else 0))


class PromptField(QWidget):
    """One prompt: label, token counter, text, and under it what keeps it from being drawn."""

    changed = Signal()

    def __init__(self, title: str, placeholder: str, tip: str, *, least: int = 2, most: int = 8) -> None:
        super().__init__()
        self._counter: TokenCounter | None = None
        self._embeddings: Mapping[str, int] = {}
        self._told = ""
        self._label = heading(title)
        self._count = muted()
        self._edit = PromptEdit(least, most)
        self._error = muted(wrap=True)
        self._error.setProperty("role", "over")
        self._error.setVisible(False)
        self._lay_out(title.replace("&", ""), placeholder, tip)
        self._edit.textChanged.connect(self._typed)

    def _lay_out(self, name: str, placeholder: str, tip: str) -> None:
        self._label.setBuddy(self._edit)
        self._edit.setPlaceholderText(placeholder)
        self._edit.setAccessibleName(name)
        for widget in (self._edit, self._label):
            widget.setToolTip(f"{tip}\n\n{WEIGHT_TIP}")
        self._count.setToolTip(glossary.TOKENS.format(chunk=CHUNK))
        head = row(self._label, self._count)
        head.insertStretch(1)
        self.setLayout(column(head, self._edit, self._error, spacing=4))

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

    def set_embeddings(self, vectors: Mapping[str, int]) -> None:
        """Know these words as embeddings, which cost so many tokens each in this prompt's encoder."""
        self._embeddings = dict(vectors)
        self._edit.set_embeddings(self._embeddings)
        self._show_count()

    @property
    def count_label(self) -> PlainLabel:
        return self._count

    def _typed(self) -> None:
        """Qt says "text changed" of new colours too."""
        if self.value() == self._told:
            return
        self._told = self.value()
        self._show_count()
        self._show_error()
        self.changed.emit()

    def _show_count(self) -> None:
        counter = self._counter
        self._count.setText("" if counter is None else count_text(counter, self.value(), self._embeddings))

    def _show_error(self) -> None:
        errors = [problem for problem in self._edit.problems if problem.severity is Severity.ERROR]
        self._error.setText(str(errors[0]) if errors else "")
        self._error.setVisible(bool(errors))


def count_text(counter: TokenCounter, text: str, embeddings: Mapping[str, int] | None = None) -> str:
    """ "12 / 77", and beyond one chunk "92 tokens in 2 chunks of 77"; both count the start and end marks."""
    count = counter.count(text, embeddings)
    if count.chunks == 1:
        return f"{count.encoded if count.tokens else 0} / {CHUNK}"
    return f"{count.encoded} tokens in {count.chunks} chunks of {CHUNK}"
