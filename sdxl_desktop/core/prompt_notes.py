"""What a person should know of the words of a run before it: the window underlines it, the command line prints it."""

from __future__ import annotations

from sdxl_desktop.core.prompt_grammar import Severity, find_problems
from sdxl_desktop.core.request import Prompts

_LONGEST = 40
"""Characters that are quoted of the prompt."""


def prompt_notes(prompts: Prompts) -> tuple[str, ...]:
    """A sentence on each place in the prompts that is drawn, but perhaps not as it was meant; each is said once."""
    named = (
        ("prompt", prompts.prompt),
        ("negative prompt", prompts.negative_prompt),
        ("second prompt", prompts.prompt_2),
        ("second negative prompt", prompts.negative_prompt_2),
    )
    notes = (
        f"In the {name}, {_quoted(text[problem.start : problem.end])}: {problem}"
        for name, text in named
        for problem in find_problems(text)
        if problem.severity is Severity.WARNING
    )
    return tuple(dict.fromkeys(notes))


def _quoted(words: str) -> str:
    line = " ".join(words.split())
    return repr(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
