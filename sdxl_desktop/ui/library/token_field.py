"""A field for the hub's access token, which is stored in the system's keyring and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.hub.access_token import AccessToken, delete_token, find_token, store_token
from sdxl_desktop.ui.library.common_widgets import set_tone, wrapped_label
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

T = TypeVar("T")
TOKENS_PAGE_URL = "https://huggingface.co/settings/tokens"
_INSTRUCTIONS = "Open the page, sign in, and accept its terms. Then make a token of the kind “read” and put it here."


class TaskRunner(Protocol):
    """Runs a task on another thread and passes the result to a callback: the library's thread."""

    def submit(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: Callable[[SdxlDesktopError], object] | None = None,
        *,
        owner: QObject | None = None,
    ) -> None: ...


class TokenField(QWidget):
    """Emits `token_saved` once a token is in the keyring; that may take time, as a keyring may ask to be unlocked."""

    token_saved = Signal()

    def __init__(self, runner: TaskRunner) -> None:
        super().__init__()
        self._runner = runner
        self.page_url = ""
        self._instructions = wrapped_label(_INSTRUCTIONS)
        self._open_page_button = with_role(QPushButton("Open its page"), "link")
        self._open_tokens_button = with_role(QPushButton("Make a token"), "link")
        self.token_edit = QLineEdit()
        self.save_button = QPushButton("Keep token")
        self.forget_button = with_role(QPushButton("Forget it"), "link")
        self._status_label = wrapped_label()
        self._lay_out()
        self._open_page_button.clicked.connect(lambda: _open_url(self.page_url))
        self._open_tokens_button.clicked.connect(lambda: _open_url(TOKENS_PAGE_URL))
        self.save_button.clicked.connect(self._save)
        self.forget_button.clicked.connect(self._remove_token)
        self.token_edit.returnPressed.connect(self._save)
        self.token_edit.textChanged.connect(lambda text: self.save_button.setEnabled(bool(text.strip())))

    def _lay_out(self) -> None:
        self.token_edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.token_edit.setAccessibleName("Token for the hub")
        self.token_edit.setPlaceholderText("hf_…")
        self.save_button.setEnabled(False)
        self.save_button.setAutoDefault(False)
        self.save_button.setToolTip("Puts the token into the system's keyring; it is written to no file here")
        links = row(self._open_page_button, self._open_tokens_button)
        links.addStretch(1)
        field = row(self.token_edit, self.save_button)
        field.setStretch(0, 1)
        status_row = row(self._status_label, self.forget_button)
        status_row.setStretch(0, 1)
        self.setLayout(column(self._instructions, links, field, status_row, spacing=6))
        self.forget_button.setAutoDefault(False)
        self.forget_button.setToolTip("Removes the token from the system's keyring")
        self._status_label.hide()
        self.forget_button.hide()

    def show_for(self, page: str) -> None:
        """Ask for the token that `page` (a URL, "" if unknown) requires, and show whether one is already stored."""
        self.page_url = page
        self._open_page_button.setVisible(bool(page))
        self._open_page_button.setToolTip(plain_text_tooltip(page))
        self._runner.submit(find_token, self._show_found, owner=self)

    def _show_found(self, token: AccessToken) -> None:
        self.forget_button.setVisible(token.in_keyring)
        if token.value and not self._status_label.text():
            self._show_status(f"A token is there: from {token.source.split(';')[0]}.")

    def _save(self) -> None:
        text = self.token_edit.text().strip()
        if not text:
            return
        self.save_button.setEnabled(False)
        self._show_status("Waiting for the keyring…")
        self._runner.submit(partial(store_token, text), self._handle_saved, self._tell_not_kept, owner=self)

    def _tell_not_kept(self, problem: SdxlDesktopError) -> None:
        self.save_button.setEnabled(True)
        self._show_status(str(problem), bad=True)

    def _handle_saved(self, _: None) -> None:
        self.token_edit.clear()
        self._show_status("The token is kept in the system's keyring.")
        self.token_saved.emit()

    def _remove_token(self) -> None:
        self.forget_button.hide()
        self._show_status("Waiting for the keyring…")
        self._runner.submit(delete_token, self._handle_forgotten, self._tell_not_forgotten, owner=self)

    def _tell_not_forgotten(self, problem: SdxlDesktopError) -> None:
        self.forget_button.show()
        self._show_status(str(problem), bad=True)

    def _handle_forgotten(self, _: bool) -> None:
        self._show_status("The token was removed from the system's keyring.")

    def status_text(self) -> str:
        """Return the message below the field."""
        return self._status_label.text()

    def _show_status(self, text: str, *, bad: bool = False) -> None:
        set_tone(self._status_label, "bad" if bad else "")
        self._status_label.setText(text)
        self._status_label.setVisible(bool(text))


class TokenDialog(FittedDialog):
    """Asks for a token in a dialog of its own; accepted once it is stored."""

    def __init__(self, runner: TaskRunner, page: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Token for the hub")
        self.token_field = TokenField(runner)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.rejected.connect(self.reject)
        self.token_field.token_saved.connect(self.accept)
        self.setLayout(column(self.token_field, buttons, spacing=16, margins=(24, 24, 24, 16)))
        self.setMinimumWidth(480)
        self.token_field.show_for(page)


def _open_url(url: str) -> None:
    if url:
        QDesktopServices.openUrl(QUrl(url))
