"""Styles: words around the prompt, and words for the negative prompt, under a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompts import Prompts
from sdxl_desktop.core.untrusted_text import display_text

PLACEHOLDER = "{prompt}"
"""Where a style's text takes the prompt."""
OWN_CATEGORY = "Your own"
MAX_NAME = 100
MAX_TEXT = 4_000
"""Maximum characters of a style's prompt, and of its negative prompt."""


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """A style. `prompt` and `negative_prompt` take the typed text at `{prompt}`, or follow it where they do not say."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    category: str = OWN_CATEGORY

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > MAX_NAME or not self.name.isprintable():
            raise RequestError(
                f"{display_text(self.name, 60)!r} cannot be the name of a style.",
                next_step=f"Give it one of 1 to {MAX_NAME} printable characters.",
            )
        for text in (self.prompt, self.negative_prompt):
            if len(text) > MAX_TEXT:
                raise RequestError(
                    f"The style {display_text(self.name, 60)!r} is too long.",
                    why=f"It has {len(text)} characters; {MAX_TEXT} are allowed.",
                    next_step="Shorten it.",
                )


@dataclass(frozen=True, slots=True)
class StyleSet:
    """Styles by name, in the order in which they are shown."""

    styles: tuple[Style, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Style]:
        return {style.name: style for style in self.styles}

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(style.category for style in self.styles))

    def named(self, name: str) -> Style:
        """Return the style `name`, in any case; raises RequestError if there is none."""
        known = self.by_name
        found = known.get(name) or next((one for one in self.styles if one.name.lower() == name.strip().lower()), None)
        if found is None:
            raise RequestError(
                f"There is no style called {display_text(name, 60)!r}.",
                next_step="The command styles list shows them all; styles import adds those of a file.",
            )
        return found

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that are not here."""
        known = self.by_name
        return tuple(name for name in names if name not in known)


def apply_styles(prompts: Prompts, styles: Iterable[Style]) -> Prompts:
    """Return `prompts` with the styles put on prompt and negative prompt, in order. The prompts of the second text
    encoder stay as they are."""
    prompt, negative = prompts.prompt, prompts.negative_prompt
    for style in styles:
        prompt = _applied(style.prompt, prompt)
        negative = _applied(style.negative_prompt, negative)
    return replace(prompts, prompt=prompt, negative_prompt=negative)


def _applied(style: str, text: str) -> str:
    if PLACEHOLDER in style:
        return style.replace(PLACEHOLDER, text)
    parts = [part for part in (text.strip().rstrip(",").rstrip() if style.strip() else text, style.strip()) if part]
    return ", ".join(parts)
