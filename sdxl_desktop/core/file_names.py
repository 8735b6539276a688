"""File names derived from user text: in every script, and valid on every file system."""

from __future__ import annotations

import unicodedata

MAX_BYTES = 100
"""Maximum UTF-8 bytes of the text: with a seed, a number and a suffix, names stay well below 143, the lowest limit of a
file system (eCryptfs; most allow 255)."""
MAX_CHARACTERS = 48

_JOINERS = "\u200c\u200d"
"""They are part of the spelling in Persian and in Indic scripts."""
_VARIATION_SELECTORS = "\ufe0e\ufe0f"
"""They select an emoji's style and are not part of a word."""


def slugify(text: str, fallback: str) -> str:
    """Return the words of a text in lower case, joined by hyphens: letters, digits, and their accents and vowel signs,
    composed (NFC). Returns `fallback` if there are none. Long names are cut between two letters."""
    return _truncate("-".join(_words(unicodedata.normalize("NFC", text.lower())))) or fallback


def sanitize_file_name(name: str, allowed: str) -> str:
    """Return `name` (NFC) with "-" for characters that are neither part of a word nor in `allowed`, cut as `slugify`
    does."""
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
    """Return the longest allowed beginning of `name`; a letter stays with its combining marks."""
    kept = size = 0
    for index, character in enumerate(name):
        if index and not unicodedata.category(character).startswith("M"):
            kept = index
        size += len(character.encode("utf-8", "replace"))
        if size > MAX_BYTES or index >= max_characters:
            return name[:kept].strip("-" + _JOINERS)
    return name
