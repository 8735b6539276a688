"""A prompt edit: grows with its text and highlights its syntax, under a label with a token counter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QMimeData, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QToolTip, QWidget

from sdxl_desktop.core.lora_tags import TagUse, remove_tags
from sdxl_desktop.core.prompt_grammar import PromptProblem, Severity
from sdxl_desktop.core.prompt_weights import adjust_weight
from sdxl_desktop.library.token_count import CHUNK_TOKENS, TokenCounter
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.incoming import has_picture_or_files
from sdxl_desktop.ui.widgets.completion_popup import CompleteFunction, CompletionPopup
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip
from sdxl_desktop.ui.widgets.prompt_highlighter import PromptHighlighter, Utf16Positions, VariantExamples

WEIGHT_STEP = 0.1
KEYS_TOOLTIP = (
    "Ctrl+Up and Ctrl+Down make the word at the cursor, or what is selected, count more or less. Alt+Up and "
    "Alt+Down bring back the prompts you drew with."
)

_VERTICAL_PADDING = 12


class AutoHeightTextEdit(QPlainTextEdit):
    """Plain text between the minimum and maximum number of lines high; Tab moves the focus, Enter breaks the line."""

    def __init__(self, min_lines: int, max_lines: int) -> None:
        super().__init__()
        self._min_lines, self._max_lines = min_lines, max_lines
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().documentLayout().documentSizeChanged.connect(self._update_height)
        self._update_height()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave Ctrl+Enter to the window, which generates."""
        if (
            event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        ):
            event.ignore()
            return
        super().keyPressEvent(event)

    def replace_text(self, text: str) -> None:
        """Replace the whole text as one undo step, so typed text is never lost."""
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.setTextCursor(cursor)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Accept text only: a picture or file dropped here by mistake leaves no path in the prompt."""
        return source.hasText() and not has_picture_or_files(source)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._update_height()

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self._height(self._min_lines))

    def _height(self, lines: float) -> int:
        return math.ceil(lines * self.fontMetrics().lineSpacing()) + _VERTICAL_PADDING + 8

    def _update_height(self) -> None:
        lines = max(self._min_lines, min(self._max_lines, self.document().size().height()))
        self.setFixedHeight(self._height(lines))
        overfull = self.document().size().height() > self._max_lines
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if overfull else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(policy)


class PromptEdit(AutoHeightTextEdit):
    """An auto-height edit with prompt syntax: highlights it, explains errors, and changes weights by key.
    `history_requested`: show the prompt that was used before (1) or after (-1) the shown one."""

    history_requested = Signal(int)

    def __init__(self, min_lines: int, max_lines: int) -> None:
        super().__init__(min_lines, max_lines)
        self._highlighter = PromptHighlighter(self)
        self.completion = CompletionPopup(self)

    def set_tags(self, use: TagUse, knows_lora: Callable[[str], bool] = lambda name: True) -> None:
        """Set what becomes of LoRA tags, and which names the library knows."""
        self._highlighter.set_tags(use, knows_lora)

    def set_embeddings(self, tokens: Mapping[str, int]) -> None:
        """Highlight these words as embeddings."""
        self._highlighter.set_embeddings(tokens)

    def set_variants(self, variants: VariantExamples | None) -> None:
        """Highlight variants and wildcards, and show examples of them; None: they are text."""
        self._highlighter.set_variants(variants)

    @property
    def problems(self) -> tuple[PromptProblem, ...]:
        """The prompt's errors and warnings, in order of position."""
        return self._highlighter.problems

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Up and Ctrl+Down change the weight, as in other prompt editors; Alt+Up and Alt+Down step through the
        history."""
        change = {Qt.Key.Key_Up: WEIGHT_STEP, Qt.Key.Key_Down: -WEIGHT_STEP}.get(Qt.Key(event.key()))
        pressed = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if change is not None and pressed == Qt.KeyboardModifier.ControlModifier:
            self.change_weight(change)
            event.accept()
            return
        if change is not None and pressed == Qt.KeyboardModifier.AltModifier:
            self.history_requested.emit(1 if change > 0 else -1)
            event.accept()
            return
        super().keyPressEvent(event)

    def change_weight(self, delta: float) -> None:
        """Add `delta` to the weight of the selection, or of the word or brackets at the cursor; one undo step."""
        if self.isReadOnly():
            return
        text, cursor = self.toPlainText(), self.textCursor()
        before = Utf16Positions(text)
        edit = adjust_weight(
            text, before.from_qt(cursor.selectionStart()), before.from_qt(cursor.selectionEnd()), delta
        )
        if edit is None:
            return
        had_selection = cursor.hasSelection()
        cursor.beginEditBlock()
        cursor.setPosition(before.to_qt(edit.start))
        cursor.setPosition(before.to_qt(edit.end), QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(edit.text)
        cursor.endEditBlock()
        after = Utf16Positions(self.toPlainText())
        start, end = (after.to_qt(position) for position in edit.selection)
        cursor.setPosition(start if had_selection else end)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the problem or the variant under the pointer as a tooltip."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            position = self._position_at_event(event)
            words = "" if position is None else self._highlighter.tooltip_at(position)
            if words:
                QToolTip.showText(event.globalPos(), plain_text_tooltip(words), self.viewport())
                return True
        return super().viewportEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and hasattr(self, "_highlighter"):
            self._highlighter.set_palette(self.palette())

    def _position_at_event(self, event: QHelpEvent) -> int | None:
        """Return the Qt position of the character under the pointer; None beside the text. The nearest cursor position
        may be on either side of the character."""
        cursor = self.cursorForPosition(event.pos())
        if cursor.atEnd() and self.cursorRect(cursor).right() + self.fontMetrics().averageCharWidth() < event.pos().x():
            return None
        before = self.cursorRect(cursor).left() > event.pos().x()
        return cursor.position() - (1 if before else 0)


class _CountLabel(PlainTextLabel):
    """The token counter; a click on it asks for the tokens themselves."""

    clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "muted")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()


class PromptField(QWidget):
    """One prompt: label, token counter, text, and below it the error that prevents a run."""

    changed = Signal()
    tokens_requested = Signal()
    """The token counter was clicked."""
    suggestion_accepted = Signal(object)
    """Suggestion"""
    history_requested = Signal(int)

    def __init__(self, title: str, placeholder: str, tooltip: str, *, min_lines: int = 2, max_lines: int = 8) -> None:
        super().__init__()
        self._counter: TokenCounter | None = None
        self._embeddings: Mapping[str, int] = {}
        self._last_emitted = ""
        self._label = heading_label(title)
        self._tag_use = TagUse.LOAD
        self._count_label = _CountLabel()
        self._edit = PromptEdit(min_lines, max_lines)
        self._error_label = muted_label(wrap=True)
        self._error_label.setProperty("role", "over")
        self._error_label.setVisible(False)
        self._lay_out(title.replace("&", ""), placeholder, tooltip)
        self._edit.textChanged.connect(self._handle_text_changed)
        self._edit.completion.accepted.connect(self.suggestion_accepted)
        self._count_label.clicked.connect(self.tokens_requested)
        self._edit.history_requested.connect(self.history_requested)

    def _lay_out(self, name: str, placeholder: str, tooltip: str) -> None:
        self._label.setBuddy(self._edit)
        self._edit.setPlaceholderText(placeholder)
        self._edit.setAccessibleName(name)
        for widget in (self._edit, self._label):
            widget.setToolTip(f"{tooltip}\n\n{KEYS_TOOLTIP}")
        self._count_label.setToolTip(tooltips.TOKENS.format(chunk=CHUNK_TOKENS))
        head = row(self._label, self._count_label)
        head.insertStretch(1)
        self.setLayout(column(head, self._edit, self._error_label, spacing=4))

    def value(self) -> str:
        return self._edit.toPlainText()

    def set_value(self, text: str) -> None:
        if text != self.value():
            with QSignalBlocker(self):
                self._edit.replace_text(text)

    def focus_text(self) -> None:
        """Put the cursor into the text."""
        self._edit.setFocus()

    def set_counter(self, counter: TokenCounter | None) -> None:
        """Set the token counter; None hides the count."""
        self._counter = counter
        self._show_count()

    def set_tags(self, use: TagUse, knows_lora: Callable[[str], bool] = lambda name: True) -> None:
        """Set what becomes of LoRA tags, and which names the library knows."""
        self._tag_use = use
        self._edit.set_tags(use, knows_lora)
        self._show_count()
        self._show_error()

    def set_completion(self, complete: CompleteFunction | None) -> None:
        """Set what suggests words; None switches suggestions off."""
        self._edit.completion.set_complete(complete)

    def set_embeddings(self, vectors: Mapping[str, int]) -> None:
        """Set the embeddings' tokens and the number of tokens each takes in this prompt's encoder."""
        self._embeddings = dict(vectors)
        self._edit.set_embeddings(self._embeddings)
        self._show_count()

    def set_variants(self, variants: VariantExamples | None) -> None:
        """Highlight variants and wildcards, and show examples of them; None: they are text."""
        self._edit.set_variants(variants)
        self._show_error()

    @property
    def count_label(self) -> PlainTextLabel:
        return self._count_label

    def _handle_text_changed(self) -> None:
        """Ignore Qt's textChanged signals that are only format changes."""
        if self.value() == self._last_emitted:
            return
        self._last_emitted = self.value()
        self._show_count()
        self._show_error()
        self.changed.emit()

    def _show_count(self) -> None:
        counter = self._counter
        text = remove_tags(self.value()) if self._tag_use is TagUse.LOAD else self.value()
        self._count_label.setText("" if counter is None else format_token_count(counter, text, self._embeddings))

    def _show_error(self) -> None:
        errors = [problem for problem in self._edit.problems if problem.severity is Severity.ERROR]
        self._error_label.setText(str(errors[0]) if errors else "")
        self._error_label.setVisible(bool(errors))


def format_token_count(counter: TokenCounter, text: str, embeddings: Mapping[str, int] | None = None) -> str:
    """ "12 / 77", and beyond one chunk "92 tokens in 2 chunks of 77"; both include the start and end tokens."""
    count = counter.count(text, embeddings)
    if count.chunks == 1:
        return f"{count.encoded_tokens if count.tokens else 0} / {CHUNK_TOKENS}"
    return f"{count.encoded_tokens} tokens in {count.chunks} chunks of {CHUNK_TOKENS}"
