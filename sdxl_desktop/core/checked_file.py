"""Small files that carry a checksum: what was damaged on the disk is noticed instead of being believed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.whole_file import write_whole

_MARK = b"\nsha256 "
_DIGITS = 64


class DamagedFileError(ValueError):
    """A file is not what was written."""


def checked(content: bytes) -> bytes:
    """`content` with a last line that holds its checksum."""
    return content + _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


def unchecked(whole: bytes) -> bytes:
    """The content that `whole` was made of by `checked`. Raises DamagedFileError when a bit of it has changed."""
    content = whole[: -(len(_MARK) + _DIGITS + 1)]
    if checked(content) != whole:
        raise DamagedFileError("The content does not have the checksum that was written with it")
    return content


def write_checked(path: Path, content: bytes) -> None:
    """`content` as the whole of `path`, with its checksum. Raises OSError."""
    write_whole(path, checked(content))


def read_checked(path: Path) -> bytes:
    """What `write_checked` was given. Raises OSError, and DamagedFileError for a file that is not as it was written."""
    with open_regular(path) as file:
        return unchecked(file.read())
