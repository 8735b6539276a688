"""Paths as text that any JSON file can hold, and back: also those whose bytes are no UTF-8."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from sdxl_desktop.core.foreign_text import encodable

_SCHEME = "file:"


def text_of_path(path: Path) -> str:
    """The path as it is spelled; one that is no text as a `file:` URI, relative as it is, for
    `path_of_text`."""
    text = str(path)
    if os.name != "posix":
        return encodable(text)
    if encodable(text) == text and not text.startswith(_SCHEME):
        return text
    return f"{_SCHEME}{'//' if path.is_absolute() else ''}{quote(os.fsencode(text))}"


def path_of_text(text: str) -> Path:
    """The path that `text_of_path` wrote; raises ValueError for what cannot be a path."""
    if os.name == "posix" and text.startswith(_SCHEME):
        named = os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME)))
        text = named.removeprefix("//") if named.startswith("///") else named
    if "\0" in text:
        raise ValueError("a path holds no null character")
    return Path(text)
