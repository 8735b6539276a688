"""Layout helpers: labelled rows, columns on the grid, headings and disclosures."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

LABEL_WIDTH = 88


def heading_label(text: str) -> PlainTextLabel:
    label = PlainTextLabel(text)
    label.setProperty("role", "heading")
    return label


def muted_label(text: str = "", *, wrap: bool = False) -> PlainTextLabel:
    label = PlainTextLabel(text)
    label.setProperty("role", "muted")
    label.setWordWrap(wrap)
    return label


class ElidedLabel(PlainTextLabel):
    """One line of muted text, elided with "…" if it does not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "muted")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        words = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(self.rect(), self.alignment(), words)


def separator() -> QFrame:
    """Return a thin line between sections."""
    line = QFrame()
    line.setProperty("role", "rule")
    return line


def column(
    *items: QWidget | QBoxLayout, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QVBoxLayout:
    layout = QVBoxLayout()
    _fill_layout(layout, items, spacing, margins)
    return layout


def row(
    *items: QWidget | QBoxLayout, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    layout = QHBoxLayout()
    _fill_layout(layout, items, spacing, margins)
    return layout


def _fill_layout(
    layout: QBoxLayout, items: Iterable[QWidget | QBoxLayout], spacing: int, margins: tuple[int, int, int, int]
) -> None:
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for item in items:
        if isinstance(item, QWidget):
            layout.addWidget(item)
        else:
            layout.addLayout(item)


class CompoundField(QWidget):
    """A field of several controls. (A focus proxy would work for the label, but hides the others from Tab.)"""

    def focus_target(self) -> QWidget:
        """Return the control that the label focuses."""
        raise NotImplementedError


def labelled_row(text: str, field: QWidget, *more: QWidget, tooltip: str = "") -> QHBoxLayout:
    """Return a row "label  field": the label has the mnemonic and explains the term on hover."""
    label = PlainTextLabel(text)
    label.setFixedWidth(LABEL_WIDTH)
    label.setBuddy(field.focus_target() if isinstance(field, CompoundField) else field)
    label.setToolTip(tooltip)
    if tooltip and not field.toolTip():
        field.setToolTip(tooltip)
    made = row(label, field, *more)
    made.setStretch(1, 1)
    return made


class Disclosure(QWidget):
    """A heading that expands and collapses its content; `extra` is at the right end of the heading."""

    toggled = Signal()

    def __init__(self, title: str, content: QWidget, extra: QWidget | None = None) -> None:
        super().__init__()
        self._content = content
        self._header_button = IconButton("chevron-right", title.replace("&", ""), "Show or hide")
        self._header_button.setText(title)
        self._header_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._header_button.setCheckable(True)
        self._header_button.setProperty("role", "disclosure")
        self._header_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        head = row(self._header_button) if extra is None else row(self._header_button, extra)
        self.setLayout(column(head, content, spacing=8))
        content.setVisible(False)
        self._header_button.toggled.connect(self._toggle)

    def set_tooltip(self, tooltip: str) -> None:
        self._header_button.setToolTip(tooltip)

    def is_open(self) -> bool:
        return self._header_button.isChecked()

    def set_open(self, is_open: bool) -> None:
        self._header_button.setChecked(is_open)

    def _toggle(self, is_open: bool) -> None:
        self._header_button.set_icon_name("chevron-down" if is_open else "chevron-right")
        self._content.setVisible(is_open)
        self.toggled.emit()
