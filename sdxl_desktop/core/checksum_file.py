"""Small files with a checksum, which detects damage on the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.regular_files import open_regular

_CHECKSUM_PREFIX = b"\nsha256 "
_DIGITS = 64


class ChecksumError(ValueError):
    """A file differs from what was written."""


def append_checksum(content: bytes) -> bytes:
    """Return `content` with a last line that holds its checksum."""
    return content + _CHECKSUM_PREFIX + hashlib.sha256(content).hexdigest().encode() + b"\n"


def verify_checksum(checksummed: bytes) -> bytes:
    """Return the content that `append_checksum` was given. Raises ChecksumError if any bit has changed."""
    content = checksummed[: -(len(_CHECKSUM_PREFIX) + _DIGITS + 1)]
    if append_checksum(content) != checksummed:
        raise ChecksumError("The content does not have the checksum that was written with it")
    return content


def write_with_checksum(path: Path, content: bytes) -> None:
    """Write `content` with its checksum as the whole of `path`. Raises OSError."""
    write_atomically(path, append_checksum(content))


def read_with_checksum(path: Path) -> bytes:
    """Return the content that `write_with_checksum` was given. Raises OSError, and ChecksumError for a damaged file."""
    with open_regular(path) as file:
        return verify_checksum(file.read())
