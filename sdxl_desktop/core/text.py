"""Shortens text that others wrote, so that no message repeats a hundred thousand characters of it."""

from __future__ import annotations

LONGEST = 200
"""Characters of foreign text in one message."""


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text` on one line, at most `longest` characters long; an ellipsis stands where the rest was."""
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest and len(text) <= 4 * longest else line[: longest - 1].rstrip() + "…"
