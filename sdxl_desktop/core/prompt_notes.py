"""Notes on the prompts of a run: the window underlines the text, the command line prints them."""

from __future__ import annotations

from sdxl_desktop.core.prompt_grammar import Severity, find_problems
from sdxl_desktop.core.prompt_template import parse_template
from sdxl_desktop.core.request import Prompts

_LONGEST = 40
"""Maximum quoted characters of the prompt."""


def prompt_notes(prompts: Prompts, *, expand_variants: bool = False) -> tuple[str, ...]:
    """Return a distinct sentence for each part of the prompts that is valid but may not mean what was intended;
    `expand_variants`: braces are variants, not text."""
    named = (
        ("prompt", prompts.prompt),
        ("negative prompt", prompts.negative_prompt),
        ("second prompt", prompts.prompt_2),
        ("second negative prompt", prompts.negative_prompt_2),
    )
    notes = (
        f"In the {name}, {_quoted(text[problem.start : problem.end])}: {problem}"
        for name, text in named
        for problem in (*find_problems(text), *(parse_template(text).problems if expand_variants else ()))
        if problem.severity is Severity.WARNING
    )
    return tuple(dict.fromkeys(notes))


def _quoted(words: str) -> str:
    line = " ".join(words.split())
    return repr(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
