"""A lock file that belongs to a living process: the system lets go of it when the process ends, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path

import filelock

from sdxl_desktop.core.private_files import FILE_MODE, open_private_append


class FileLock:
    """Holds `path`, which only this person can read, from `take` until `release` or the end of the process. Whichever
    thread took it, any may let go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(path, mode=FILE_MODE, thread_local=False)

    def acquire(self) -> bool:
        """Whether the lock is ours now; False when somebody else has it. Raises OSError where no file can be made."""
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        open_private_append(self.path).close()  # one of an earlier release may be there that others can read
        return True

    def release(self, *, remove: bool = False) -> None:
        """Let go, and with `remove` leave no file. Safe to call twice."""
        if not self._lock.is_locked:
            return
        if remove and sys.platform != "win32":
            self.path.unlink(missing_ok=True)  # while it is still ours
        self._lock.release(force=True)
        if remove and sys.platform == "win32":
            self.path.unlink(missing_ok=True)  # Windows removes no open file
