"""Says in the prompt field what variants and wildcards become, and which wildcards are missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompt_grammar import PromptProblem, Severity
from sdxl_desktop.core.prompt_template import parse_template
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.template_expansion import expand
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet

_EXAMPLES = 4
_SEEDS = 24
_MAX_EXAMPLE = 60


@dataclass(frozen=True, slots=True)
class LibraryVariantExamples:
    """Expands with the wildcards that are available now."""

    wildcards: Callable[[], WildcardSet]

    def example(self, text: str) -> str:
        """Return a sentence with examples of what `text` becomes."""
        try:
            texts = (expand(text, seed, "example", self.wildcards().values_of) for seed in range(_SEEDS))
            found = list(islice(dict.fromkeys(texts), _EXAMPLES))
        except RequestError as problem:
            return str(problem)
        listed = " · ".join(display_text(one, _MAX_EXAMPLE) or "nothing" for one in found)
        return f"For instance: {listed}\nEach picture takes its own, by its seed."

    def problems(self, text: str) -> tuple[PromptProblem, ...]:
        """Return an error for each wildcard of a prompt that is missing."""
        return tuple(
            PromptProblem(
                wildcard.start,
                wildcard.end,
                f"There is no wildcard called {display_text(wildcard.name)!r}.",
                Severity.ERROR,
                f"Put {display_text(wildcard.name)}.txt, with a value in each line, into the wildcards folder.",
            )
            for wildcard in parse_template(text).wildcards
            if not self.wildcards().values_of(wildcard.name)
        )
