"""A lock file that belongs to a living process: the system lets go of it when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from sdxl_desktop.core.private_files import open_private

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Holds `path` from `take` until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def take(self) -> bool:
        """Whether the lock is ours now; False when somebody else has it. Raises OSError where no file can be made."""
        file = open_private(self.path)
        try:
            _lock(file)
        except OSError:
            file.close()
            return False
        if not self._still_there(file):  # released and removed by another between opening and locking
            file.close()
            return False
        self._file = file
        return True

    def _still_there(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except OSError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Let go, and with `remove` leave no file. Safe to call twice."""
        if self._file is None:
            return
        if remove and sys.platform != "win32":
            self.path.unlink(missing_ok=True)  # while it is still ours
        self._file.close()
        self._file = None
        if remove and sys.platform == "win32":
            self.path.unlink(missing_ok=True)  # Windows removes no open file
