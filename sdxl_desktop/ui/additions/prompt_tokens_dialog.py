"""The token view: how the text encoders of the checkpoint split the prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QColor, QFont, QPalette, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QTabWidget, QTextEdit, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.additions import EmbeddingReference
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.lora_tags import remove_tags
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.library.token_view import EncoderTokens, PromptToken, TokenChunk, TokenViewer
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label

_EXPLANATION = (
    "Each box is one token. Prompts are read in chunks of 75 tokens; words that are divided over two boxes are not in "
    "the encoder's vocabulary as a whole. Bold words count more, pale ones less."
)
_REFRESH_MS = 250
_ROLE = QPalette.ColorRole


@dataclass(frozen=True, slots=True)
class TokenSource:
    """What is split: the checkpoint's folder (None: there is no checkpoint), the prompts as typed, the embeddings.
    `lora_tags`: whether tags are taken out of the prompts."""

    folder: Path | None
    prompts: Prompts
    embeddings: tuple[EmbeddingReference, ...] = ()
    is_refiner: bool = False
    lora_tags: bool = True


Views = tuple[tuple[EncoderTokens, ...], tuple[EncoderTokens, ...]]


class PromptTokensDialog(FittedDialog):
    """Shows the tokens of the prompt and of the negative prompt; `refresh_later` follows what is typed."""

    def __init__(self, source: Callable[[], TokenSource], background: BackgroundRunner, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Tokens")
        self._source, self._background = source, background
        self._current: TokenSource | None = None
        self._pages = {name: QTextEdit() for name in ("Prompt", "Negative prompt")}
        self._error_label = muted_label(wrap=True)
        self._timer = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self._lay_out()
        self.refresh()

    def _lay_out(self) -> None:
        tabs = QTabWidget()
        for name, page in self._pages.items():
            page.setReadOnly(True)
            page.setAccessibleName(f"Tokens of the {name.lower()}")
            page.setTabChangesFocus(True)
            tabs.addTab(page, name)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self._error_label.setProperty("role", "over")
        explanation = muted_label(_EXPLANATION, wrap=True)
        whole = column(explanation, self._error_label, tabs, buttons, spacing=12, margins=(24, 16, 24, 16))
        whole.setStretch(2, 1)
        self.setLayout(whole)
        self.resize(720, 560)

    def refresh_later(self) -> None:
        """Show the tokens again when nothing was typed for a moment."""
        if self.isVisible():
            self._timer.start()

    def refresh(self) -> None:
        """Split the prompts again, off the main thread."""
        source = self._current = self._source()
        if source.folder is None:
            self._show_error("There is no checkpoint, so there is nothing that reads the prompt.")
            return
        self._background.read(
            partial(_split, source), partial(self._take, source), partial(self._take_error, source), owner=self
        )

    def texts(self) -> dict[str, str]:
        """Return the shown text of each page, by its title."""
        return {name: page.toPlainText() for name, page in self._pages.items()}

    def _take(self, source: TokenSource, views: Views) -> None:
        if source is self._current:
            self._show_error("")
            for page, encoders in zip(self._pages.values(), views, strict=True):
                _Writer(page).write(encoders)

    def _take_error(self, source: TokenSource, problem: SdxlDesktopError) -> None:
        if source is self._current:
            self._show_error(str(problem))

    def _show_error(self, text: str) -> None:
        self._error_label.setText(text)
        self._error_label.setVisible(bool(text))


def _split(source: TokenSource) -> Views:
    assert source.folder is not None
    viewer = TokenViewer(source.folder, source.embeddings, is_refiner=source.is_refiner)
    prompts = source.prompts
    positive = [remove_tags(text) if source.lora_tags else text for text in (prompts.prompt, prompts.prompt_2)]
    return viewer.view(*positive), viewer.view(prompts.negative_prompt, prompts.negative_prompt_2)


class _Writer:
    """Writes tokens into a page, as plain text with formats, so that nothing in a prompt is read as markup."""

    def __init__(self, page: QTextEdit) -> None:
        self._page, self._palette = page, QApplication.palette()  # the page's has a pale placeholder colour
        page.clear()
        self._cursor = QTextCursor(page.document())

    def write(self, encoders: Iterable[EncoderTokens]) -> None:
        for encoder in encoders:
            self._line(f"{encoder.encoder}, {len(encoder.tokens)} tokens", bold=True)
            for number, chunk in enumerate(encoder.chunks, 1):
                after = ", after BREAK" if chunk.begins_section else ""
                self._line(f"Chunk {number}: {len(chunk.tokens)} of {encoder.capacity}{after}", muted=True)
                self._chunk(chunk)
            self._insert("\n", QTextCharFormat())
        self._page.moveCursor(QTextCursor.MoveOperation.Start)

    def _chunk(self, chunk: TokenChunk) -> None:
        for number, token in enumerate(_joined(chunk.tokens)):
            self._insert(token.text or "·", self._format(token, odd=bool(number % 2)))
            if token.ends_word or token.embedding:
                self._insert(" ", QTextCharFormat())
        self._insert("\n", QTextCharFormat())

    def _line(self, text: str, *, bold: bool = False, muted: bool = False) -> None:
        style = QTextCharFormat()
        style.setForeground(self._palette.color(_ROLE.PlaceholderText if muted else _ROLE.Text))
        style.setFontWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
        self._insert(f"{text}\n", style)

    def _format(self, token: PromptToken, *, odd: bool) -> QTextCharFormat:
        style, palette = QTextCharFormat(), self._palette
        style.setBackground(palette.color(_ROLE.Light if odd else _ROLE.Midlight))
        colour: QColor = palette.color(_ROLE.Text)
        if token.embedding:
            colour = palette.color(_ROLE.Link)
        elif token.is_unknown:
            colour = palette.color(_ROLE.BrightText)
            style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        elif token.weight < 1:
            colour = palette.color(_ROLE.PlaceholderText)
        style.setForeground(colour)
        style.setFontWeight(QFont.Weight.Bold if token.weight > 1 else QFont.Weight.Normal)
        style.setToolTip(_tip(token))
        return style

    def _insert(self, text: str, style: QTextCharFormat) -> None:
        self._cursor.insertText(text, style)


def _joined(tokens: Iterable[PromptToken]) -> Iterable[PromptToken]:
    """Yield the tokens with their weight behind the last of equal ones, and the vectors of an embedding as one."""
    for _, group in groupby(tokens, key=lambda token: (token.weight, token.embedding)):
        same = list(group)
        if same[0].embedding:
            same = [_with_text(same[0], f"{same[0].text} ({len(same)} tokens)")]
        *before, last = same
        yield from before
        yield last if last.weight == 1 else _with_text(last, f"{last.text or '·'} ×{last.weight:.3g}")


def _with_text(token: PromptToken, text: str) -> PromptToken:
    return PromptToken(text, token.id, token.weight, True, token.is_unknown, token.embedding)


def _tip(token: PromptToken) -> str:
    if token.embedding:
        return "Vectors of an embedding"
    if token.is_unknown:
        return "Not in the vocabulary: the encoder reads its mark for unknown text"
    return f"Token {token.id}, weight {token.weight:.3g}"
