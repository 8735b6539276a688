"""A field for the hub's token, which goes into the system's keyring and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.hub.tokens import Token, find_token, forget_token, keep_token
from sdxl_desktop.ui.library.pieces import set_tone, words
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, row
from sdxl_desktop.ui.widgets.plain import plain_tip

T = TypeVar("T")
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
_HOW = "Open the page, sign in, and accept its terms. Then make a token of the kind “read” and put it here."


class Asks(Protocol):
    """Has work done elsewhere and its answer brought back: the library's thread."""

    def ask(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[SdxlDesktopError], object] | None = None,
        *,
        asker: QObject | None = None,
    ) -> None: ...


class TokenField(QWidget):
    """Emits `kept` once a token is in the keyring; a keyring may ask the person to unlock it, so that it takes time."""

    kept = Signal()

    def __init__(self, asks: Asks) -> None:
        super().__init__()
        self._asks = asks
        self.page = ""
        self._how = words(_HOW)
        self._open_page = dressed(QPushButton("Open its page"), "link")
        self._open_tokens = dressed(QPushButton("Make a token"), "link")
        self.edit = QLineEdit()
        self.keep = QPushButton("Keep token")
        self.forget = dressed(QPushButton("Forget it"), "link")
        self._state = words()
        self._lay_out()
        self._open_page.clicked.connect(lambda: _open(self.page))
        self._open_tokens.clicked.connect(lambda: _open(TOKENS_PAGE))
        self.keep.clicked.connect(self._keep)
        self.forget.clicked.connect(self._forget)
        self.edit.returnPressed.connect(self._keep)
        self.edit.textChanged.connect(lambda text: self.keep.setEnabled(bool(text.strip())))

    def _lay_out(self) -> None:
        self.edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.edit.setAccessibleName("Token for the hub")
        self.edit.setPlaceholderText("hf_…")
        self.keep.setEnabled(False)
        self.keep.setAutoDefault(False)
        self.keep.setToolTip("Puts the token into the system's keyring; it is written to no file here")
        links = row(self._open_page, self._open_tokens)
        links.addStretch(1)
        field = row(self.edit, self.keep)
        field.setStretch(0, 1)
        told = row(self._state, self.forget)
        told.setStretch(0, 1)
        self.setLayout(column(self._how, links, field, told, spacing=6))
        self.forget.setAutoDefault(False)
        self.forget.setToolTip("Removes the token from the system's keyring")
        self._state.hide()
        self.forget.hide()

    def show_for(self, page: str) -> None:
        """Ask for what `page` (may be unknown: "") wants, and tell whether a token is there already."""
        self.page = page
        self._open_page.setVisible(bool(page))
        self._open_page.setToolTip(plain_tip(page))
        self._asks.ask(find_token, self._tell_found, asker=self)

    def _tell_found(self, token: Token) -> None:
        self.forget.setVisible(token.kept)
        if token.value and not self._state.text():
            self._say(f"A token is there: from {token.where.split(';')[0]}.")

    def _keep(self) -> None:
        text = self.edit.text().strip()
        if not text:
            return
        self.keep.setEnabled(False)
        self._say("Waiting for the keyring…")
        self._asks.ask(partial(keep_token, text), self._take_kept, self._tell_not_kept, asker=self)

    def _tell_not_kept(self, problem: SdxlDesktopError) -> None:
        self.keep.setEnabled(True)
        self._say(str(problem), bad=True)

    def _take_kept(self, _: None) -> None:
        self.edit.clear()
        self._say("The token is kept in the system's keyring.")
        self.kept.emit()

    def _forget(self) -> None:
        self.forget.hide()
        self._say("Waiting for the keyring…")
        self._asks.ask(forget_token, self._take_forgotten, self._tell_not_forgotten, asker=self)

    def _tell_not_forgotten(self, problem: SdxlDesktopError) -> None:
        self.forget.show()
        self._say(str(problem), bad=True)

    def _take_forgotten(self, _: bool) -> None:
        self._say("The token was removed from the system's keyring.")

    def said(self) -> str:
        """What is told below the field."""
        return self._state.text()

    def _say(self, text: str, *, bad: bool = False) -> None:
        set_tone(self._state, "bad" if bad else "")
        self._state.setText(text)
        self._state.setVisible(bool(text))


class TokenDialog(Dialog):
    """Asks for a token on its own; accepted once it is kept."""

    def __init__(self, asks: Asks, page: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Token for the hub")
        self.field = TokenField(asks)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.rejected.connect(self.reject)
        self.field.kept.connect(self.accept)
        self.setLayout(column(self.field, buttons, spacing=16, margins=(24, 24, 24, 16)))
        self.setMinimumWidth(480)
        self.field.show_for(page)


def _open(page: str) -> None:
    if page:
        QDesktopServices.openUrl(QUrl(page))
