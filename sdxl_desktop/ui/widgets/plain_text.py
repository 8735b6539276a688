"""Plain text display: names, descriptions and errors from external sources are never interpreted as HTML.

Qt guesses whether a text is rich text, for labels, tooltips and message boxes. A malicious checkpoint's text or file
name could thus show headings and links, and load pictures from the disk.
"""

from __future__ import annotations

from html import escape

from PySide6.QtGui import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget


class PlainTextLabel(QLabel):
    """A label that shows plain text only. The application uses no other kind of label."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)


def plain_text_tooltip(text: str) -> str:
    """Return a tooltip that shows `text` literally; use it for every tooltip with external text."""
    if not Qt.mightBeRichText(text):
        return text
    lines = "<br>".join(escape(text).split("\n"))
    return f'<p style="white-space:pre-wrap">{lines}</p>'


def escape_mnemonic(text: str) -> str:
    """Escape `text` for a button or menu entry, so that no letter becomes a mnemonic."""
    return text.replace("&", "&&")


def escape_window_title(text: str) -> str:
    """Escape `text` for a window title, so that nothing in it is Qt's placeholder for "modified"."""
    return text.replace("[*]", "[*][*]")


def message_box(
    parent: QWidget,
    title: str,
    text: str,
    informative_text: str = "",
    buttons: QMessageBox.StandardButton = QMessageBox.StandardButton.NoButton,
) -> QMessageBox:
    """Return a question with `text` and below it `informative_text`, both as plain text."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, escape_window_title(title), "", buttons, parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText("." if informative_text else "")
    for label in box.findChildren(QLabel):  # setTextFormat may not cover the informative text
        label.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(informative_text)
    return box
