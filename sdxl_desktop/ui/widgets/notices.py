"""Non-modal messages over the canvas: the error banner and the toast."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QSizePolicy, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.ui.widgets.buttons import IconButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip

_MARGIN = 16
_LINK_PADDING = 7
_TOAST_MS = 6000
_MAX_TOAST_CHARACTERS = 200
_MIN_WIDTH = 160
_GAP = 8


class FloatingFrame(QFrame):
    """A frame that floats over its parent, at the top (`at_top`) or bottom, centred, at most `max_width` wide."""

    def __init__(self, parent: QWidget, *, at_top: bool, max_width: int) -> None:
        super().__init__(parent)
        self._anchor, self._at_top, self._max_width = parent, at_top, max_width
        parent.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.reposition()
        return super().eventFilter(watched, event)

    def reposition(self) -> None:
        parent = self._anchor
        width = min(self._max_width, parent.width() - 2 * _MARGIN, max(self.sizeHint().width(), 200))
        if self._at_top:
            width = min(self._max_width, parent.width() - 2 * _MARGIN)
        self.ensurePolished()
        height = self.heightForWidth(width) if self.hasHeightForWidth() else self.sizeHint().height()
        self.resize(width, height)
        top = _MARGIN if self._at_top else parent.height() - self.height() - _MARGIN
        self.move(QPoint((parent.width() - width) // 2, top))
        self.raise_()


class ErrorBanner(FloatingFrame):
    """An error: what happened, why, what to do next. It can be dismissed, copied, or answered by its one action. After
    a failed picture write, offers retry and saving elsewhere; opens the log if that says more."""

    dismiss_requested = Signal()
    action_triggered = Signal()
    retry_requested = Signal()
    save_as_requested = Signal()
    log_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, at_top=True, max_width=720)
        self._error: SdxlDesktopError | None = None
        self._title, self._cause, self._next_step = (_wrapping_label() for _ in range(3))
        self._action_button = with_role(QPushButton(), "link")
        self._retry_button = with_role(QPushButton("Try again"), "link")
        self._save_as_button = with_role(QPushButton("Save as…"), "link")
        self._copy_button = with_role(QPushButton("Copy"), "link")
        self._log = with_role(QPushButton("Open the log"), "link")
        self._close_button = IconButton("close", "Dismiss", "Dismiss (Esc)")
        self._lay_out()
        self._copy_button.clicked.connect(lambda: QApplication.clipboard().setText(str(self._error)))
        self._close_button.clicked.connect(self.dismiss_requested)
        self._action_button.clicked.connect(self.action_triggered)
        self._retry_button.clicked.connect(self.retry_requested)
        self._save_as_button.clicked.connect(self.save_as_requested)
        self._log.clicked.connect(self.log_wanted)

    def _lay_out(self) -> None:
        self.setObjectName("banner")
        self.setProperty("kind", "error")
        self._title.setProperty("role", "heading")
        self._copy_button.setToolTip("Copy this message")
        self._retry_button.setToolTip("Write the pictures that could not be saved once more")
        self._save_as_button.setToolTip("Choose another folder or name for the picture")
        self._log.setToolTip("Show what was logged about this")
        buttons = row(
            self._retry_button,
            self._save_as_button,
            self._action_button,
            self._log,
            self._copy_button,
            margins=(-_LINK_PADDING, 0, 0, 0),
        )
        buttons.addStretch(1)
        words = column(self._title, self._cause, self._next_step, buttons, spacing=4)
        whole = row(spacing=8, margins=(16, 12, 8, 8))
        whole.addLayout(words, 1)
        whole.addWidget(self._close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.setLayout(whole)

    def show_error(self, error: SdxlDesktopError | None, action: str = "", *, unsaved: bool = False) -> None:
        """Show `error`, with `action` as a button; None hides the banner. `unsaved`: a picture could not be written,
        and writing can be retried."""
        if error is None:
            self._error = None
            self.hide()
            return
        if error is not self._error:
            self._set_error(error)
        self._action_button.setText(action)
        self._action_button.setVisible(bool(action))
        for button in (self._retry_button, self._save_as_button):
            button.setVisible(unsaved)
        self.show()
        self.reposition()

    def _set_error(self, error: SdxlDesktopError) -> None:
        self._error = error
        for label, text in ((self._title, error.what), (self._cause, error.why), (self._next_step, error.next_step)):
            label.setText(text)
            label.setVisible(bool(text))
        self._log.setVisible(error.asks_for_help)
        self.setAccessibleName(f"Problem: {error}")
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))


class Toast(FloatingFrame):
    """A short message with at most one action, which disappears after a few seconds.

    It is at the bottom of `available_rect`, in the parent's coordinates, and avoids `avoid_rect`, the picture, on its
    left or right; if there is no room there, it goes to `fallback_rect`.
    """

    action_triggered = Signal()
    action_failed = Signal(object)
    """With the `SdxlDesktopError` raised by the action."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, at_top=False, max_width=560)
        self.setObjectName("toast")
        self.available_rect: Callable[[], QRect] = parent.rect
        self.avoid_rect: Callable[[], QRect] = QRect
        self.fallback_rect: Callable[[], QRect] = QRect
        self._text_label = _wrapping_label()
        self._text_label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._action_button = with_role(QPushButton(), "link")
        inside = row(self._text_label, self._action_button, margins=(16, 8, 8, 8))
        inside.setStretch(0, 1)
        self.setLayout(inside)
        self._timer = QTimer(self, singleShot=True, interval=_TOAST_MS)
        self._timer.timeout.connect(self.hide)
        self._action_button.clicked.connect(self.dismiss)  # dismiss first: the action may show a new message
        self._action_button.clicked.connect(self.action_triggered)
        self._callback: Callable[[], object] | None = None
        self.action_triggered.connect(self._run_callback)

    def notify(
        self,
        text: str,
        *,
        action: str = "",
        callback: Callable[[], object] | None = None,
        tooltip: str = "",
        persistent: bool = False,
    ) -> None:
        """Show `text`, elided in the middle if very long, with `action` as a button that calls `callback`, and
        `tooltip` on hover.

        If `persistent`, it remains until answered, dismissed or replaced.
        """
        self._callback = callback
        self._text_label.setText(display_text(text, _MAX_TOAST_CHARACTERS))
        self._text_label.setToolTip(plain_text_tooltip(tooltip or text))
        self.setAccessibleName(text)
        self._action_button.setText(action)
        self._action_button.setVisible(bool(action))
        self.show()
        self.reposition()
        if persistent:
            self._timer.stop()
        else:
            self._timer.start()

    def reposition(self) -> None:
        self.ensurePolished()
        room, picture = self.available_rect().adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN), self.avoid_rect()
        side_width = max(picture.left() - room.left(), room.right() - picture.right()) - _MARGIN
        for widest in (min(self._max_width, room.width()), min(side_width, room.width())):
            if widest < _MIN_WIDTH:
                continue
            size = self._size_within(widest)
            for left in (room.center().x() - size.width() // 2, room.left(), room.right() - size.width() + 1):
                spot = QRect(QPoint(left, room.bottom() - size.height() + 1), size)
                if not spot.intersects(picture):
                    self._set_rect(spot)
                    return
        size = self._size_within(min(self._max_width, room.width()))
        other = self.fallback_rect()
        corner = QPoint(other.right() - size.width() - _MARGIN, max(other.bottom() - size.height() - _GAP, _GAP // 2))
        if other.isEmpty():
            corner = QPoint(room.center().x() - size.width() // 2, room.bottom() - size.height() + 1)
        self._set_rect(QRect(corner, size))

    def _run_callback(self) -> None:
        if self._callback is None:
            return
        try:
            self._callback()
        except SdxlDesktopError as problem:
            self.action_failed.emit(problem)

    def _size_within(self, max_width: int) -> QSize:
        """Return the width of the text in one line, or `max_width` with the height the wrapped text needs."""
        side_width = self.sizeHint().width() - self._text_label.sizeHint().width()
        line = self._text_label.fontMetrics().horizontalAdvance(self._text_label.text()) + 4
        width = max(min(max_width, line + side_width), min(max_width, 200))
        return QSize(width, max(self.heightForWidth(width), self._action_button.sizeHint().height() + 16))

    def _set_rect(self, rect: QRect) -> None:
        self.setGeometry(rect)
        self.raise_()

    def dismiss(self) -> None:
        self._timer.stop()
        self.hide()


def _wrapping_label() -> PlainTextLabel:
    label = PlainTextLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label
