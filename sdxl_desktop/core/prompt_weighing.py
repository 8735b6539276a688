"""Raises and lowers the weight of words in a prompt, as an edit of its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdxl_desktop.core.prompt_grammar import MAX_WEIGHT, MIN_WEIGHT, Emphasis, Reading, read

_WORD = re.compile(r"[^\s,;.()\[\]\\|]+(?:\.[^\s,;.()\[\]\\|]+)*")


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in place of the characters `start` to `end` (not included), then select `selection` of the result."""

    start: int
    end: int
    text: str
    selection: tuple[int, int]


def reweigh(text: str, start: int, end: int, change: float) -> Edit | None:
    """Add `change` to the weight of the selected characters `start` to `end`, as one edit of the prompt `text`.

    Without a selection (start = end) the innermost brackets around the place are meant, else the word there. A weight
    that comes to 1 takes the brackets away; brackets that merely repeat, `((cat))`, become one pair with a number.
    None where there is nothing to weigh or the weight is at its end.
    """
    reading = read(text)
    if start == end:
        group = _innermost(reading, start, end)
        if group is None:
            start, end = _word(text, start)
    else:
        start, end = _trimmed(text, start, end)
        start, end = _whole(reading, start, end)
        group = _selected(reading, start, end)
    if group is not None:
        return _changed(text, reading, group, change)
    if start == end:
        return None
    weight = _stepped(1.0, change)
    return None if weight is None else _put(text, reading, (start, end), (start, end), weight)


def _word(text: str, at: int) -> tuple[int, int]:
    for match in _WORD.finditer(text):
        if match.start() <= at <= match.end():
            return match.span()
    return at, at


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    words = text[start:end]
    return start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())


def _whole(reading: Reading, start: int, end: int) -> tuple[int, int]:
    """The selection, grown until it cuts no pair of brackets in two."""
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


def _selected(reading: Reading, start: int, end: int) -> Emphasis | None:
    """The brackets that were selected, with or without themselves."""
    for group in reading.emphases:
        if (start, end) in ((group.start, group.end), (group.start + 1, group.content_end)):
            return group
    return None


def _innermost(reading: Reading, start: int, end: int) -> Emphasis | None:
    around = [group for group in reading.emphases if group.start < start and end < group.end]
    return max(around, key=lambda group: group.start, default=None)


def _changed(text: str, reading: Reading, group: Emphasis, change: float) -> Edit | None:
    """`group` and the brackets that hold or are nothing but it, as one pair of another weight."""
    outer = inner = group
    by_start = {other.start: other for other in reading.emphases}
    factor = group.factor
    while (around := by_start.get(outer.start - 1)) is not None and around.content_end == outer.end:
        outer, factor = around, factor * around.factor
    while (within := by_start.get(inner.start + 1)) is not None and within.end == inner.content_end:
        inner, factor = within, factor * within.factor
    weight = _stepped(factor, change)
    if weight is None:
        return None
    return _put(text, reading, (outer.start, outer.end), (inner.start + 1, inner.content_end), weight)


def _stepped(weight: float, change: float) -> float | None:
    stepped = round(min(MAX_WEIGHT, max(MIN_WEIGHT, weight + change)), 2)
    return None if stepped == round(weight, 2) else stepped


def _put(text: str, reading: Reading, place: tuple[int, int], content: tuple[int, int], weight: float) -> Edit:
    """`content` in brackets of `weight` at `place`; brackets in it that had no partner are kept from finding one."""
    words = "".join(
        f"\\{text[at]}" if at in reading.strays and weight != 1 else text[at] for at in range(content[0], content[1])
    )
    if weight == 1:
        return Edit(*place, words, (place[0], place[0] + len(words)))
    made = f"({words}:{weight:g})"
    return Edit(*place, made, (place[0] + 1, place[0] + 1 + len(words)))
