"""A disclosure that says in one line what is set inside while it is closed."""

from __future__ import annotations

from typing import cast

from PySide6.QtWidgets import QVBoxLayout, QWidget

from sdxl_desktop.ui.widgets.layout import Disclosure, ElidedLabel, row
from sdxl_desktop.ui.widgets.plain import plain_tip

_UNDER_THE_WORDS = 23
"""Logical pixels from the left edge to the title's words: the summary begins where they do."""


class Section(Disclosure):
    """A disclosure with a summary. An empty summary takes no room."""

    def __init__(self, title: str, content: QWidget, extra: QWidget | None = None, *, tip: str) -> None:
        super().__init__(title, content, extra)
        self._summary = ElidedLabel()
        self._line = QWidget()
        self._line.setLayout(row(self._summary, margins=(_UNDER_THE_WORDS, 0, 0, 4)))
        self._line.hide()
        self._stack = cast(QVBoxLayout, self.layout())
        self._stack.insertWidget(1, self._line)
        self.set_tip(tip)
        self.toggled.connect(self._show_summary)
        self._show_summary()

    def summary(self) -> str:
        return self._summary.text()

    def set_summary(self, words: str) -> None:
        """Say `words` under the title for as long as the section is closed."""
        self._summary.setText(words)
        self._summary.setToolTip(plain_tip(words))
        self.setAccessibleDescription(words)
        self._show_summary()

    def _show_summary(self) -> None:
        self._line.setVisible(bool(self.summary()) and not self.is_open())
        self._stack.setSpacing(8 if self.is_open() else 0)
