"""Files that only the person may read: settings, kept work, logs. 0600 and folders 0700 on POSIX, made so before
anything is written into them; other systems keep a person's own folders to themselves."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_private_folder(folder: Path, *, restrict_existing: bool = False) -> None:
    """Make `folder`, and what is missing above it, for this person only. Raises OSError.

    One that is there stays as it is, unless it is the application's `own`: then others lose what access they had.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if restrict_existing and not missing:
        _restrict_mode(folder, FOLDER_MODE)


def create_private(file: Path) -> None:
    """A new, empty file for this person only. Raises OSError, FileExistsError among it."""
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def open_private_append(file: Path, *, truncate: bool = False) -> BinaryIO:
    """`file` opened for appending, or emptied first if `anew`; one that others could read is theirs no more. Raises
    OSError."""
    start = os.O_TRUNC if truncate else 0
    opened = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | start | getattr(os, "O_BINARY", 0), FILE_MODE)
    _restrict_mode(file, FILE_MODE)
    return os.fdopen(opened, "ab")


def _restrict_mode(path: Path, mode: int) -> None:
    """Take away what `mode` does not grant. Where that cannot be (another's file, a disk without modes) it stays."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        now = path.stat().st_mode & 0o7777
        if now & ~mode:
            path.chmod(now & mode)
