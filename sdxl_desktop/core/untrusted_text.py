"""Makes untrusted text (file names, contents of records, messages of libraries) safe to display."""

from __future__ import annotations

import re

MAX_DISPLAY_LENGTH = 200
"""Maximum characters of a name or value that a message quotes."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line ends, and bidirectional controls."""


def replace_unencodable(text: str) -> str:
    """Return `text` with U+FFFD for characters that UTF-8 cannot encode, such as undecodable bytes of a file name."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def display_text(text: object, max_length: int = MAX_DISPLAY_LENGTH) -> str:
    """Return `text` on one line, without control characters, with its middle cut out beyond `max_length` characters."""
    full = str(text)
    head = (
        full if len(full) <= 4 * max_length else full[: 2 * max_length] + full[-2 * max_length :]
    )  # the cost is bounded
    clean = _UNPRINTABLE.sub("\ufffd", " ".join(replace_unencodable(head).split()))
    if len(clean) <= max_length and len(head) == len(full):
        return clean
    return f"{clean[: max_length * 2 // 3]}…{clean[-(max_length // 3) :]}"
