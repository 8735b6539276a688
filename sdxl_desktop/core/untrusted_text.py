"""Text that strangers wrote (names of files, contents of records, messages of libraries) made fit to be shown."""

from __future__ import annotations

import re

MAX_DISPLAY_LENGTH = 200
"""Characters of a name or value that a message repeats."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line ends, and what turns the direction of the text around it."""


def replace_unencodable(text: str) -> str:
    """`text` with what UTF-8 cannot hold, such as bytes of a file name that are none, as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def display_text(text: object, max_length: int = MAX_DISPLAY_LENGTH) -> str:
    """`text` on one line, without control characters, its middle left out where it has more than `most` characters."""
    full = str(text)
    head = (
        full if len(full) <= 4 * max_length else full[: 2 * max_length] + full[-2 * max_length :]
    )  # however long, it costs little
    clean = _UNPRINTABLE.sub("\ufffd", " ".join(replace_unencodable(head).split()))
    if len(clean) <= max_length and len(head) == len(full):
        return clean
    return f"{clean[: max_length * 2 // 3]}…{clean[-(max_length // 3) :]}"
