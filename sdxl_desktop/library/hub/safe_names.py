"""Check which external names may become local files: those that every system treats as one plain file in one folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_MAX_NAME_BYTES, _MAX_PATH_BYTES = 200, 600
"""Bytes in UTF-8: file systems allow 255 for a name, and the parent folders need some too."""
_WINDOWS_DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
_FORBIDDEN_CHARACTERS = '\\:*?"<>|'
_FORBIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def is_safe_path(path: str) -> bool:
    """Whether the external `path` stays inside its target folder on every system: names separated by slashes, none of
    which is empty, "..", a Windows device, too long, or contains special or invisible characters. "" is that folder."""
    if not path:
        return True
    try:
        fits = len(path.encode()) <= _MAX_PATH_BYTES
    except UnicodeEncodeError:
        return False
    return fits and all(_is_safe_name(word) for word in path.split("/"))


def _is_safe_name(word: str) -> bool:
    if word in ("", ".", "..") or len(word.encode()) > _MAX_NAME_BYTES or word != word.strip() or word.endswith("."):
        return False
    if any(
        character in _FORBIDDEN_CHARACTERS or unicodedata.category(character) in _FORBIDDEN_CATEGORIES
        for character in word
    ):
        return False
    normal = unicodedata.normalize("NFKC", word)  # as some systems store it: a fraction slash becomes a slash
    return not _WINDOWS_DEVICE_NAMES.fullmatch(normal) and not {"/", "\\", ".."} & {*normal, normal}


def find_collision(paths: Iterable[str]) -> str:
    """Return the first of `paths` that some system would treat as equal to another one or as its parent folder; "" for
    none."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        own = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        above = {own[:at] for at, character in enumerate(own) if character == "/"}
        if own in files or own in folders or above & files:
            return path
        files.add(own)
        folders |= above
    return ""
