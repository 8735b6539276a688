"""The words: prompt and negative prompt, and behind a disclosure those for the second text encoder."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.request import Prompts
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.layout import Disclosure, column
from sdxl_desktop.ui.widgets.prompt_edit import PromptField


class PromptsPanel(QWidget):
    """Edits `Prompts`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._prompt = PromptField("&Prompt", "A red heart on a blue background", glossary.PROMPT, least=3)
        self._negative = PromptField("&Negative prompt", "What you do not want to see", glossary.NEGATIVE)
        self._prompt_2 = PromptField("Prompt for encoder 2", "Same as the prompt", glossary.PROMPT_2)
        self._negative_2 = PromptField("Negative for encoder 2", "Same as the negative prompt", glossary.NEGATIVE_2)
        self.second = self._second_encoder()
        self.setLayout(column(self._prompt, self._negative, self.second, spacing=12))
        for field in self._fields():
            field.changed.connect(self.changed)

    def _second_encoder(self) -> Disclosure:
        inside = QWidget()
        inside.setLayout(column(self._prompt_2, self._negative_2, spacing=12))
        disclosure = Disclosure("Second text encoder", inside)
        disclosure.set_tip(glossary.SECOND_ENCODER)
        return disclosure

    def _fields(self) -> tuple[PromptField, ...]:
        return self._prompt, self._negative, self._prompt_2, self._negative_2

    def value(self) -> Prompts:
        return Prompts(
            prompt=self._prompt.value(),
            negative_prompt=self._negative.value(),
            prompt_2=self._prompt_2.value(),
            negative_prompt_2=self._negative_2.value(),
        )

    def set_value(self, prompts: Prompts) -> None:
        with QSignalBlocker(self):
            self._prompt.set_value(prompts.prompt)
            self._negative.set_value(prompts.negative_prompt)
            self._prompt_2.set_value(prompts.prompt_2)
            self._negative_2.set_value(prompts.negative_prompt_2)

    def set_counters(self, first: TokenCounter | None, second: TokenCounter | None) -> None:
        """Count tokens as the checkpoint's two text encoders do; None hides a count."""
        self._prompt.set_counter(first)
        self._negative.set_counter(first)
        self._prompt_2.set_counter(second)
        self._negative_2.set_counter(second)

    def focus(self) -> None:
        """Put the cursor into the prompt."""
        self._prompt.focus()
