"""Text that strangers wrote (names of files, contents of records, messages of libraries) made fit to be shown."""

from __future__ import annotations

import re

MAX_SHOWN = 200
"""Characters of a name or value that a message repeats."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line ends, and what turns the direction of the text around it."""


def encodable(text: str) -> str:
    """`text` with what UTF-8 cannot hold, such as bytes of a file name that are none, as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shown(text: object, most: int = MAX_SHOWN) -> str:
    """`text` on one line, without control characters, its middle left out where it has more than `most` characters."""
    full = str(text)
    head = full if len(full) <= 4 * most else full[: 2 * most] + full[-2 * most :]  # however long, it costs little
    clean = _UNPRINTABLE.sub("\ufffd", " ".join(encodable(head).split()))
    if len(clean) <= most and len(head) == len(full):
        return clean
    return f"{clean[: most * 2 // 3]}…{clean[-(most // 3) :]}"
