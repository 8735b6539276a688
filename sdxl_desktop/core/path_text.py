"""Paths as text that any JSON file can hold, and back: also those whose bytes are no UTF-8."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from sdxl_desktop.core.foreign_text import encodable

_SCHEME = "file:///"


def text_of_path(path: Path) -> str:
    """The path as it is spelled; one that is no text as a `file:` URI, which `path_of_text` reads."""
    text = str(path)
    return text if encodable(text) == text else Path(os.path.abspath(path)).as_uri()


def path_of_text(text: str) -> Path:
    """The path that `text_of_path` wrote; raises ValueError for what cannot be a path."""
    if "\0" in text:
        raise ValueError("a path holds no null character")
    if os.name == "posix" and text.startswith(_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(text).path)))
    return Path(text)
