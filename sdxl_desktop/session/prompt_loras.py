"""Turns the `<lora:…>` tags of typed prompts into LoRAs of the library, and the prompts into what is encoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sdxl_desktop.core.additions import Additions, LoraReference
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.lora_tags import LoraTag, find_tags, remove_tags
from sdxl_desktop.core.prompt_grammar import Severity
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.session.addition_library import LoraLookup, UnknownLoraError


@dataclass(frozen=True, slots=True)
class ResolvedPrompts:
    """`prompts` are what the encoders read, `typed` what was typed if it has tags, `loras` those that the tags add."""

    prompts: Prompts
    typed: Prompts | None = None
    loras: tuple[LoraReference, ...] = ()


def resolve_lora_tags(prompts: Prompts, lookup: LoraLookup, *, leave_out_unknown: bool = False) -> ResolvedPrompts:
    """Return `prompts` without tags, and the LoRAs that they name. The second prompt's tags count, too, unless the
    first has the same one; negative prompts have none, as in AUTOMATIC1111's web UI.

    Raises RequestError for a malformed tag, UnknownLoraError for a name that is not in the library (unless unknown ones
    are left out), AdditionError for a damaged file.
    """
    first, second = find_tags(prompts.prompt), find_tags(prompts.prompt_2)
    if not first and not second:
        return ResolvedPrompts(prompts)
    for text, tags in ((prompts.prompt, first), (prompts.prompt_2, second)):
        _check(text, tags)
    written = {_meaning(tag) for tag in first}
    used = [*first, *(tag for tag in second if _meaning(tag) not in written)]
    loras: list[LoraReference] = []
    for tag in used:
        try:
            entry = lookup.find_lora(tag.name)
        except UnknownLoraError:
            if leave_out_unknown:
                continue
            raise
        weight = entry.weight if tag.weight is None else tag.weight
        loras.append(LoraReference(entry.file.resolve(), weight, tag.text_weight, from_prompt=True))
    encoded = replace(prompts, prompt=remove_tags(prompts.prompt), prompt_2=remove_tags(prompts.prompt_2))
    return ResolvedPrompts(encoded, prompts, tuple(loras))


def with_prompt_loras(
    request: GenerationRequest, lookup: LoraLookup | None, *, leave_out_unknown: bool = False
) -> GenerationRequest:
    """Return `request`, whose prompts are final, with the LoRAs that tags in them name, and without the tags. Without a
    `lookup` tags are text.

    Raises what `resolve_lora_tags` does, and RequestError if its pictures would need different LoRAs.
    """
    if lookup is None:
        return request
    each = request.picture_prompts or (request.prompts,)
    resolved = [resolve_lora_tags(prompts, lookup, leave_out_unknown=leave_out_unknown) for prompts in each]
    if all(one.typed is None for one in resolved):
        return request
    first = resolved[0]
    if any(one.loras != first.loras for one in resolved):
        raise RequestError(
            "The variants of the prompt name different LoRAs, which the pictures of one run share.",
            next_step="Draw one picture at a time or all combinations, or write the LoRAs outside the variants.",
        )
    return replace(
        request,
        prompts=first.prompts,
        picture_prompts=tuple(one.prompts for one in resolved) if request.picture_prompts else (),
        typed_prompts=first.typed if request.prompt_source is None else None,
        additions=replace(request.additions, loras=(*request.additions.loras, *first.loras)),
    )


def without_prompt_loras(request: GenerationRequest) -> GenerationRequest:
    """Return `request` as it was before `with_prompt_loras`, so that its prompts can be changed with their tags."""
    if request.typed_prompts is None:
        return request
    prompts, additions = recorded_prompts(request.prompts, request.typed_prompts, request.additions)
    return replace(request, prompts=prompts, typed_prompts=None, additions=additions)


def recorded_prompts(prompts: Prompts, typed: Prompts | None, additions: Additions) -> tuple[Prompts, Additions]:
    """Return what the panels show for a recorded request: the typed prompts, and the additions without those that the
    tags in them add."""
    if typed is None:
        return prompts, additions
    return typed, replace(additions, loras=tuple(lora for lora in additions.loras if not lora.from_prompt))


def _meaning(tag: LoraTag) -> tuple[str, float | None, float | None]:
    return tag.name.casefold(), tag.weight, tag.text_weight


def _check(text: str, tags: Iterable[LoraTag]) -> None:
    for tag in tags:
        for problem in tag.problems:
            if problem.severity is Severity.ERROR:
                raise RequestError(
                    problem.message,
                    why=f"It is at character {tag.start + 1} of the prompt: {text[tag.start : tag.end][:80]}",
                    next_step=problem.next_step,
                )
