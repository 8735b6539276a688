"""Finds suggestions for a typed word among hundreds of thousands of names, in a few milliseconds.

The index holds the beginning of every word of every name and alias, sorted as bytes, so that all that begin with the
typed text are one range, found by NumPy. For a typing error all texts with one letter changed are looked up at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

MAX_SUGGESTIONS = 20
_KEY_BYTES = 24
"""Bytes of each beginning that are sorted; what agrees so far is compared in full."""
_MIN_WITH_TYPO, _MAX_WITH_TYPO = 4, 24
"""Characters typed for which one typing error is allowed."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz "
_SPARE = 8
"""Entries looked at for each suggestion that is wanted, since several may belong to one."""
_SEPARATORS = str.maketrans({"_": " ", "-": " ", "\n": " "})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What completes a word. `text` is inserted as it is, `label` shown, `matched` the alias that was found ("" if it
    is the name itself), `detail` says what it is. `weight` orders suggestions: the higher, the earlier."""

    text: str
    label: str
    detail: str = ""
    weight: float = 0.0
    aliases: tuple[str, ...] = ()
    matched: str = ""


class CompletionIndex:
    """An immutable index of suggestions; building it takes seconds for 300,000, so it is built off the main thread."""

    def __init__(self, suggestions: Iterable[Suggestion] = ()) -> None:
        self._suggestions = sorted(suggestions, key=lambda one: -one.weight)
        keys: list[bytes] = []
        ranks: list[int] = []
        count = len(self._suggestions)
        for owner, one in enumerate(self._suggestions):
            for name in (one.label, *one.aliases):
                for at, key in _word_beginnings(normalized(name)):
                    keys.append(key)
                    ranks.append(owner if at == 0 else owner + count)  # names that begin with it come first
        unsorted = _as_keys(keys)
        order = np.argsort(unsorted, kind="stable")
        self._keys = unsorted[order]
        self._ranks = np.array(ranks, dtype=np.int64)[order]

    def __len__(self) -> int:
        return len(self._suggestions)

    def first(self, limit: int = MAX_SUGGESTIONS) -> tuple[Suggestion, ...]:
        """Return the first by weight."""
        return tuple(self._suggestions[:limit])

    def find(self, typed: str, limit: int = MAX_SUGGESTIONS) -> tuple[Suggestion, ...]:
        """Return at most `limit` suggestions: names that begin with `typed`, then those with another word that does,
        each by weight. Case, "_" and "-" make no difference."""
        wanted = normalized(typed)
        return self._beginning_with([wanted], limit) if wanted else ()

    def find_similar(self, typed: str, limit: int = MAX_SUGGESTIONS) -> tuple[Suggestion, ...]:
        """Return the same for one typing error in `typed`: a letter that is wrong, missing, additional, or exchanged
        with its neighbour. Empty for very short and very long texts."""
        wanted = normalized(typed)
        usable = self._suggestions and _MIN_WITH_TYPO <= len(wanted) <= _MAX_WITH_TYPO
        return self._beginning_with(_with_one_error(wanted), limit) if usable else ()

    def _beginning_with(self, texts: Sequence[str], limit: int) -> tuple[Suggestion, ...]:
        """Return the suggestions of which a name has a word from which on it begins with one of `texts`."""
        found: dict[int, Suggestion] = {}
        ranked = sorted(
            (rank, text)
            for start, end, text in self._ranges(texts)
            for rank in _smallest(self._ranks[start:end], limit * _SPARE)
        )
        for rank, text in ranked:
            owner = rank % len(self._suggestions)
            if owner not in found and (one := _matching(self._suggestions[owner], text)) is not None:
                found[owner] = one
            if len(found) >= limit:
                break
        return tuple(found.values())

    def _ranges(self, texts: Sequence[str]) -> list[tuple[int, int, str]]:
        """Return (first, end, text) of the keys that begin with each of `texts`, where there are any."""
        by_key = {text.encode()[:_KEY_BYTES]: text for text in sorted(texts)}
        starts = np.searchsorted(self._keys, _as_keys(by_key)).tolist()
        there = [
            (start, key)
            for start, key in zip(starts, by_key, strict=True)
            if start < len(self._keys) and self._keys[start].startswith(key)
        ]
        ends = np.searchsorted(self._keys, _as_keys(key.ljust(_KEY_BYTES, b"\xff") for _, key in there), side="right")
        return [(start, end, by_key[key]) for (start, key), end in zip(there, ends.tolist(), strict=True)]


def _as_keys(keys: Iterable[bytes]) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    return np.array([*keys], dtype=f"S{_KEY_BYTES}")


def _word_beginnings(name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the position of each word of a normalized name, and the name from there on."""
    at = 0
    while True:
        yield at, name[at : at + _KEY_BYTES].encode()[:_KEY_BYTES]
        at = name.find(" ", at) + 1
        if not at:
            return


def _smallest(ranks: np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> list[int]:
    if len(ranks) > count:
        ranks = np.partition(ranks, count)[:count]
    return [int(rank) for rank in ranks]


def _matching(one: Suggestion, text: str) -> Suggestion | None:
    """Return `one` with the alias that has `text` at the beginning of a word, or as it is if its name has; None if
    none has (beyond what is sorted)."""
    if f" {text}" in f" {normalized(one.label)}":
        return one
    alias = next((alias for alias in one.aliases if f" {text}" in f" {normalized(alias)}"), None)
    return None if alias is None else replace(one, matched=alias)


def _with_one_error(text: str) -> list[str]:
    """Return all texts from which `text` differs by one error."""
    found = []
    for at in range(len(text) + 1):
        before, after = text[:at], text[at:]
        found += [before + letter + after for letter in _LETTERS]
        if after:
            found += [before + after[1:], *(before + letter + after[1:] for letter in _LETTERS)]
        if len(after) > 1:
            found.append(before + after[1] + after[0] + after[2:])
    return list(dict.fromkeys(found))


def normalized(text: str) -> str:
    """Return `text` as it is compared: lower case, blanks for "_" and "-"."""
    return " ".join(text.casefold().translate(_SEPARATORS).split())


def merged(groups: Sequence[Sequence[Suggestion]], limit: int = MAX_SUGGESTIONS) -> tuple[Suggestion, ...]:
    """Return the suggestions of all `groups` in their order, each text once."""
    found: dict[str, Suggestion] = {}
    for group in groups:
        for one in group:
            found.setdefault(one.text, one)
    return tuple(found.values())[:limit]
