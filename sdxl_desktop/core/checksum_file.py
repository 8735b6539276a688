"""Small files that carry a checksum: what was damaged on the disk is noticed instead of being believed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.regular_files import open_regular

_CHECKSUM_PREFIX = b"\nsha256 "
_DIGITS = 64


class ChecksumError(ValueError):
    """A file is not what was written."""


def append_checksum(content: bytes) -> bytes:
    """`content` with a last line that holds its checksum."""
    return content + _CHECKSUM_PREFIX + hashlib.sha256(content).hexdigest().encode() + b"\n"


def verify_checksum(checksummed: bytes) -> bytes:
    """The content that `whole` was made of by `checked`. Raises DamagedFileError when a bit of it has changed."""
    content = checksummed[: -(len(_CHECKSUM_PREFIX) + _DIGITS + 1)]
    if append_checksum(content) != checksummed:
        raise ChecksumError("The content does not have the checksum that was written with it")
    return content


def write_with_checksum(path: Path, content: bytes) -> None:
    """`content` as the whole of `path`, with its checksum. Raises OSError."""
    write_atomically(path, append_checksum(content))


def read_with_checksum(path: Path) -> bytes:
    """What `write_with_checksum` was given. Raises OSError, and DamagedFileError for a file that is not as it was
    written."""
    with open_regular(path) as file:
        return verify_checksum(file.read())
