"""The list of suggestions under the cursor of a prompt; the keyboard focus stays in the prompt.

Suggestions are looked for in pauses of typing, so that a key costs nothing here: after a short one what begins with the
typed text, after a longer one what is similar.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QInputMethodEvent, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QPlainTextEdit, QWidget

from sdxl_desktop.session.completion.completion_index import Suggestion
from sdxl_desktop.session.completion.prompt_completion import NOTHING, Completions, CompletionTrigger
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip
from sdxl_desktop.ui.widgets.prompt_highlighter import Utf16Positions

CompleteFunction = Callable[[str, int, CompletionTrigger], Completions]
"""Takes the text, the position of the cursor in it, and why suggestions are looked for."""
_DELAYS = {CompletionTrigger.KEY: 0, CompletionTrigger.TYPING: 100, CompletionTrigger.PAUSE: 250}
"""Milliseconds until suggestions are looked for; PAUSE comes after TYPING has found nothing."""
_MAX_ROWS = 8
_WIDTH = 320
_MODIFIERS = Qt.KeyboardModifier
_SHORTCUT_MODIFIERS = _MODIFIERS.ControlModifier | _MODIFIERS.AltModifier | _MODIFIERS.MetaModifier
_MOVES = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -_MAX_ROWS,
    Qt.Key.Key_PageDown: _MAX_ROWS,
}
_ACCEPTS = (Qt.Key.Key_Tab, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class _SuggestionList(QFrame):
    """The frame with the list, a child of the window, so that it takes no focus and needs no window of its own."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("completion")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.entries = QListWidget()
        self.entries.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.entries.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries.setUniformItemSizes(True)
        self.entries.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.entries.setAccessibleName("Suggestions")
        self.setLayout(column(self.entries, margins=(1, 1, 1, 1)))

    def show_at(self, cursor: QRect) -> None:
        """Show below the rectangle `cursor` in the parent, or above it if there is no room."""
        rows = min(self.entries.count(), _MAX_ROWS)
        height = rows * max(self.entries.sizeHintForRow(0), 20) + 8
        room = self.window().rect()
        width = min(_WIDTH, room.width())
        left = max(0, min(cursor.left(), room.right() - width))
        below = cursor.bottom() + 2
        top = below if below + height <= room.bottom() else max(0, cursor.top() - height - 2)
        self.setGeometry(left, top, width, height)
        self.show()
        self.raise_()


