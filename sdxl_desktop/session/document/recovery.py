"""What earlier windows left: found once, offered to one window only, and swept up when it is of no use.

How a document `NAME.sdxld` that nobody holds was left is said by `Left`. It stays until somebody goes on with it or
throws it away; only what was replaced on purpose, or holds nothing that is not saved elsewhere, makes room for newer
ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from sdxl_desktop.core.whole_file import write_whole
from sdxl_desktop.session.document import beside
from sdxl_desktop.session.document.beside import Beside
from sdxl_desktop.session.document.container import Archive
from sdxl_desktop.session.document.contents import SUFFIX, Project
from sdxl_desktop.session.document.locks import FileLock
from sdxl_desktop.session.document.manifest import CARD, MAX_CARD
from sdxl_desktop.session.document.named_files import anywhere, plain_name
from sdxl_desktop.session.document.project import load_project

LOCK = ".lock"
NOTE = ".left"
"""A file that says how the document was left."""
MAX_REPLACED = 10
"""How many documents are kept that were replaced on purpose, or hold nothing that is not saved elsewhere."""
MAX_REPLACED_BYTES = 4 * 2**30
"""What they may take on the disk together."""


class _Contents(msgspec.Struct):
    """What of a document's card tells people which one it is."""

    picture_name: str = ""
    candidates: list[msgspec.Raw] = []


class Left(StrEnum):
    """How a window left its document."""

    CRASHED = "crashed"
    """Not in order: it is offered."""
    CLOSED = "closed"
    """The window was closed: it comes back at the next start."""
    SAVED = "saved"
    """The window was closed, and all of it is in files of the person's: it comes back if it is the last."""
    REPLACED = "replaced"
    """The person has begun something else in its place: it can be looked for."""


def parts_of(file: Path) -> Beside:
    """Where the parts of a recovery file lie."""
    return Beside(file.with_suffix(beside.SUFFIX))


def note_left(file: Path, left: Left) -> None:
    """Say how the document in `file` was left. Raises OSError."""
    write_whole(file.with_suffix(NOTE), left.value.encode(), private=True)


def forget_left(file: Path) -> None:
    """The document in `file` is being worked on: from now on only a crash can have left it."""
    with contextlib.suppress(OSError):  # at worst it comes back without a question
        file.with_suffix(NOTE).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, eq=False)
class Recoverable:
    """A document that an earlier window left. It is held for this process until `discard` or `leave`, or until an
    `Autosave` adopts it, so that of two windows that start only one goes on with it."""

    file: Path
    seconds: float
    """When it was left, in seconds since the epoch."""
    lock: FileLock
    left: Left = Left.CRASHED

    def load(self) -> Project:
        """The document; raises ProjectError. From now on it counts as one that a crash left: should it bring the window
        down, the next start asks first."""
        forget_left(self.file)
        return load_project(self.file, parts_of(self.file), anywhere)

    def discard(self) -> None:
        """It is not needed any more: recovered and kept elsewhere, or not wanted."""
        self.file.unlink(missing_ok=True)
        forget_left(self.file)
        parts_of(self.file).remove()
        self.lock.release(remove=True)

    def leave(self) -> None:
        """Leave it to a later start."""
        self.lock.release()

    def leave_unopened(self) -> None:
        """Leave it as it was left before, though it may be being loaded."""
        if self.left is not Left.CRASHED:
            with contextlib.suppress(OSError):
                note_left(self.file, self.left)
        self.lock.release()

    def contents(self) -> tuple[str, int]:
        """(the picture's name, how many candidates there are), without loading it; ("", 0) where it does not say."""
        try:
            with Archive(self.file) as archive:
                card = msgspec.json.decode(archive.read(CARD, MAX_CARD), type=_Contents)
            return plain_name(card.picture_name), len(card.candidates)
        except Exception:  # it is only looked at, and tells when it is opened
            return "", 0

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        parts = _listed(parts_of(self.file).folder, "*")
        return sum(_size(path) for path in (self.file, *parts))


def recoverable(folder: Path) -> tuple[Recoverable, ...]:
    """What was left in `folder`, the newest first; half-written files are swept away, and what is superseded. Never
    raises OSError: what cannot be looked at is not offered."""
    found: list[Recoverable] = []
    for file in _listed(folder, f"*{SUFFIX}"):
        lock = FileLock(file.with_suffix(LOCK))
        with contextlib.suppress(OSError):
            if lock.take():
                for part in _listed(folder, f".{file.name}.part-*"):
                    part.unlink(missing_ok=True)
                if file.exists():
                    found.append(Recoverable(file, _seconds(file), lock, _how_left(file)))
                else:  # closed in order by its owner just now
                    lock.release(remove=True)
    _sweep(folder)
    return _without_superseded(sorted(found, key=lambda one: -one.seconds))


def _without_superseded(newest_first: Iterable[Recoverable]) -> tuple[Recoverable, ...]:
    """Those that stay. The very last that a window was closed with always does."""
    kept: list[Recoverable] = []
    count, room = MAX_REPLACED, MAX_REPLACED_BYTES
    for one in newest_first:
        last = one.left is Left.SAVED and not any(other.left is not Left.REPLACED for other in kept)
        if one.left in (Left.REPLACED, Left.SAVED) and not last:
            count, room = count - 1, room - one.size
            if count < 0 or room < 0:
                with contextlib.suppress(OSError):
                    one.discard()
                    continue
        kept.append(one)
    return tuple(kept)


def _how_left(file: Path) -> Left:
    try:
        return Left(file.with_suffix(NOTE).read_bytes()[:40].decode())
    except (OSError, ValueError):
        return Left.CRASHED


def _seconds(file: Path) -> float:
    """When it was written, or left in order."""
    with contextlib.suppress(OSError):
        return max(file.stat().st_mtime, file.with_suffix(NOTE).stat().st_mtime)
    return file.stat().st_mtime


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sweep(folder: Path) -> None:
    """Remove what a kill before the first whole document leaves: unfinished files, parts, notes and locks."""
    for part in _listed(folder, ".*.part-*"):
        owner = part.name.lstrip(".").rsplit(".part-", 1)[0]
        lock = (folder / owner).with_suffix(LOCK)
        _unless_held(lock, lambda part=part: part.unlink(missing_ok=True))  # type: ignore[misc]
    for parts in _listed(folder, f"*{beside.SUFFIX}"):
        if not parts.with_suffix(SUFFIX).exists():
            _unless_held(parts.with_suffix(LOCK), lambda parts=parts: _remove_orphans(parts))  # type: ignore[misc]
    for note in _listed(folder, f"*{NOTE}"):
        if not note.with_suffix(SUFFIX).exists():
            _unless_held(note.with_suffix(LOCK), lambda note=note: note.unlink(missing_ok=True))  # type: ignore[misc]
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
