"""Help → Open the log: shows the ends of the application's and the engine's log, to read, copy and locate."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtGui import QFontDatabase, QTextCursor
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QPlainTextEdit, QPushButton, QTabWidget, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths, with_tilde
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.ui.file_manager import show_in_folder
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row

SHOWN_BYTES = 256 * 1024
"""Bytes shown from the end of each log."""
_WORDS = (
    "What happened, for whoever helps you. It holds no token and no name of your home folder, and prompts only if the "
    "settings say so; what libraries of others print stands in the engine's log as they print it."
)


@dataclass(frozen=True, slots=True)
class _Log:
    title: str
    file: Path


class LogDialog(FittedDialog):
    """Shows the logs in `paths`; `fail` is called if their folder cannot be shown."""

    def __init__(
        self,
        paths: AppPaths,
        background: BackgroundRunner,
        fail: Callable[[SdxlDesktopError], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Log")
        self._background, self._fail = background, fail
        self._logs = (_Log("&Application", paths.log), _Log("&Engine", paths.engine_log))
        self._tabs = QTabWidget()
        self._where = muted_label("", wrap=True)
        self._texts = tuple(_text(log) for log in self._logs)
        for log, text in zip(self._logs, self._texts, strict=True):
            self._tabs.addTab(text, log.title)
        self._lay_out()
        self._tabs.currentChanged.connect(self._show_where)
        self._show_where()
        self.refresh()

    def _lay_out(self) -> None:
        copy, folder, again = QPushButton("&Copy"), QPushButton("Show in &folder"), QPushButton("&Read again")
        copy.setToolTip("Copy what is shown")
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self.text()))
        folder.clicked.connect(lambda: show_in_folder(self._now.file, self._fail, self))
        again.clicked.connect(self.refresh)
        for button in (copy, folder, again):
            button.setAutoDefault(False)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        ends = row(copy, folder, again)
        ends.addStretch(1)
        ends.addWidget(close)
        whole = column(
            muted_label(_WORDS, wrap=True), self._tabs, self._where, ends, spacing=12, margins=(24, 16, 24, 16)
        )
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.resize(900, 560)

    @property
    def _now(self) -> _Log:
        return self._logs[self._tabs.currentIndex()]

    def _show_where(self) -> None:
        self._where.setText(with_tilde(self._now.file))

    def text(self) -> str:
        """Return the shown text of the current tab's log."""
        return self._texts[self._tabs.currentIndex()].toPlainText()

    def show_engine(self) -> None:
        """Select the engine log's tab."""
        self._tabs.setCurrentIndex(1)

    def refresh(self) -> None:
        """Read both logs again and show their ends."""
        for log, text in zip(self._logs, self._texts, strict=True):
            show = partial(_show, text)
            self._background.read(partial(read_tail, log.file), show, owner=self)


def read_tail(file: Path, most: int = SHOWN_BYTES) -> str:
    """Return the last `most` bytes of a log, from the start of a line; a message if nothing was logged yet. Raises
    OSError."""
    try:
        with open_regular(file) as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - most))
            content = stream.read(most)
    except FileNotFoundError:
        return "Nothing was logged yet."
    if size > most:
        content = content.partition(b"\n")[2]
    return content.decode("utf-8", errors="replace").replace("\0", "\ufffd") or "Nothing was logged yet."


def _text(log: _Log) -> QPlainTextEdit:
    text = QPlainTextEdit()
    text.setReadOnly(True)
    text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    text.setAccessibleName(f"{log.title.replace('&', '')} log")
    return text


def _show(text: QPlainTextEdit, content: str) -> None:
    text.setPlainText(content)
    text.moveCursor(QTextCursor.MoveOperation.End)
    text.moveCursor(QTextCursor.MoveOperation.StartOfLine)