class CompletionPopup(QObject):
    """Watches the keys of `edit` and suggests how the word at its cursor goes on.

    Up and Down choose, Tab and Enter take the chosen one, Escape closes, Ctrl+Space asks. Keys with Ctrl are never
    taken otherwise. While an input method composes, nothing is suggested. `accepted` carries what was inserted.
    """

    accepted = Signal(object)
    """Suggestion"""

    def __init__(self, edit: QPlainTextEdit) -> None:
        super().__init__(edit)
        self._edit = edit
        self._complete: CompleteFunction | None = None
        self._list: _SuggestionList | None = None
        self._found = NOTHING
        self._composing = False
        self._trigger = CompletionTrigger.TYPING
        self._seen = (0, 0)  # revision of the text, position of the cursor in it
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._update)
        edit.installEventFilter(self)
        edit.cursorPositionChanged.connect(self._handle_cursor_moved)

    def set_complete(self, complete: CompleteFunction | None) -> None:
        """Set what suggests; None switches suggestions off."""
        self._complete = complete
        self.close()

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What is shown now, in order."""
        return self._found.suggestions if self.is_open else ()

    @property
    def is_open(self) -> bool:
        return self._list is not None and self._list.isVisible()

    @property
    def is_waiting(self) -> bool:
        """Whether suggestions will be looked for when typing pauses."""
        return self._timer.isActive()

    def close(self) -> None:
        """Hide the suggestions, and look for none until the next key."""
        self._timer.stop()
        if self._list is not None:
            self._list.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        match event.type():
            case QEvent.Type.KeyPress if isinstance(event, QKeyEvent):
                return self._handle_key(event)
            case QEvent.Type.ShortcutOverride if isinstance(event, QKeyEvent):
                if self.is_open and event.key() == Qt.Key.Key_Escape:
                    event.accept()  # so that the key comes here and not to the window's shortcut
                    return True
                if not self.is_open and (event.key() == Qt.Key.Key_Escape or event.modifiers() & _SHORTCUT_MODIFIERS):
                    self._timer.stop()  # a command follows the typed text
            case QEvent.Type.InputMethod if isinstance(event, QInputMethodEvent):
                self._composing = bool(event.preeditString())
                if self._composing:
                    self.close()
                elif event.commitString():
                    self._update_after(CompletionTrigger.TYPING)
            case QEvent.Type.FocusOut | QEvent.Type.Hide | QEvent.Type.Resize:
                self.close()
        return super().eventFilter(watched, event)

    def _handle_key(self, event: QKeyEvent) -> bool:
        """Return whether the key was for the suggestions."""
        modifiers = event.modifiers() & ~_MODIFIERS.KeypadModifier
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Space and modifiers == _MODIFIERS.ControlModifier:
            self._update_after(CompletionTrigger.KEY)
            return self._complete is not None
        is_plain = modifiers == _MODIFIERS.NoModifier
        if is_plain and self.is_open and self.is_waiting and (key in _MOVES or key in _ACCEPTS):
            self._update()  # the shown suggestions are those of the text before the last keys
        if is_plain and self.is_open:
            if key in _MOVES:
                self._move(_MOVES[key])
                return True
            if key in _ACCEPTS:
                self._accept()
                return True
            if key == Qt.Key.Key_Escape:
                self.close()
                return True
        typed = event.text().isprintable() and event.text() and not modifiers & ~_MODIFIERS.ShiftModifier
        is_shown_or_awaited = self.is_open or self.is_waiting
        if typed or (event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete) and is_shown_or_awaited):
            self._update_after(CompletionTrigger.TYPING)
        return False

    def _update_after(self, trigger: CompletionTrigger) -> None:
        """Look for suggestions after the delay of `trigger`, counted from the last call."""
        if self._complete is not None:
            self._trigger = trigger
            self._timer.start(_DELAYS[trigger])

    def _handle_cursor_moved(self) -> None:
        """Close if the cursor has moved without a change of the text, or with one that was not typed."""
        before, self._seen = self._seen, (self._edit.document().revision(), self._edit.textCursor().position())
        is_moved = before[0] == self._seen[0] and before[1] != self._seen[1]
        if is_moved or not self.is_waiting:
            self.close()

    def _update(self) -> None:
        """Show what is found now, at the end of the delay or before it."""
        self._timer.stop()
        if self._complete is None or self._composing or self._edit.isReadOnly() or not self._edit.hasFocus():
            self.close()
            return
        text, cursor = self._edit.toPlainText(), self._edit.textCursor()
        if cursor.hasSelection():
            self.close()
            return
        self._found = self._complete(text, Utf16Positions(text).from_qt(cursor.position()), self._trigger)
        if self._found.suggestions:
            self._show()
            return
        self.close()
        if self._trigger is CompletionTrigger.TYPING:
            self._update_after(CompletionTrigger.PAUSE)

    def _show(self) -> None:
        window = self._edit.window()
        if self._list is None or self._list.parentWidget() is not window:
            self._list = _SuggestionList(window)
            self._list.entries.itemClicked.connect(lambda _: self._accept_clicked())
        entries = self._list.entries
        entries.clear()
        for one in self._found.suggestions:
            alias = f"  ← {one.matched}" if one.matched else ""
            detail = f"   {one.detail}" if one.detail else ""
            item = QListWidgetItem(f"{one.label}{alias}{detail}")
            item.setToolTip(plain_text_tooltip(one.text))
            entries.addItem(item)
        entries.setCurrentRow(0)
        at = self._edit.cursorRect()
        self._list.show_at(QRect(self._edit.viewport().mapTo(window, QPoint(at.left(), at.top())), at.size()))

    def _move(self, change: int) -> None:
        if self._list is not None:
            entries = self._list.entries
            step = entries.currentRow() + change
            last = entries.count() - 1
            entries.setCurrentRow(step % (last + 1) if abs(change) == 1 else max(0, min(step, last)))

    def _accept_clicked(self) -> None:
        """Take the clicked suggestion, if it fits what was typed after it was shown."""
        chosen = self._chosen()
        if self.is_waiting:
            self._update()
        if chosen is not None and chosen in self.suggestions:
            self._insert(chosen)

    def _accept(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._insert(chosen)

    def _chosen(self) -> Suggestion | None:
        row = -1 if self._list is None else self._list.entries.currentRow()
        return self._found.suggestions[row] if 0 <= row < len(self._found.suggestions) else None

    def _insert(self, chosen: Suggestion) -> None:
        """Replace the word by `chosen`, as one undo step."""
        positions = Utf16Positions(self._edit.toPlainText())
        cursor = self._edit.textCursor()
        cursor.setPosition(positions.to_qt(self._found.start))
        cursor.setPosition(positions.to_qt(self._found.end), QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(chosen.text)
        self._edit.setTextCursor(cursor)
        self.close()
        self.accepted.emit(chosen)
