"""What a person typed, where the prompts of a request were made from it: styles, variants and wildcards."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompts import Prompts

MAX_STYLES = 32
"""Maximum number of styles of one picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSource:
    """`prompts` as typed, the names of the `styles` put on them in order, and whether variants and wildcards were
    expanded."""

    prompts: Prompts
    styles: tuple[str, ...] = ()
    expand_variants: bool = True

    def __post_init__(self) -> None:
        if len(self.styles) > MAX_STYLES:
            raise RequestError(f"More than {MAX_STYLES} styles are chosen.", next_step="Choose fewer of them.")
