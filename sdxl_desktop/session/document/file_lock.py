"""A lock file owned by a running process: the operating system releases it however the process ends."""

from __future__ import annotations

import sys
from pathlib import Path

import filelock

from sdxl_desktop.core.private_files import FILE_MODE, open_private_append


class FileLock:
    """Locks `path`, readable by this user only, from `acquire` until `release` or the end of the process. Any thread
    may release it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path, mode=FILE_MODE, thread_local=False)

    def acquire(self) -> bool:
        """Return whether the lock was acquired, False if it is held elsewhere. Raises OSError if no file can be
        made."""
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        open_private_append(self.path).close()  # an earlier version may have left a file that others can read
        return True

    def release(self, *, remove: bool = False) -> None:
        """Release the lock; with `remove`, also delete the file. Safe to call twice."""
        if not self._lock.is_locked:
            return
        if remove and sys.platform != "win32":
            self.path.unlink(missing_ok=True)  # while the lock is still held
        self._lock.release(force=True)
        if remove and sys.platform == "win32":
            self.path.unlink(missing_ok=True)  # Windows cannot remove an open file
