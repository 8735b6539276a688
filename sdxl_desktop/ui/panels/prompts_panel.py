"""Prompt and negative prompt, and in a disclosure the prompts of the second text encoder and the CLIP skip."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from sdxl_desktop.core.additions import EmbeddingReference
from sdxl_desktop.core.lora_tags import TagUse
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.library.embedding_vectors import embedding_vector_counts
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.session.completion.prompt_completion import Completions, CompletionTrigger, PromptCompleter
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.widgets.completion_popup import CompleteFunction
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.widgets.prompt_edit import PromptField
from sdxl_desktop.ui.widgets.prompt_highlighter import VariantExamples


class PromptsPanel(QWidget):
    """Edits `Prompts`."""

    changed = Signal()
    tokens_requested = Signal()
    """A token counter was clicked."""
    suggestion_accepted = Signal(object)
    """Suggestion"""
    history_requested = Signal(int)
    """How many prompts to go back in the history."""

    def __init__(self, under_prompt: QWidget | None = None) -> None:
        """`under_prompt` is shown between the prompt and the negative prompt."""
        super().__init__()
        self._prompt = PromptField("&Prompt", "A red heart on a blue background", tooltips.PROMPT, min_lines=3)
        self._negative = PromptField("&Negative prompt", "What you do not want to see", tooltips.NEGATIVE)
        self._prompt_2 = PromptField("Prompt for encoder 2", "Same as the prompt", tooltips.PROMPT_2)
        self._negative_2 = PromptField("Negative for encoder 2", "Same as the negative prompt", tooltips.NEGATIVE_2)
        for field in (self._negative, self._negative_2):
            field.set_tags(TagUse.NEGATIVE)
        self._embeddings: tuple[EmbeddingReference, ...] = ()
        self._numbers = NumberRows(Prompts, ("clip_skip",))
        self.encoders_section = self._create_encoders_section()
        under = (self._prompt,) if under_prompt is None else (self._prompt, under_prompt)
        self.setLayout(column(column(*under, spacing=4), self._negative, self.encoders_section, spacing=12))
        for field in self._fields():
            field.changed.connect(self._handle_change)
            field.tokens_requested.connect(self.tokens_requested)
            field.suggestion_accepted.connect(self.suggestion_accepted)
            field.history_requested.connect(self.history_requested)
        self._numbers.changed.connect(self._handle_change)

    def _create_encoders_section(self) -> PanelSection:
        inside = QWidget()
        inside.setLayout(column(self._prompt_2, self._negative_2, *self._numbers.rows(), spacing=12))
        return PanelSection("Te&xt encoders", inside, tooltip=tooltips.ENCODERS)

    def _fields(self) -> tuple[PromptField, ...]:
        return self._prompt, self._negative, self._prompt_2, self._negative_2

    def value(self) -> Prompts:
        return Prompts(
            prompt=self._prompt.value(),
            negative_prompt=self._negative.value(),
            prompt_2=self._prompt_2.value(),
            negative_prompt_2=self._negative_2.value(),
            **self._numbers.values(),
        )

    def set_value(self, prompts: Prompts) -> None:
        with QSignalBlocker(self):
            self._prompt.set_value(prompts.prompt)
            self._negative.set_value(prompts.negative_prompt)
            self._prompt_2.set_value(prompts.prompt_2)
            self._negative_2.set_value(prompts.negative_prompt_2)
            self._numbers.set_values(prompts)
            self._update_summary()

    def set_variants(self, variants: VariantExamples | None) -> None:
        """Highlight variants and wildcards, and show examples of them; None: they are text."""
        for field in self._fields():
            field.set_variants(variants)

    def set_counters(self, encoder_1: TokenCounter | None, encoder_2: TokenCounter | None) -> None:
        """Set the token counters of the checkpoint's two text encoders; None hides a count."""
        self._prompt.set_counter(encoder_1)
        self._negative.set_counter(encoder_1)
        self._prompt_2.set_counter(encoder_2)
        self._negative_2.set_counter(encoder_2)

    def set_lora_tags(self, use: TagUse, knows_lora: Callable[[str], bool]) -> None:
        """Set what becomes of LoRA tags in the prompts, and which names the library knows."""
        for field in (self._prompt, self._prompt_2):
            field.set_tags(use, knows_lora)

    def set_completer(self, completer: PromptCompleter | None) -> None:
        """Set what suggests words in all prompts; None switches suggestions off."""
        for field in self._fields():
            negative = field in (self._negative, self._negative_2)
            field.set_completion(None if completer is None else _complete_function(completer, negative=negative))

    def set_embeddings(self, embeddings: tuple[EmbeddingReference, ...]) -> None:
        """Mark the tokens of these embeddings, and count each as its number of vectors in each encoder."""
        if embeddings == self._embeddings:
            return
        self._embeddings = embeddings
        vectors = {one.token: embedding_vector_counts(one.file) for one in embeddings}
        for field in (self._prompt, self._negative):
            field.set_embeddings({token: first for token, (first, _) in vectors.items()})
        for field in (self._prompt_2, self._negative_2):
            field.set_embeddings({token: second for token, (_, second) in vectors.items()})

    def focus_prompt(self) -> None:
        """Move the keyboard focus to the prompt."""
        self._prompt.focus_text()

    def insert_token(self, token: str) -> None:
        """Insert `token` into the prompt at the cursor, and move the cursor behind it."""
        edit = self._prompt.findChildren(QPlainTextEdit)[0]
        cursor = edit.textCursor()
        text, start, end = edit.toPlainText(), cursor.selectionStart(), cursor.selectionEnd()
        before = " " if start and not text[start - 1].isspace() else ""
        after = " " if end < len(text) and not text[end].isspace() and text[end] not in ",.)" else ""
        cursor.insertText(f"{before}{token}{after}")
        edit.setTextCursor(cursor)
        self._prompt.focus_text()

    def _handle_change(self) -> None:
        self._update_summary()
        self.changed.emit()

    def _update_summary(self) -> None:
        value = self.value()
        words = ["separate prompt for encoder 2"] if value.prompt_2 or value.negative_prompt_2 else []
        words += [text.lower() for text in self._numbers.summary()]
        self.encoders_section.set_summary(" · ".join(words).capitalize())


def _complete_function(completer: PromptCompleter, *, negative: bool) -> CompleteFunction:
    def complete(text: str, position: int, trigger: CompletionTrigger) -> Completions:
        return completer.complete(text, position, trigger=trigger, negative=negative)

    return complete
