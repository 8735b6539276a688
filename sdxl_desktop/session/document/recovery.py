"""What crashes left behind: found once, offered to one window only, and swept up when it is of no use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.session.document import beside
from sdxl_desktop.session.document.beside import Beside
from sdxl_desktop.session.document.contents import SUFFIX, Project
from sdxl_desktop.session.document.locks import FileLock
from sdxl_desktop.session.document.project import load_project

LOCK = ".lock"


def parts_of(file: Path) -> Beside:
    """Where the parts of a recovery file lie."""
    return Beside(file.with_suffix(beside.SUFFIX))


@dataclass(frozen=True, slots=True, eq=False)
class Recoverable:
    """A document that a crash left. It is held for this process until `discard` or `leave`, or until an `Autosave`
    adopts it, so that of two windows that start only one offers it."""

    file: Path
    seconds: float
    """When it was written, in seconds since the epoch."""
    lock: FileLock

    def load(self) -> Project:
        """The document; raises ProjectError."""
        return load_project(self.file, parts_of(self.file))

    def discard(self) -> None:
        """It is not needed any more: recovered and kept elsewhere, or not wanted."""
        self.file.unlink(missing_ok=True)
        parts_of(self.file).remove()
        self.lock.release(remove=True)

    def leave(self) -> None:
        """Offer it again at the next start."""
        self.lock.release()


def recoverable(folder: Path) -> tuple[Recoverable, ...]:
    """What crashes left in `folder`, the newest first; half-written files are swept away. Never raises OSError: what
    cannot be looked at is not offered."""
    found: list[Recoverable] = []
    for file in _listed(folder, f"*{SUFFIX}"):
        lock = FileLock(file.with_suffix(LOCK))
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
    """Remove what a kill before the first whole document leaves: unfinished files, parts and locks."""
    for part in _listed(folder, f".*{SUFFIX}.part-*"):
        owner = part.name.lstrip(".").split(SUFFIX)[0]
        _unless_held(folder / f"{owner}{LOCK}", lambda part=part: part.unlink(missing_ok=True))  # type: ignore[misc]
    for parts in _listed(folder, f"*{beside.SUFFIX}"):
        if not parts.with_suffix(SUFFIX).exists():
            _unless_held(parts.with_suffix(LOCK), lambda parts=parts: _remove_orphans(parts))  # type: ignore[misc]
    for path in _listed(folder, f"*{LOCK}"):
        if not path.with_suffix(SUFFIX).exists():
            _unless_held(path, lambda: None)


def _remove_orphans(parts: Path) -> None:
    if not parts.with_suffix(SUFFIX).exists():  # looked at again now that nobody can be writing it
        Beside(parts).remove()


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
