"""Common widgets of the library dialog: toned labels, a table of facts, notices, questions, scroll areas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from PySide6.QtCore import Qt, QTimer, SignalInstance
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QGridLayout,
    QLayout,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, message_box

Tone = Literal["", "good", "bad"]


def wrapped_label(text: str = "", *, tone: Tone = "") -> PlainTextLabel:
    """Return a selectable plain-text label with word wrap."""
    label = PlainTextLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    set_tone(label, tone)
    return label


def set_tone(label: PlainTextLabel, tone: Tone) -> None:
    """Colour a label as good or bad news."""
    if label.property("tone") != tone:
        label.setProperty("tone", tone)
        label.style().unpolish(label)
        label.style().polish(label)


def title_label(text: str = "") -> PlainTextLabel:
    label = PlainTextLabel(text)
    label.setProperty("role", "title")
    label.setWordWrap(True)
    return label


def scroll_area(content: QLayout) -> QScrollArea:
    """Return an area with `content` that scrolls vertically only."""
    inside = QWidget()
    inside.setObjectName("plainContent")
    inside.setLayout(content)
    area = QScrollArea()
    area.setObjectName("plain")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    return area


def scroll_into_view(widget: QWidget) -> None:
    """Scroll the enclosing scroll area so that `widget` is visible, once it has been laid out."""

    def scroll() -> None:
        around = widget.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        if around is not None and widget.isVisible():
            around.ensureWidgetVisible(widget, 0, 16)

    QTimer.singleShot(0, widget, scroll)


def emit_on_click(signal: SignalInstance, button: QAbstractButton, payload: Callable[[], object | None]) -> None:
    """Make a click on `button` emit `signal` with the result of `payload()`, unless that is None."""

    def emit() -> None:
        if (carried := payload()) is not None:
            signal.emit(carried)

    button.clicked.connect(emit)


class KeyValueTable(QWidget):
    """Two columns: key and value. Rows without text are omitted."""

    def __init__(self) -> None:
        super().__init__()
        self._row_texts: list[str] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def set_rows(self, rows: Iterable[tuple[str, str]]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        shown = [(name, value) for name, value in rows if value]
        self._row_texts = [f"{name}: {value}" for name, value in shown]
        for number, (name, value) in enumerate(shown):
            value_label = wrapped_label(value)
            value_label.setAccessibleName(f"{name}: {value}")
            self._grid.addWidget(muted_label(name), number, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value_label, number, 1)

    def text(self) -> str:
        """Return the table's text, one line per fact."""
        return "\n".join(self._row_texts)


class InlineNotice(QFrame):
    """An error or a hint inside the dialog: what happened, why, what to do next, and one button."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self._title, self._details = heading_label(""), wrapped_label()
        self._title.setWordWrap(True)
        self.action_button = with_role(QPushButton(), "link")
        buttons = row(self.action_button, margins=(0, 0, 0, 0))
        buttons.addStretch(1)
        self.body = column(self._title, self._details, buttons, spacing=4, margins=(16, 12, 16, 8))
        self.setLayout(self.body)
        self.hide()

    def show_message(self, title: str, details: str = "", *, action: str = "", tone: Tone = "") -> None:
        set_tone(self._title, tone)
        for label, text in ((self._title, title), (self._details, details)):
            label.setText(text)
            label.setVisible(bool(text))
        self.action_button.setText(action)
        self.action_button.setVisible(bool(action))
        self.setAccessibleName(f"{title} {details}".strip())
        self.show()
        scroll_into_view(self)

    def show_error(self, problem: SdxlDesktopError, *, action: str = "") -> None:
        more = " ".join(sentence for sentence in (problem.why, problem.next_step) if sentence)
        self.show_message(problem.what, more, action=action, tone="bad")


def confirmation_box(parent: QWidget, text: str, informative_text: str, accept_text: str) -> QMessageBox:
    """Return a question whose safe answer is the default for Enter and Escape; `accepted` signals the other one."""
    box = message_box(parent, text, text, informative_text)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
    button = box.addButton(accept_text, QMessageBox.ButtonRole.AcceptRole)
    button.setProperty("role", "stop")
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    return box
