"""Recovery: each window keeps its document in a file of its own, and the next start finds what a crash left behind.

A recovery file `NAME.sdxld` is somebody's as long as `NAME.lock` is locked, which the system ends with the process.
So a file that nobody holds is what a crash or a kill left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.session.document.locks import FileLock
from sdxl_desktop.session.document.project import (
    SUFFIX,
    EncodedPictures,
    Project,
    ProjectError,
    load_project,
    save_project,
)

_LOCK = ".lock"


class Autosave:
    """One document's recovery file in `folder`. `write` may be called from a worker thread; the rest belongs to the
    thread of the document."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: FileLock | None = None
        self._encoded = EncodedPictures()
        self._writing = threading.Lock()
        self._closed = False
        self.saved_revision = 0
        """The document's revision that the file holds, 0 before there is one."""

    @property
    def file(self) -> Path:
        return self._folder / f"{self._name}{SUFFIX}"

    def due(self, revision: int) -> bool:
        """Whether the document has changed since it was written."""
        return not self._closed and revision != self.saved_revision

    def write(self, project: Project, revision: int) -> None:
        """Keep `project`, which is the document at `revision`; raises ProjectError. An older one than is kept, and
        anything after `close`, is ignored. The arrays must not be written to afterwards."""
        with self._writing:
            if self._closed or revision <= self.saved_revision:
                return
            self._hold()
            save_project(project, self.file, encoded=self._encoded)
            self.saved_revision = revision

    def _hold(self) -> None:
        if self._lock is not None:
            return
        lock = FileLock(self._folder / f"{self._name}{_LOCK}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while not lock.take():  # another window that is sweeping up holds it for a moment
                time.sleep(0.01)
        except OSError as problem:
            raise ProjectError(
                "The document cannot be kept for recovery.",
                why=f"{problem.strerror or problem}.",
                next_step=f"Make {self._folder} writable; until then save your project yourself.",
            ) from problem
        self._lock = lock

    def clear(self, revision: int) -> None:
        """There is nothing to recover at `revision`: the document is empty, or has just been saved as a project."""
        with self._writing:
            self.file.unlink(missing_ok=True)
            self.saved_revision = revision

    def close(self) -> None:
        """The document was closed in order: nothing is left to recover. Safe to call twice."""
        with self._writing:
            self._closed = True
            self.file.unlink(missing_ok=True)
            if self._lock is not None:
                self._lock.release(remove=True)
                self._lock = None


@dataclass(frozen=True, slots=True, eq=False)
class Recoverable:
    """A document that a crash left. It is held for this process until `discard` or `leave`, so that of two windows
    that start only one offers it."""

    file: Path
    seconds: float
    """When it was written, in seconds since the epoch."""
    _lock: FileLock

    def load(self) -> Project:
        """The document; raises ProjectError."""
        return load_project(self.file)

    def discard(self) -> None:
        """It is not needed any more: recovered and kept elsewhere, or not wanted."""
        self.file.unlink(missing_ok=True)
        self._lock.release(remove=True)

    def leave(self) -> None:
        """Offer it again at the next start."""
        self._lock.release()


def recoverable(folder: Path) -> tuple[Recoverable, ...]:
    """What crashes left in `folder`, the newest first; half-written files are swept away. Never raises OSError: what
    cannot be looked at is not offered."""
    found: list[Recoverable] = []
    for file in _listed(folder, f"*{SUFFIX}"):
        lock = FileLock(file.with_suffix(_LOCK))
        with contextlib.suppress(OSError):
            if lock.take():
                for part in _listed(folder, f".{file.name}.part-*"):
                    part.unlink(missing_ok=True)
                if file.exists():
                    found.append(Recoverable(file, file.stat().st_mtime, lock))
                else:  # closed in order by its owner just now
                    lock.release(remove=True)
    _sweep(folder)
    return tuple(sorted(found, key=lambda one: -one.seconds))


def _sweep(folder: Path) -> None:
    """Remove what a kill before the first whole document leaves: unfinished files and locks."""
    for part in _listed(folder, f".*{SUFFIX}.part-*"):
        owner = part.name.lstrip(".").split(SUFFIX)[0]
        _unless_held(folder / f"{owner}{_LOCK}", lambda part=part: part.unlink(missing_ok=True))  # type: ignore[misc]
    for path in _listed(folder, f"*{_LOCK}"):
        if not path.with_suffix(SUFFIX).exists():
            _unless_held(path, lambda: None)


def _unless_held(lock_file: Path, act: Callable[[], None]) -> None:
    """Do something, and remove the lock, when its owner is gone and has left no document."""
    lock = FileLock(lock_file)
    with contextlib.suppress(OSError):
        if lock.take():
            act()
            lock.release(remove=not lock_file.with_suffix(SUFFIX).exists())


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
