"""Handles drops anywhere on the window, with a frame as feedback, and Ctrl+V wherever the focus is."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import shiboken6
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QFrame, QWidget

from sdxl_desktop.ui.incoming import has_incoming, has_picture_or_files, read_incoming
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel


class DropAndPasteFilter(QObject):
    """Handles drops on `window` that no field inside it accepts, and the paste key before a text field does if the
    clipboard holds a picture or files; text on the clipboard goes to the field."""

    dropped = Signal(object)
    """Incoming"""

    def __init__(self, window: QWidget, paste: Callable[[], object]) -> None:
        super().__init__(window)
        self._window, self._paste = window, paste
        self._focused: QWidget | None = None
        self._frame = _DropFrame(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)
        app = cast(QApplication, QApplication.instance())
        app.focusChanged.connect(self._handle_focus_changed)

    def close(self) -> None:
        """Stop filtering the focused widget. Safe to call twice."""
        self._set_focused(None)

    def _handle_focus_changed(self, _: QWidget | None, now: QWidget | None) -> None:
        self._set_focused(now if now is not None and self._window.isAncestorOf(now) else None)

    def _set_focused(self, widget: QWidget | None) -> None:
        """Filter only the focused widget: a filter on the application would receive every event."""
        if self._focused is widget:
            return
        if self._focused is not None and shiboken6.isValid(self._focused):  # it may lose the focus by being destroyed
            self._focused.removeEventFilter(self)
            self._focused.destroyed.disconnect(self._clear_focused)
        self._focused = widget
        if widget is not None:
            widget.installEventFilter(self)
            widget.destroyed.connect(self._clear_focused)

    def _clear_focused(self) -> None:
        self._focused = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.KeyPress and watched is self._focused:
            return self._handle_key(cast(QKeyEvent, event))
        if watched is not self._window:
            return False
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove):
            return self._handle_drag(cast(QDragEnterEvent, event))
        if kind == QEvent.Type.DragLeave:
            self._frame.hide()
        elif kind == QEvent.Type.Drop:
            return self._handle_drop(cast(QDropEvent, event))
        elif kind == QEvent.Type.Resize:
            self._frame.setGeometry(self._window.rect())
        return False

    def _handle_key(self, key: QKeyEvent) -> bool:
        data = QGuiApplication.clipboard().mimeData() if key.matches(QKeySequence.StandardKey.Paste) else None
        if data is None or not has_picture_or_files(data):
            return False
        self._paste()
        return True

    def _handle_drag(self, drag: QDragEnterEvent | QDragMoveEvent) -> bool:
        if isinstance(drag, QDragEnterEvent):
            if drag.source() is not None or not has_incoming(drag.mimeData()):
                return False
            self._frame.show_over(self._window)
        drag.acceptProposedAction()
        return True

    def _handle_drop(self, drop: QDropEvent) -> bool:
        self._frame.hide()
        found = read_incoming(drop.mimeData())
        if found:
            drop.acceptProposedAction()
            self.dropped.emit(found)
        return bool(found)


class _DropFrame(QFrame):
    """Shows that the dragged data can be dropped anywhere; transparent to events."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("dropFrame")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        words = PlainTextLabel("Drop it anywhere to open it")
        words.setObjectName("dropWords")
        centred = column(words)
        centred.setAlignment(words, Qt.AlignmentFlag.AlignCenter)
        self.setLayout(centred)
        self.hide()

    def show_over(self, window: QWidget) -> None:
        self.setGeometry(window.rect())
        self.raise_()
        self.show()
