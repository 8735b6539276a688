"""Small parts of the page of checkpoints: toned labels, a table of facts, notices, questions, scrolling columns."""

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
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, message_box

Tone = Literal["", "good", "bad"]


def words(text: str = "", *, tone: Tone = "") -> PlainLabel:
    """Plain words over as many lines as they need, which can be selected."""
    label = PlainLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    set_tone(label, tone)
    return label


def set_tone(label: PlainLabel, tone: Tone) -> None:
    """Colour a label as good or bad news."""
    if label.property("tone") != tone:
        label.setProperty("tone", tone)
        label.style().unpolish(label)
        label.style().polish(label)


def title(text: str = "") -> PlainLabel:
    label = PlainLabel(text)
    label.setProperty("role", "title")
    label.setWordWrap(True)
    return label


def scrolled(content: QLayout) -> QScrollArea:
    """`content` in an area that scrolls downwards only."""
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


def bring_into_sight(widget: QWidget) -> None:
    """Scroll what `widget` lies in so that it is seen, once it has been laid out."""

    def scroll() -> None:
        around = widget.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        if around is not None and widget.isVisible():
            around.ensureWidgetVisible(widget, 0, 16)

    QTimer.singleShot(0, widget, scroll)


def carries(signal: SignalInstance, button: QAbstractButton, what: Callable[[], object | None]) -> None:
    """Let a click on `button` emit `signal` with what `what` gives then; nothing while that is None."""

    def emit() -> None:
        if (carried := what()) is not None:
            signal.emit(carried)

    button.clicked.connect(emit)


class Facts(QWidget):
    """Two columns: what is meant, and what it is. Lines without words are left out."""

    def __init__(self) -> None:
        super().__init__()
        self._said: list[str] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def show_lines(self, lines: Iterable[tuple[str, str]]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        shown = [(name, value) for name, value in lines if value]
        self._said = [f"{name}: {value}" for name, value in shown]
        for number, (name, value) in enumerate(shown):
            said = words(value)
            said.setAccessibleName(f"{name}: {value}")
            self._grid.addWidget(muted(name), number, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(said, number, 1)

    def text(self) -> str:
        """All of it, a line for each fact."""
        return "\n".join(self._said)


class Notice(QFrame):
    """A problem, or something to know, inside the page: what, why, what next, and one button."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self._what, self._why = heading(""), words()
        self._what.setWordWrap(True)
        self.answer = dressed(QPushButton(), "link")
        buttons = row(self.answer, margins=(0, 0, 0, 0))
        buttons.addStretch(1)
        self.body = column(self._what, self._why, buttons, spacing=4, margins=(16, 12, 16, 8))
        self.setLayout(self.body)
        self.hide()

    def tell(self, what: str, more: str = "", *, answer: str = "", tone: Tone = "") -> None:
        set_tone(self._what, tone)
        for label, text in ((self._what, what), (self._why, more)):
            label.setText(text)
            label.setVisible(bool(text))
        self.answer.setText(answer)
        self.answer.setVisible(bool(answer))
        self.setAccessibleName(f"{what} {more}".strip())
        self.show()
        bring_into_sight(self)

    def tell_problem(self, problem: SdxlDesktopError, *, answer: str = "") -> None:
        more = " ".join(sentence for sentence in (problem.why, problem.next_step) if sentence)
        self.tell(problem.what, more, answer=answer, tone="bad")


def question(parent: QWidget, what: str, more: str, act: str) -> QMessageBox:
    """A question whose harmless answer is the one that Enter and Escape give; `accepted` tells the other."""
    box = message_box(parent, what, what, more)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
    button = box.addButton(act, QMessageBox.ButtonRole.AcceptRole)
    button.setProperty("role", "stop")
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    return box
