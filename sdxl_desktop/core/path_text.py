"""Converts paths to text that any JSON file can hold, and back, including paths that are not valid UTF-8."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from sdxl_desktop.core.untrusted_text import replace_unencodable

_SCHEME = "file:"


def path_to_text(path: Path) -> str:
    """Return the path as text; a path that is not valid text becomes a `file:` URI (relative if the path is) for
    `text_to_path`."""
    text = str(path)
    if os.name != "posix":
        return replace_unencodable(text)
    if replace_unencodable(text) == text and not text.startswith(_SCHEME):
        return text
    return f"{_SCHEME}{'//' if path.is_absolute() else ''}{quote(os.fsencode(text))}"


def text_to_path(text: str) -> Path:
    """Return the path that `path_to_text` wrote; raises ValueError for text that cannot be a path."""
    if os.name == "posix" and text.startswith(_SCHEME):
        named = os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME)))
        text = named.removeprefix("//") if named.startswith("///") else named
    if "\0" in text:
        raise ValueError("a path holds no null character")
    return Path(text)
