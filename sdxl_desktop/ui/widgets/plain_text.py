"""Text shown exactly as it is written: names, descriptions and errors from elsewhere are never read as HTML.

Qt guesses whether a text is rich text, for labels, tooltips and message boxes alike. Where a stranger's checkpoint or
file name decides that guess, his headings and links would be shown, and pictures read from the disk.
"""

from __future__ import annotations

from html import escape

from PySide6.QtGui import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget


class PlainTextLabel(QLabel):
    """A label that shows its text as it is written. No other kind of label is used in this application."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)


def plain_text_tooltip(text: str) -> str:
    """A tooltip that shows `text` as it is written; for every tooltip that holds words from elsewhere."""
    if not Qt.mightBeRichText(text):
        return text
    lines = "<br>".join(escape(text).split("\n"))
    return f'<p style="white-space:pre-wrap">{lines}</p>'


def escape_mnemonic(text: str) -> str:
    """The words of a button or a menu's line, in which no letter of `text` becomes its shortcut."""
    return text.replace("&", "&&")


def escape_window_title(text: str) -> str:
    """Words of a window's title, in which nothing of `text` is Qt's placeholder for "modified"."""
    return text.replace("[*]", "[*][*]")


def message_box(
    parent: QWidget,
    title: str,
    text: str,
    informative_text: str = "",
    buttons: QMessageBox.StandardButton = QMessageBox.StandardButton.NoButton,
) -> QMessageBox:
    """A question: `what` in large, `more` below, as they are written."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, escape_window_title(title), "", buttons, parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText("." if informative_text else "")
    for label in box.findChildren(QLabel):  # the box makes no promise for its informative text
        label.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(informative_text)
    return box
