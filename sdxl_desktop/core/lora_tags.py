"""Reads `<lora:name:weight>` tags in a prompt: finds them, says what is wrong with them, removes and writes them.

| written | means |
| --- | --- |
| `<lora:name>` | the LoRA of that name with its usual weight |
| `<lora:name:0.8>` | with this weight, from -10 to 10 |
| `<lora:name:0.8:0.5>` | 0.8 for the UNet, 0.5 for the text encoders, as ComfyUI's prompt nodes read it |
| `<lora:name:unet=0.8:te=0.5>` | the same, as AUTOMATIC1111's web UI names them, in any order |
| `<lyco:…>` | the same as `<lora:…>` |

A name may hold blanks and folders (`<lora:styles/ink wash:0.7>`). As in the web UI, a tag is taken out of the text
without a trace, and only the prompts have tags, not the negative prompts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.prompt_grammar import ParsedPrompt, PromptProblem, Severity, find_problems, parse_prompt
from sdxl_desktop.core.untrusted_text import display_text

_TAG = re.compile(r"<(?:lora|lyco):([^<>]*)>", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:[eE][+-]?\d{1,2})?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?\d{1,20},\d{1,20}")
_NAMED_WEIGHTS = ("unet", "te")
_UNUSABLE_IN_NAME = re.compile(r"[<>:\r\n]")
_EXAMPLE = "Write it as in <lora:name:0.8>."


class TagUse(StrEnum):
    """What becomes of the tags in a text: LOAD adds the LoRAs, TEXT leaves the tags as words because the preference
    says so, NEGATIVE because it is a negative prompt."""

    LOAD = "load"
    TEXT = "text"
    NEGATIVE = "negative"


_READ_AS_TEXT = {
    TagUse.TEXT: (
        "LoRAs in prompts are switched off in the settings, so this is read as text.",
        "Switch them on, or add the file among the LoRAs.",
    ),
    TagUse.NEGATIVE: (
        "LoRAs are added by the prompt only; in a negative prompt this is read as text.",
        "Write it into the prompt, if need be with a weight below 0.",
    ),
}


@dataclass(frozen=True, slots=True)
class LoraTag:
    """The tag in the characters `start` to `end` (exclusive) of a prompt.

    `weight` is the UNet's, None if none is written; `text_weight` the text encoders', None if it is the same.
    """

    name: str
    weight: float | None
    text_weight: float | None
    start: int
    end: int
    problems: tuple[PromptProblem, ...] = ()


def find_tags(text: str) -> tuple[LoraTag, ...]:
    """Return the tags in `text`, in order; those with an error in `problems` have the weights that could be read."""
    return tuple(_read_tag(match) for match in _TAG.finditer(text))


def remove_tags(text: str) -> str:
    """Return `text` without its tags: what the text encoders read."""
    return _TAG.sub("", text)


def blank_tags(text: str) -> str:
    """Return `text` with blanks in place of its tags, so that all positions stay the same."""
    return _TAG.sub(lambda match: " " * len(match.group()), text)


def find_prompt_problems(text: str, use: TagUse = TagUse.LOAD) -> tuple[PromptProblem, ...]:
    """Return the problems of a prompt, those of its tags included, ordered by position."""
    tags = find_tags(text)
    if not tags:
        return find_problems(text)
    if use is TagUse.LOAD:
        found = [*find_problems(blank_tags(text)), *(problem for tag in tags for problem in tag.problems)]
    else:
        message, next_step = _READ_AS_TEXT[use]
        tag_problems = (PromptProblem(tag.start, tag.end, message, Severity.WARNING, next_step) for tag in tags)
        found = [*find_problems(text), *tag_problems]
    return tuple(sorted(found, key=lambda problem: (problem.start, problem.end)))


def parse_typed_prompt(text: str, use: TagUse = TagUse.LOAD) -> ParsedPrompt:
    """Parse a prompt as typed; positions are those of `text`, and tags that add LoRAs are no fragments."""
    reading = parse_prompt(blank_tags(text) if use is TagUse.LOAD else text)
    return replace(reading, problems=find_prompt_problems(text, use))


def is_usable_name(name: str) -> bool:
    """Whether a tag can hold `name`."""
    return bool(name.strip()) and not _UNUSABLE_IN_NAME.search(name)


def format_tag(name: str, weight: float, text_weight: float | None = None) -> str:
    """Return the tag for `name`, which `is_usable_name` accepts."""
    second = "" if text_weight is None or text_weight == weight else f":{text_weight:.6g}"
    return f"<lora:{name}:{weight:.6g}{second}>"


def tag_at(text: str, start: int, end: int) -> LoraTag | None:
    """Return the tag that contains the characters `start` to `end`, or in which the cursor stands if they are equal."""
    return next((tag for tag in find_tags(text) if tag.start <= start and end <= tag.end), None)


def _read_tag(match: re.Match[str]) -> LoraTag:
    name, *values = match.group(1).split(":")
    reader = _WeightReader(match)
    reader.read(values)
    name = " ".join(name.split())
    if not name:
        reader.report(Severity.ERROR, "This names no LoRA.", _EXAMPLE)
    return LoraTag(name, reader.weight, reader.text_weight, *match.span(), tuple(reader.problems))


class _WeightReader:
    """Reads what follows the name in a tag."""

    def __init__(self, match: re.Match[str]) -> None:
        self._match = match
        self.weight: float | None = None
        self.text_weight: float | None = None
        self.problems: list[PromptProblem] = []

    def read(self, values: list[str]) -> None:
        position = 0
        for written in values:
            key, equals, value = written.partition("=")
            if equals:
                self._read_named(key.strip(), value.strip())
            elif position < len(_NAMED_WEIGHTS):
                self._read_named(_NAMED_WEIGHTS[position], written.strip())
                position += 1
            else:
                self._report_unknown(written)

    def report(self, severity: Severity, message: str, next_step: str) -> None:
        self.problems.append(PromptProblem(*self._match.span(), message, severity, next_step))

    def _read_named(self, key: str, written: str) -> None:
        if key.lower() not in _NAMED_WEIGHTS:
            self._report_unknown(f"{key}={written}")
            return
        number = self._number(written)
        if key.lower() == "te":
            self.text_weight = number
        else:
            self.weight = number

    def _number(self, written: str) -> float | None:
        if not _NUMBER.fullmatch(written):
            with_point = f" Write {written.replace(',', '.')}." if _NUMBER_WITH_COMMA.fullmatch(written) else ""
            sentence = f"The weight {display_text(written, 40)} is not a number." if written else "A weight is missing."
            self.report(Severity.ERROR, sentence, with_point.strip() or _EXAMPLE)
            return None
        number = float(written)
        if not -MAX_LORA_WEIGHT <= number <= MAX_LORA_WEIGHT:
            limits = f"between {-MAX_LORA_WEIGHT:g} and {MAX_LORA_WEIGHT:g}"
            self.report(Severity.ERROR, f"The weight {display_text(written, 40)} is not {limits}.", _EXAMPLE)
            return None
        return number

    def _report_unknown(self, written: str) -> None:
        self.report(
            Severity.WARNING,
            f"{display_text(written, 40)!r} is not known here, so it is left out.",
            "A tag has a weight for the UNet and one for the text encoders: <lora:name:0.8:0.5>.",
        )
