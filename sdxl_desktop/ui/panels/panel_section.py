"""A disclosure that shows a one-line summary of its settings while it is closed."""

from __future__ import annotations

from typing import cast

from PySide6.QtWidgets import QVBoxLayout, QWidget

from sdxl_desktop.ui.widgets.layout_helpers import Disclosure, ElidedLabel, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_SUMMARY_INDENT = 23
"""Logical pixels from the left edge to the title's text, with which the summary is aligned."""


class PanelSection(Disclosure):
    """A disclosure with a summary. An empty summary takes no space."""

    def __init__(self, title: str, content: QWidget, extra: QWidget | None = None, *, tooltip: str) -> None:
        super().__init__(title, content, extra)
        self._summary = ElidedLabel()
        self._summary_row = QWidget()
        self._summary_row.setLayout(row(self._summary, margins=(_SUMMARY_INDENT, 0, 0, 4)))
        self._summary_row.hide()
        self._layout = cast(QVBoxLayout, self.layout())
        self._layout.insertWidget(1, self._summary_row)
        self.set_tooltip(tooltip)
        self.toggled.connect(self._show_summary)
        self._show_summary()

    def summary(self) -> str:
        return self._summary.text()

    def set_summary(self, text: str) -> None:
        """Show `text` under the title while the section is closed."""
        self._summary.setText(text)
        self._summary.setToolTip(plain_text_tooltip(text))
        self.setAccessibleDescription(text)
        self._show_summary()

    def _show_summary(self) -> None:
        self._summary_row.setVisible(bool(self.summary()) and not self.is_open())
        self._layout.setSpacing(8 if self.is_open() else 0)
