"""Raises and lowers the weight of words in a prompt, as an edit of its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.lora_tags import LoraTag, blank_tags, format_tag, is_usable_name, tag_at
from sdxl_desktop.core.prompt_grammar import MAX_WEIGHT, MIN_WEIGHT, EmphasisGroup, ParsedPrompt, parse_prompt

_WORD = re.compile(r"[^\s,;.()\[\]\\|]+(?:\.[^\s,;.()\[\]\\|]+)*")


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace the characters `start` to `end` (exclusive) with `text`, then select `selection` of the result."""

    start: int
    end: int
    text: str
    selection: tuple[int, int]


def adjust_weight(text: str, start: int, end: int, change: float) -> TextEdit | None:
    """Add `change` to the weight of the selected characters `start` to `end`, as one edit of the prompt `text`.

    Without a selection (start = end) the innermost brackets around the position are used, else the word there. A weight
    that becomes 1 removes the brackets; nested brackets around the same text, `((cat))`, become one pair with a number.
    In a LoRA tag its weight is changed. Returns None if there is nothing to weight or the weight is at its limit.
    """
    if (tag := tag_at(text, start, end)) is not None and (start, end) != (tag.start, tag.start):
        return _adjust_tag(tag, change)
    reading = parse_prompt(blank_tags(text))
    if start == end:
        group = _innermost(reading, start, end)
        if group is None:
            start, end = _word_at(text, start)
    else:
        start, end = _trimmed(text, start, end)
        start, end = _extend_over_brackets(reading, start, end)
        group = _selected(reading, start, end)
    if group is not None:
        return _adjust_group(text, reading, group, change)
    if start == end:
        return None
    weight = _clamped_weight(1.0, change)
    return None if weight is None else _weighted_edit(text, reading, (start, end), (start, end), weight)


def _adjust_tag(tag: LoraTag, change: float) -> TextEdit | None:
    weight = 1.0 if tag.weight is None else tag.weight
    changed = round(min(MAX_LORA_WEIGHT, max(-MAX_LORA_WEIGHT, weight + change)), 2)
    if changed == round(weight, 2) or not is_usable_name(tag.name):
        return None
    made = format_tag(tag.name, changed, tag.text_weight)
    return TextEdit(tag.start, tag.end, made, (tag.start + 1, tag.start + len(made) - 1))


def _word_at(text: str, at: int) -> tuple[int, int]:
    for match in _WORD.finditer(text):
        if match.start() <= at <= match.end():
            return match.span()
    return at, at


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    words = text[start:end]
    return start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())


def _extend_over_brackets(reading: ParsedPrompt, start: int, end: int) -> tuple[int, int]:
    """Return the selection, extended until it splits no pair of brackets."""
    grown = True
    while grown:
        grown = False
        for group in reading.emphases:
            inside = group.start < start and end <= group.content_end
            around = start <= group.start and group.end <= end
            apart = group.end <= start or end <= group.start
            if not (inside or around or apart) and (start, end) != (group.start + 1, group.content_end):
                start, end, grown = min(start, group.start), max(end, group.end), True
    return start, end


def _selected(reading: ParsedPrompt, start: int, end: int) -> EmphasisGroup | None:
    """Return the selected brackets; the brackets themselves may or may not be selected."""
    for group in reading.emphases:
        if (start, end) in ((group.start, group.end), (group.start + 1, group.content_end)):
            return group
    return None


def _innermost(reading: ParsedPrompt, start: int, end: int) -> EmphasisGroup | None:
    around = [group for group in reading.emphases if group.start < start and end < group.end]
    return max(around, key=lambda group: group.start, default=None)


def _adjust_group(text: str, reading: ParsedPrompt, group: EmphasisGroup, change: float) -> TextEdit | None:
    """Replace `group` and the brackets directly around or within it with one pair of the new weight."""
    outer = inner = group
    by_start = {other.start: other for other in reading.emphases}
    factor = group.factor
    while (around := by_start.get(outer.start - 1)) is not None and around.content_end == outer.end:
        outer, factor = around, factor * around.factor
    while (within := by_start.get(inner.start + 1)) is not None and within.end == inner.content_end:
        inner, factor = within, factor * within.factor
    weight = _clamped_weight(factor, change)
    if weight is None:
        return None
    return _weighted_edit(text, reading, (outer.start, outer.end), (inner.start + 1, inner.content_end), weight)


def _clamped_weight(weight: float, change: float) -> float | None:
    stepped = round(min(MAX_WEIGHT, max(MIN_WEIGHT, weight + change)), 2)
    return None if stepped == round(weight, 2) else stepped


def _weighted_edit(
    text: str, reading: ParsedPrompt, place: tuple[int, int], content: tuple[int, int], weight: float
) -> TextEdit:
    """Put `content` in brackets of `weight` at `place`; unmatched brackets in it are kept from being paired."""
    words = "".join(
        f"\\{text[at]}" if at in reading.unmatched_brackets and weight != 1 else text[at]
        for at in range(content[0], content[1])
    )
    if weight == 1:
        return TextEdit(*place, words, (place[0], place[0] + len(words)))
    made = f"({words}:{weight:g})"
    return TextEdit(*place, made, (place[0] + 1, place[0] + 1 + len(words)))
