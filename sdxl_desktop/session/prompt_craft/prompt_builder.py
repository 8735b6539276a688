"""Makes the final prompts of a run from what was typed: styles, then variants and wildcards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.lora_tags import remove_tags
from sdxl_desktop.core.prompt_source import PromptSource
from sdxl_desktop.core.prompt_template import escape_template
from sdxl_desktop.core.prompts import Prompts
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.styles import StyleSet, apply_styles
from sdxl_desktop.session.prompt_craft.template_expansion import check_wildcards, combinations, expand
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet

MAX_COMBINATIONS = 1_000
_TEXTS = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")


@dataclass
class PromptBuilder:
    """`styles` and `wildcards` return what is available now."""

    styles: Callable[[], StyleSet] = StyleSet
    wildcards: Callable[[], WildcardSet] = WildcardSet
    expands_variants: Callable[[], bool] = lambda: True

    def source(self, prompts: Prompts, styles: Sequence[str]) -> PromptSource:
        """Return what is typed now as a source."""
        return PromptSource(prompts=prompts, styles=tuple(styles), expand_variants=self.expands_variants())

    def check(self, source: PromptSource) -> None:
        """Raise RequestError if a style or wildcard is missing; nothing is expanded."""
        styled = self._styled(source)
        if source.expand_variants:
            for name in _TEXTS:
                check_wildcards(getattr(styled, name), self.wildcards().values_of)

    def build(self, source: PromptSource, seed: int) -> Prompts:
        """Return the final prompts of the picture with `seed`; raises RequestError."""
        styled = self._styled(source)
        if not source.expand_variants:
            return styled
        values_of = self.wildcards().values_of
        texts: dict[str, Any] = {name: expand(getattr(styled, name), seed, name, values_of) for name in _TEXTS}
        return replace(styled, **texts)

    def applied_to(self, request: GenerationRequest, styles: Sequence[str]) -> GenerationRequest:
        """Return `request`, whose prompts are as typed, with the final prompts of each of its pictures. Raises
        RequestError."""
        source = self.source(request.prompts, styles)
        made = tuple(self.build(source, seed) for seed in request.sampling.seeds)
        if all(prompts == request.prompts for prompts in made) and not styles:
            return request
        return replace(
            request,
            prompts=made[0],
            prompt_source=source,
            picture_prompts=made if any(prompts != made[0] for prompts in made) else (),
        )

    def combination_requests(self, request: GenerationRequest, styles: Sequence[str]) -> tuple[GenerationRequest, ...]:
        """Return `request`, whose prompts are as typed, once for each combination of their variants and wildcards.
        Raises RequestError also for more than MAX_COMBINATIONS."""
        source = self.source(request.prompts, styles)
        found = self.combinations(source)
        if len(found) > MAX_COMBINATIONS:
            raise too_many_combinations()
        return tuple(replace(request, prompts=prompts, prompt_source=source) for prompts in found)

    def combinations(self, source: PromptSource) -> tuple[Prompts, ...]:
        """Return every distinct combination of the variants and wildcards, at most MAX_COMBINATIONS + 1. Raises
        RequestError."""
        styled = self._styled(source)
        if not source.expand_variants:
            return (styled,)
        return tuple(islice(self._combinations(styled, _TEXTS), MAX_COMBINATIONS + 1))

    def _combinations(self, prompts: Prompts, names: Sequence[str]) -> Iterator[Prompts]:
        if not names:
            yield prompts
            return
        for text in combinations(getattr(prompts, names[0]), self.wildcards().values_of):
            changed: dict[str, Any] = {names[0]: text}
            yield from self._combinations(replace(prompts, **changed), names[1:])

    def recorded_source(self, request: GenerationRequest, seed: int) -> PromptSource:
        """Return what gives the prompts of a recorded picture again with its seed: what was typed for it, or the final
        text if there is nothing else, or if styles or wildcards are missing or have changed."""
        if request.prompt_source is not None:
            source = self.source(request.prompt_source.prompts, request.prompt_source.styles)
            with suppress(RequestError):
                made = self.build(source, seed)
                if request.prompts in (made, _without_lora_tags(made)):
                    return source
        if not self.expands_variants():
            return self.source(request.prompts, ())
        texts: dict[str, Any] = {name: escape_template(getattr(request.prompts, name)) for name in _TEXTS}
        return self.source(replace(request.prompts, **texts), ())

    def _styled(self, source: PromptSource) -> Prompts:
        if not source.styles:
            return source.prompts
        known = self.styles()
        missing = known.missing(source.styles)
        if missing:
            raise RequestError(
                f"There is no style called {display_text(missing[0], 60)!r}.",
                next_step="Take it off the prompt, or import it again.",
            )
        return apply_styles(source.prompts, [known.by_name[name] for name in source.styles])


def _without_lora_tags(prompts: Prompts) -> Prompts:
    """Return what is encoded of `prompts` if tags in them add LoRAs."""
    return replace(prompts, prompt=remove_tags(prompts.prompt), prompt_2=remove_tags(prompts.prompt_2))


def too_many_combinations() -> RequestError:
    """Return the error for more than MAX_COMBINATIONS."""
    return RequestError(
        f"The prompt has more than {MAX_COMBINATIONS:,} combinations.",
        next_step="Write fewer variants, or draw a number of random ones.",
    )
