"""How pictures and files reach the window: drops anywhere on it, shown by a frame, and Ctrl+V wherever the focus is."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QFrame, QWidget

from sdxl_desktop.ui.incoming import carries_picture, incoming, offers
from sdxl_desktop.ui.widgets.layout import column
from sdxl_desktop.ui.widgets.plain import PlainLabel


class Arrivals(QObject):
    """Takes what is dropped on `window` where no field within it does, and the key for pasting before a text field has
    it where the clipboard holds a picture or files; text on the clipboard stays the field's."""

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
        app.focusChanged.connect(self._follow_focus)

    def close(self) -> None:
        """Let go of what has the focus. Safe to call twice."""
        self._watch(None)

    def _follow_focus(self, _: QWidget | None, now: QWidget | None) -> None:
        self._watch(now if now is not None and self._window.isAncestorOf(now) else None)

    def _watch(self, widget: QWidget | None) -> None:
        """Only the widget with the focus is listened to: a filter for the whole application would see every event."""
        if self._focused is widget:
            return
        if self._focused is not None:
            self._focused.removeEventFilter(self)
            self._focused.destroyed.disconnect(self._forget)
        self._focused = widget
        if widget is not None:
            widget.installEventFilter(self)
            widget.destroyed.connect(self._forget)

    def _forget(self) -> None:
        self._focused = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.KeyPress and watched is self._focused:
            return self._takes_key(cast(QKeyEvent, event))
        if watched is not self._window:
            return False
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove):
            return self._entered(cast(QDragEnterEvent, event))
        if kind == QEvent.Type.DragLeave:
            self._frame.hide()
        elif kind == QEvent.Type.Drop:
            return self._dropped(cast(QDropEvent, event))
        elif kind == QEvent.Type.Resize:
            self._frame.setGeometry(self._window.rect())
        return False

    def _takes_key(self, key: QKeyEvent) -> bool:
        data = QGuiApplication.clipboard().mimeData() if key.matches(QKeySequence.StandardKey.Paste) else None
        if data is None or not carries_picture(data):
            return False
        self._paste()
        return True

    def _entered(self, drag: QDragEnterEvent | QDragMoveEvent) -> bool:
        if isinstance(drag, QDragEnterEvent):
            if drag.source() is not None or not offers(drag.mimeData()):
                return False
            self._frame.show_over(self._window)
        drag.acceptProposedAction()
        return True

    def _dropped(self, drop: QDropEvent) -> bool:
        self._frame.hide()
        found = incoming(drop.mimeData())
        if found:
            drop.acceptProposedAction()
            self.dropped.emit(found)
        return bool(found)


class _DropFrame(QFrame):
    """Shows that what is dragged can be dropped anywhere; nothing under it notices."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("dropFrame")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        words = PlainLabel("Drop it anywhere to open it")
        words.setObjectName("dropWords")
        centred = column(words)
        centred.setAlignment(words, Qt.AlignmentFlag.AlignCenter)
        self.setLayout(centred)
        self.hide()

    def show_over(self, window: QWidget) -> None:
        self.setGeometry(window.rect())
        self.raise_()
        self.show()
