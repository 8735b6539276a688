"""How the history recognises a file after it was moved or renamed: by its inode, size and time, else by its content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from sdxl_desktop.core.regular_files import open_regular

_BLOCK = 1 << 20


class FileStamp(NamedTuple):
    """Values that change whenever a file changes: bytes, time of change in nanoseconds, and device and inode as text
    ("" where the system has none)."""

    bytes: int
    mtime: int
    inode: str


def stamp_of(status: os.stat_result) -> FileStamp:
    inode = f"{status.st_dev}:{status.st_ino}" if status.st_ino else ""
    return FileStamp(status.st_size, status.st_mtime_ns, inode)


def content_hash(file: Path) -> str:
    """Return the SHA-256 of the file's bytes, 64 hexadecimal digits. Raises OSError."""
    whole = hashlib.sha256()
    with open_regular(file) as opened:
        while block := opened.read(_BLOCK):
            whole.update(block)
    return whole.hexdigest()
