"""Suggests how the word at the cursor of a prompt goes on, and says which text replaces it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.lora_tags import format_tag, is_usable_name
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry, TrainedModel
from sdxl_desktop.session.completion.completion_index import CompletionIndex, Suggestion, merged
from sdxl_desktop.session.completion.tag_list import TagList, by_count

_MIN_TYPED = 2
"""Characters before suggestions appear on their own."""
_MAX_WORD = 80
_TAG_BEGUN = re.compile(r"<(?:lora|lyco):([^<>:\n]{0,200})\Z", re.IGNORECASE)
_BOUNDARY = re.compile(r"[,()\[\]{}|<>\n]|\bBREAK\b|(?<=\d):|:(?=\d)")
_BRACKETS = re.compile(r"(?<!\\)[()\[\]\\]")
_KAOMOJI = re.compile(r"[^\w\s]{2,5}|[\w.^=><@+]_[\w.^=><@+]")
"""Tags such as ">_<" or "^_^", whose underscore is no blank."""


class CompletionTrigger(StrEnum):
    """Why suggestions are looked for: TYPING finds what begins with the typed text; PAUSE, a longer one in typing, what
    is similar if nothing does, which takes more time; KEY, because they were asked for by key, even for one letter."""

    TYPING = "typing"
    PAUSE = "pause"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Completions:
    """`suggestions` replace the characters `start` to `end` (exclusive) of the prompt."""

    start: int
    end: int
    suggestions: tuple[Suggestion, ...]


NOTHING = Completions(0, 0, ())


class PromptCompleter:
    """Completes prompts from the library's entries and a tag list. Immutable; building it may take a second."""

    def __init__(self, entries: Iterable[AdditionEntry] = (), tags: CompletionIndex | None = None) -> None:
        usable = [entry for entry in entries if not entry.problem]
        self._loras = CompletionIndex(_lora_suggestions(usable))
        self._words = CompletionIndex((*_embedding_suggestions(usable), *_trigger_suggestions(usable)))
        self._tags = tags or CompletionIndex()

    @property
    def tags(self) -> CompletionIndex:
        return self._tags

    def with_entries(self, entries: Iterable[AdditionEntry]) -> PromptCompleter:
        """Return one with other entries and the same tags."""
        return PromptCompleter(entries, self._tags)

    def complete(
        self,
        text: str,
        position: int,
        *,
        trigger: CompletionTrigger = CompletionTrigger.PAUSE,
        negative: bool = False,
    ) -> Completions:
        """Return what completes the word before `position` in `text`. LoRAs are suggested after "<lora:", and by their
        names unless the prompt is `negative`."""
        before = text[max(0, position - 400) : position]
        begun = _TAG_BEGUN.search(before)
        if begun is not None:
            return NOTHING if negative else self._complete_tag(text, position, begun, trigger)
        typed, start = _word_before(before, position)
        if len(typed) < (1 if trigger is CompletionTrigger.KEY else _MIN_TYPED):
            return NOTHING
        indexes = [self._words, *([] if negative else [self._loras]), self._tags]
        suggestions = _found_in(indexes, typed, trigger)
        if [one.text for one in suggestions] == [text[start:position]]:
            return NOTHING  # it is written already
        return Completions(start, position, suggestions)

    def _complete_tag(self, text: str, position: int, begun: re.Match[str], trigger: CompletionTrigger) -> Completions:
        typed = begun.group(1)
        start = position - len(begun.group())
        close = re.match(r"[^<>\n]{0,200}>", text[position:])
        end = position + (close.end() if close is not None else 0)
        found = _found_in([self._loras], typed, trigger) if typed.strip() else self._loras.first()
        return Completions(start, end, found)


def _found_in(indexes: Sequence[CompletionIndex], typed: str, trigger: CompletionTrigger) -> tuple[Suggestion, ...]:
    found = merged([index.find(typed) for index in indexes])
    if found or trigger is CompletionTrigger.TYPING:
        return found
    return merged([index.find_similar(typed) for index in indexes])


def tag_index(tags: TagList) -> CompletionIndex:
    """Return the index of a tag list; takes a second for 300,000 tags."""
    return CompletionIndex(
        Suggestion(tag_text(tag.name), _shown(tag.name), _count_text(tag.count), tag.count, tag.aliases)
        for tag in by_count(tags.tags)
    )


def tag_text(name: str) -> str:
    """Return a tag as it is written in a prompt: blanks for "_", and brackets escaped, since they weight words."""
    return _BRACKETS.sub(lambda match: "\\" + match.group(), _shown(name))


def _shown(name: str) -> str:
    return name if _KAOMOJI.fullmatch(name) else name.replace("_", " ")


def _count_text(count: int) -> str:
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= limit:
            return f"{count / limit:.1f}".rstrip("0").rstrip(".") + unit
    return str(count) if count else ""


def _lora_suggestions(entries: Iterable[AdditionEntry]) -> Iterable[Suggestion]:
    seen: set[str] = set()
    for entry in entries:
        if entry.kind is not AdditionKind.LORA:
            continue
        name = entry.path_name if entry.name.casefold() in seen else entry.name
        seen.add(entry.name.casefold())
        if is_usable_name(name):
            fits = "" if entry.base_model is not TrainedModel.OTHER else f" for {entry.base_model_name}"
            aliases = tuple(one for one in (entry.alias, entry.title) if one and one != name)
            order = -1.0 if entry.base_model is TrainedModel.OTHER else 0.0
            yield Suggestion(format_tag(name, entry.weight), name, f"LoRA{fits}", order, aliases)


def _embedding_suggestions(entries: Iterable[AdditionEntry]) -> Iterable[Suggestion]:
    for entry in entries:
        if entry.kind is AdditionKind.EMBEDDING and entry.base_model is not TrainedModel.OTHER:
            yield Suggestion(entry.token, entry.token, "embedding", 2.0, (entry.title,) if entry.title else ())


def _trigger_suggestions(entries: Iterable[AdditionEntry]) -> Iterable[Suggestion]:
    for entry in entries:
        for word in entry.trigger_words if entry.kind is AdditionKind.LORA else ():
            yield Suggestion(tag_text(word), _shown(word), f"of {entry.name}", 1.0)


def _word_before(before: str, position: int) -> tuple[str, int]:
    """Return what is typed of the current tag, from the last comma, bracket or line, and where it begins."""
    start = 0
    for match in _BOUNDARY.finditer(before):
        escaped = match.group() in "()[]" and match.start() > 0 and before[match.start() - 1] == "\\"
        if not escaped:
            start = match.end()
    typed = before[start:]
    start += len(typed) - len(typed.lstrip())
    typed = typed.lstrip()
    if len(typed) > _MAX_WORD:
        return "", position
    return typed.replace("\\", ""), position - len(before) + start
