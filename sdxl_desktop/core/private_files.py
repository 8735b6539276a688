"""Files that only the user may read: settings, saved work, logs. On POSIX they have mode 0600 and folders 0700, set
before anything is written; other systems restrict access to the user's own folders themselves."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_private_folder(folder: Path, *, restrict_existing: bool = False) -> None:
    """Create `folder` and its missing parents for this user only. Raises OSError.

    An existing folder stays as it is unless `restrict_existing` is set, for the application's own folders: then others
    lose access.
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
    """Create an empty file for this user only. Raises OSError, including FileExistsError."""
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def open_private_append(file: Path, *, truncate: bool = False) -> BinaryIO:
    """Open `file` for appending, or emptied if `truncate`; access by others is revoked. Raises OSError."""
    start = os.O_TRUNC if truncate else 0
    opened = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | start | getattr(os, "O_BINARY", 0), FILE_MODE)
    _restrict_mode(file, FILE_MODE)
    return os.fdopen(opened, "ab")


def _restrict_mode(path: Path, mode: int) -> None:
    """Remove the permissions that `mode` does not grant. If that fails (another user's file, a disk without modes)
    nothing changes."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        now = path.stat().st_mode & 0o7777
        if now & ~mode:
            path.chmod(now & mode)
