"""File names made of a person's own words: in every script, and such that every file system takes them."""

from __future__ import annotations

import unicodedata

MAX_BYTES = 100
"""Of the words, in UTF-8: with a seed, a number and an ending they stay well below 143, which is the least that file
systems take (eCryptfs; most take 255)."""
MAX_CHARACTERS = 48

_JOINERS = "\u200c\u200d"
"""They are part of how words are spelled in Persian and in Indic scripts."""
_VARIATION_SELECTORS = "\ufe0e\ufe0f"
"""Marks that say how an emoji looks, which is no part of a word."""


def slugify(text: str, fallback: str) -> str:
    """The words of a text, in lower case with hyphens between: letters, digits, and the accents and vowel signs that
    belong to them, composed (NFC). `otherwise` where there are none. What is too long ends between two letters."""
    return _truncate("-".join(_words(unicodedata.normalize("NFC", text.lower())))) or fallback


def sanitize_file_name(name: str, allowed: str) -> str:
    """`name` (NFC) with "-" for what is neither part of a word nor in `besides`, cut as `name_of` is."""
    made = ""
    for character in unicodedata.normalize("NFC", name):
        if _begins_word(character) or _belongs_to_letter(character) or character in allowed:
            made += character
        elif not made.endswith("-"):
            made += "-"
    return _truncate(made, MAX_BYTES)


def _begins_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN" or character == "_"


def _belongs_to_letter(character: str) -> bool:
    is_mark = unicodedata.category(character).startswith("M") and character not in _VARIATION_SELECTORS
    return is_mark or character in _JOINERS


def _words(text: str) -> list[str]:
    words = [""]
    for character in text:
        if _begins_word(character) or (words[-1] and _belongs_to_letter(character)):
            words[-1] += character
        elif words[-1] and character not in _VARIATION_SELECTORS:
            words.append("")
    return [word for word in (word.strip(_JOINERS) for word in words) if word]


def _truncate(name: str, max_characters: int = MAX_CHARACTERS) -> str:
    """The beginning of `name` that is short enough; a letter goes together with the marks on it."""
    kept = size = 0
    for index, character in enumerate(name):
        if index and not unicodedata.category(character).startswith("M"):
            kept = index
        size += len(character.encode("utf-8", "replace"))
        if size > MAX_BYTES or index >= max_characters:
            return name[:kept].strip("-" + _JOINERS)
    return name
