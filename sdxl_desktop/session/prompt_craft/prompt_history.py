"""The last distinct prompts, for the person's own use: readable by them alone, and never in the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sdxl_desktop.core.prompts import Prompts
from sdxl_desktop.core.state_file import read_state, update_state

MAX_PROMPTS = 200
_MAX_LENGTH = 20_000
_SAVE_FAILED = "The prompt history could not be saved."
_Change = Callable[["tuple[UsedPrompt, ...]"], "tuple[UsedPrompt, ...]"]


class UsedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt as typed, with its negative prompt and styles."""

    prompt: str
    negative_prompt: str = ""
    styles: tuple[str, ...] = ()

    @classmethod
    def of(cls, prompts: Prompts, styles: tuple[str, ...]) -> UsedPrompt:
        return cls(prompt=prompts.prompt, negative_prompt=prompts.negative_prompt, styles=styles)

    def matches(self, words: str) -> bool:
        """Whether every one of the `words` occurs in it, in any case."""
        held = f"{self.prompt}\n{self.negative_prompt}\n{' '.join(self.styles)}".lower()
        return all(word in held for word in words.lower().split())


class _History(msgspec.Struct, frozen=True):
    prompts: tuple[UsedPrompt, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptHistory:
    """The history in one file, which several windows share."""

    file: Path

    def load(self) -> tuple[UsedPrompt, ...]:
        """Return the prompts, the newest first. Never raises."""
        return read_state(self.file, _History, _History()).prompts[:MAX_PROMPTS]

    def add(self, used: UsedPrompt) -> None:
        """Put a prompt first; raises SettingsError. Blank ones and ones of absurd length are not kept."""
        if not used.prompt.strip() or len(used.prompt) + len(used.negative_prompt) > _MAX_LENGTH:
            return
        self._change(lambda held: (used, *(one for one in held if one != used)))

    def delete(self, used: UsedPrompt) -> None:
        """Delete a prompt; raises SettingsError."""
        self._change(lambda held: tuple(one for one in held if one != used))

    def clear(self) -> None:
        """Delete all prompts; raises SettingsError."""
        self._change(lambda held: ())

    def _change(self, change: _Change) -> None:
        def changed(held: _History) -> _History:
            return _History(change(held.prompts)[:MAX_PROMPTS])

        update_state(self.file, _History, _History(), changed, _SAVE_FAILED)
