"""Splits a prompt into text and embeddings for a text encoder, and packs the tokens into chunks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TextSegment:
    """Text for the tokenizer from `start` to `end` (exclusive) of the input; or, if `token` is not empty, a place for
    that token's embedding."""

    text: str
    token: str
    start: int
    end: int


def split_at_tokens(text: str, tokens: Iterable[str]) -> Iterator[TextSegment]:
    """Split `text` at each place where one of `tokens` stands as a separate word.

    Matching is case-insensitive, like CLIP's tokenizers; of overlapping tokens the longest is used.
    """
    names = tuple(tokens)
    if not names:
        yield TextSegment(text, "", 0, len(text))
        return
    at = 0
    for match in _pattern(names).finditer(text):
        if match.start() > at:
            yield TextSegment(text[at : match.start()], "", at, match.start())
        yield TextSegment(match.group(), _name(match.group(), names), *match.span())
        at = match.end()
    if at < len(text):
        yield TextSegment(text[at:], "", at, len(text))


@lru_cache(maxsize=16)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    def whole(name: str) -> str:
        """Not inside another word: `cat` is not in `catch`, but `<cat>` is in `a<cat>b`."""
        before = r"(?<!\w)" if re.match(r"\w", name) else ""
        after = r"(?!\w)" if re.search(r"\w\Z", name) else ""
        return before + re.escape(name) + after

    return re.compile("|".join(whole(name) for name in sorted(names, key=len, reverse=True)), re.IGNORECASE)


def _name(found: str, names: tuple[str, ...]) -> str:
    if found in names:
        return found
    return next(name for name in names if re.fullmatch(re.escape(name), found, re.IGNORECASE))


def pack_chunks(units: Iterable[Sequence[T]], capacity: int) -> list[list[T]]:
    """Return chunks of at most `capacity` items. A unit that fits into a chunk is not split across two.

    As in AUTOMATIC1111's web UI the units are the embeddings; each text token is a unit of its own, so words are split
    where the chunk is full.
    """
    chunks: list[list[T]] = []
    for unit in units:
        if not chunks or (len(chunks[-1]) + len(unit) > capacity and len(unit) <= capacity):
            chunks.append([])
        for item in unit:
            if len(chunks[-1]) == capacity:
                chunks.append([])
            chunks[-1].append(item)
    return chunks


def packed_length(sizes: Iterable[int], capacity: int) -> int:
    """Return the number of items up to the last one when units of these `sizes` are packed, including the free places
    before it, as `pack_chunks` packs them, without building the chunks."""
    full, last = 0, 0  # chunks before the last one; items in the last one
    for size in sizes:
        if last + size <= capacity:
            last += size
        elif size <= capacity:
            full, last = full + 1, size
        else:  # split: it fills up the current chunk
            more = math.ceil((last + size) / capacity) - 1
            full, last = full + more, last + size - more * capacity
    return full * capacity + last
