"""Words over the canvas that never block: the banner for problems, the toast for good news."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QSizePolicy, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.ui.widgets.buttons import IconButton, dressed
from sdxl_desktop.ui.widgets.layout import column, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_tip

_MARGIN = 16
_LINK_PADDING = 7
_TOAST_MS = 6000
_TOAST_CHARACTERS = 200
_NARROWEST = 160
_GAP = 8


class _Overlay(QFrame):
    """A frame that floats over its parent, `top` or bottom, centred, never wider than it reads well."""

    def __init__(self, parent: QWidget, *, top: bool, widest: int) -> None:
        super().__init__(parent)
        self._over, self._top, self._widest = parent, top, widest
        parent.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.place()
        return super().eventFilter(watched, event)

    def place(self) -> None:
        parent = self._over
        width = min(self._widest, parent.width() - 2 * _MARGIN, max(self.sizeHint().width(), 200))
        if self._top:
            width = min(self._widest, parent.width() - 2 * _MARGIN)
        self.ensurePolished()
        height = self.heightForWidth(width) if self.hasHeightForWidth() else self.sizeHint().height()
        self.resize(width, height)
        top = _MARGIN if self._top else parent.height() - self.height() - _MARGIN
        self.move(QPoint((parent.width() - width) // 2, top))
        self.raise_()


class Banner(_Overlay):
    """A problem: what happened, why, what to do next. It can be dismissed, copied, or answered by its one action; where
    a picture could not be written, that can be tried again, or elsewhere; where the log says more, that can be opened.
    """

    dismissed = Signal()
    answered = Signal()
    retry_wanted = Signal()
    elsewhere_wanted = Signal()
    log_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, top=True, widest=720)
        self._error: SdxlDesktopError | None = None
        self._what, self._why, self._next = (_words() for _ in range(3))
        self._answer = dressed(QPushButton(), "link")
        self._retry = dressed(QPushButton("Try again"), "link")
        self._elsewhere = dressed(QPushButton("Save as…"), "link")
        self._copy = dressed(QPushButton("Copy"), "link")
        self._log = dressed(QPushButton("Open the log"), "link")
        self._close = IconButton("close", "Dismiss", "Dismiss (Esc)")
        self._lay_out()
        self._copy.clicked.connect(lambda: QApplication.clipboard().setText(str(self._error)))
        self._close.clicked.connect(self.dismissed)
        self._answer.clicked.connect(self.answered)
        self._retry.clicked.connect(self.retry_wanted)
        self._elsewhere.clicked.connect(self.elsewhere_wanted)
        self._log.clicked.connect(self.log_wanted)

    def _lay_out(self) -> None:
        self.setObjectName("banner")
        self.setProperty("kind", "error")
        self._what.setProperty("role", "heading")
        self._copy.setToolTip("Copy this message")
        self._retry.setToolTip("Write the pictures that could not be saved once more")
        self._elsewhere.setToolTip("Choose another folder or name for the picture")
        self._log.setToolTip("Show what was logged about this")
        buttons = row(
            self._retry, self._elsewhere, self._answer, self._log, self._copy, margins=(-_LINK_PADDING, 0, 0, 0)
        )
        buttons.addStretch(1)
        words = column(self._what, self._why, self._next, buttons, spacing=4)
        whole = row(spacing=8, margins=(16, 12, 8, 8))
        whole.addLayout(words, 1)
        whole.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self.setLayout(whole)

    def show_error(self, error: SdxlDesktopError | None, answer: str = "", *, unsaved: bool = False) -> None:
        """Tell `error`, offering `answer` as a button; None hides the banner. `unsaved`: a picture could not be
        written, and it can be tried again."""
        if error is None:
            self._error = None
            self.hide()
            return
        if error is not self._error:
            self._tell(error)
        self._answer.setText(answer)
        self._answer.setVisible(bool(answer))
        for button in (self._retry, self._elsewhere):
            button.setVisible(unsaved)
        self.show()
        self.place()

    def _tell(self, error: SdxlDesktopError) -> None:
        self._error = error
        for label, text in ((self._what, error.what), (self._why, error.why), (self._next, error.next_step)):
            label.setText(text)
            label.setVisible(bool(text))
        self._log.setVisible(error.asks_for_help)
        self.setAccessibleName(f"Problem: {error}")
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))


class Toast(_Overlay):
    """A short message with at most one action, gone by itself after a few seconds.

    It stands at the bottom of `room`, a place in its parent, and keeps off what `keep_off` gives, the picture's: to the
    left or right of it; where the picture leaves no room there, in `elsewhere`, the place of something beside it.
    """

    answered = Signal()
    failed = Signal(object)
    """With the `SdxlDesktopError` that what the answer did ended with."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, top=False, widest=560)
        self.setObjectName("toast")
        self.room: Callable[[], QRect] = parent.rect
        self.keep_off: Callable[[], QRect] = QRect
        self.elsewhere: Callable[[], QRect] = QRect
        self._text = _words()
        self._text.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._answer = dressed(QPushButton(), "link")
        inside = row(self._text, self._answer, margins=(16, 8, 8, 8))
        inside.setStretch(0, 1)
        self.setLayout(inside)
        self._timer = QTimer(self, singleShot=True, interval=_TOAST_MS)
        self._timer.timeout.connect(self.hide)
        self._answer.clicked.connect(self.dismiss)  # first: what the answer does may say something new
        self._answer.clicked.connect(self.answered)
        self._act: Callable[[], object] | None = None
        self.answered.connect(self._do)

    def tell(
        self,
        text: str,
        *,
        answer: str = "",
        act: Callable[[], object] | None = None,
        tip: str = "",
        stays: bool = False,
    ) -> None:
        """Say `text`, the middle of one that is very long left out, with `answer` as a button that calls `act`, and
        `tip` for whoever points at it.

        It `stays` until it is answered or dismissed, or something else is said.
        """
        self._act = act
        self._text.setText(shown(text, _TOAST_CHARACTERS))
        self._text.setToolTip(plain_tip(tip or text))
        self.setAccessibleName(text)
        self._answer.setText(answer)
        self._answer.setVisible(bool(answer))
        self.show()
        self.place()
        if stays:
            self._timer.stop()
        else:
            self._timer.start()

    def place(self) -> None:
        self.ensurePolished()
        room, picture = self.room().adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN), self.keep_off()
        beside = max(picture.left() - room.left(), room.right() - picture.right()) - _MARGIN
        for widest in (min(self._widest, room.width()), min(beside, room.width())):
            if widest < _NARROWEST:
                continue
            size = self._size_within(widest)
            for left in (room.center().x() - size.width() // 2, room.left(), room.right() - size.width() + 1):
                spot = QRect(QPoint(left, room.bottom() - size.height() + 1), size)
                if not spot.intersects(picture):
                    self._put(spot)
                    return
        size = self._size_within(min(self._widest, room.width()))
        other = self.elsewhere()
        corner = QPoint(other.right() - size.width() - _MARGIN, max(other.bottom() - size.height() - _GAP, _GAP // 2))
        if other.isEmpty():
            corner = QPoint(room.center().x() - size.width() // 2, room.bottom() - size.height() + 1)
        self._put(QRect(corner, size))

    def _do(self) -> None:
        if self._act is None:
            return
        try:
            self._act()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    def _size_within(self, widest: int) -> QSize:
        """As wide as the words need in one line, and else as high as they need within `widest`."""
        beside = self.sizeHint().width() - self._text.sizeHint().width()
        line = self._text.fontMetrics().horizontalAdvance(self._text.text()) + 4
        width = max(min(widest, line + beside), min(widest, 200))
        return QSize(width, max(self.heightForWidth(width), self._answer.sizeHint().height() + 16))

    def _put(self, spot: QRect) -> None:
        self.setGeometry(spot)
        self.raise_()

    def dismiss(self) -> None:
        self._timer.stop()
        self.hide()


def _words() -> PlainLabel:
    label = PlainLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label
