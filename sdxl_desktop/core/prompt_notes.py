"""Notes on the prompts of a run: the window underlines the text, the command line prints them."""

from __future__ import annotations

from sdxl_desktop.core.lora_tags import TagUse, find_prompt_problems
from sdxl_desktop.core.prompt_grammar import Severity
from sdxl_desktop.core.prompt_template import parse_template
from sdxl_desktop.core.request import Prompts

_LONGEST = 40
"""Maximum quoted characters of the prompt."""


def prompt_notes(prompts: Prompts, *, lora_tags: bool = True, expand_variants: bool = False) -> tuple[str, ...]:
    """Return a distinct sentence for each part of the prompts that is valid but may not mean what was intended.
    `lora_tags`: tags such as <lora:name:0.8> add LoRAs; `expand_variants`: braces are variants, not text."""
    positive = TagUse.LOAD if lora_tags else TagUse.TEXT
    named = (
        ("prompt", prompts.prompt, positive),
        ("negative prompt", prompts.negative_prompt, TagUse.NEGATIVE),
        ("second prompt", prompts.prompt_2, positive),
        ("second negative prompt", prompts.negative_prompt_2, TagUse.NEGATIVE),
    )
    notes = (
        f"In the {name}, {_quoted(text[problem.start : problem.end])}: {problem}"
        for name, text, use in named
        for problem in (*find_prompt_problems(text, use), *(parse_template(text).problems if expand_variants else ()))
        if problem.severity is Severity.WARNING
    )
    return tuple(dict.fromkeys(notes))


def _quoted(words: str) -> str:
    line = " ".join(words.split())
    return repr(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
