"""Recovery of documents left by earlier windows: found once, offered to one window only, removed when useless.

`CloseState` says how an unlocked document `NAME.sdxld` was left. It stays until it is continued or discarded. Only
those that were deliberately replaced, or whose content is saved elsewhere, make room for newer ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.session.document import sidecar
from sdxl_desktop.session.document.file_lock import FileLock
from sdxl_desktop.session.document.file_references import plain_name, trust_matching_file
from sdxl_desktop.session.document.manifest import MANIFEST_MEMBER, MAX_MANIFEST_BYTES
from sdxl_desktop.session.document.project_archive import ProjectArchive
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX, Project
from sdxl_desktop.session.document.project_file import load_project
from sdxl_desktop.session.document.sidecar import SidecarFolder

LOCK_SUFFIX = ".lock"
CLOSE_STATE_SUFFIX = ".left"
"""Suffix of the file that records how the document was left."""
MAX_REPLACED_DOCUMENTS = 10
"""Maximum number of documents kept that were deliberately replaced or whose content is saved elsewhere."""
MAX_REPLACED_BYTES = 4 * 2**30
"""Their maximum total size on disk."""


class _ManifestSummary(msgspec.Struct):
    """The manifest fields by which people recognise a document."""

    picture_name: str = ""
    candidates: list[msgspec.Raw] = []


class CloseState(StrEnum):
    """How a window left its document."""

    CRASHED = "crashed"
    """Not closed normally: it is offered."""
    CLOSED = "closed"
    """The window was closed: it is reopened at the next start."""
    SAVED = "saved"
    """The window was closed and everything is saved in the user's files: it is reopened if it is the last one."""
    REPLACED = "replaced"
    """The user started something else in its place: it can still be found."""


def sidecar_of(file: Path) -> SidecarFolder:
    """Return the folder with the parts of a recovery file."""
    return SidecarFolder(file.with_suffix(sidecar.SIDECAR_SUFFIX))


def write_close_state(file: Path, state: CloseState) -> None:
    """Record how the document in `file` was left. Raises OSError."""
    write_atomically(file.with_suffix(CLOSE_STATE_SUFFIX), state.value.encode(), private=True)


def remove_close_state(file: Path) -> None:
    """Mark the document in `file` as in use: from now on only a crash can leave it."""
    with contextlib.suppress(OSError):  # at worst it is reopened without asking
        file.with_suffix(CLOSE_STATE_SUFFIX).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, eq=False)
class RecoverableDocument:
    """A document left by an earlier window. This process locks it until `discard`, `release` or its adoption by an
    `Autosave`, so that of two starting windows only one continues it."""

    file: Path
    left_at: float
    """When it was left, in seconds since the epoch."""
    lock: FileLock
    close_state: CloseState = CloseState.CRASHED

    def load(self) -> Project:
        """Return the document; raises ProjectError. From now on it counts as crashed: if loading it crashes the window,
        the next start asks first."""
        remove_close_state(self.file)
        return load_project(self.file, sidecar_of(self.file), trust_matching_file)

    def discard(self) -> None:
        """Delete it: it was recovered and stored elsewhere, or is not wanted."""
        self.file.unlink(missing_ok=True)
        remove_close_state(self.file)
        sidecar_of(self.file).remove()
        self.lock.release(remove=True)

    def release(self) -> None:
        """Leave it to a later start."""
        self.lock.release()

    def release_unopened(self) -> None:
        """Leave it in its previous close state, even if loading has begun."""
        if self.close_state is not CloseState.CRASHED:
            with contextlib.suppress(OSError):
                write_close_state(self.file, self.close_state)
        self.lock.release()

    def summary(self) -> tuple[str, int]:
        """Return (the picture's name, the number of candidates) without loading it; ("", 0) if unknown."""
        try:
            with ProjectArchive(self.file) as archive:
                card = msgspec.json.decode(archive.read(MANIFEST_MEMBER, MAX_MANIFEST_BYTES), type=_ManifestSummary)
            return plain_name(card.picture_name), len(card.candidates)
        except Exception:  # only a summary; opening it reports the error
            return "", 0

    @property
    def size(self) -> int:
        """Size on disk in bytes."""
        parts = _glob(sidecar_of(self.file).folder, "*")
        return sum(_size(path) for path in (self.file, *parts))


def find_recoverable(folder: Path) -> tuple[RecoverableDocument, ...]:
    """Return the documents left in `folder`, the newest first; incomplete and superseded files are removed. Never
    raises OSError: unreadable documents are not offered."""
    found: list[RecoverableDocument] = []
    for file in _glob(folder, f"*{PROJECT_SUFFIX}"):
        lock = FileLock(file.with_suffix(LOCK_SUFFIX))
        with contextlib.suppress(OSError):
            if lock.acquire():
                for part in _glob(folder, f".{file.name}.part-*"):
                    part.unlink(missing_ok=True)
                if file.exists():
                    found.append(RecoverableDocument(file, _left_at(file), lock, _read_close_state(file)))
                else:  # just closed normally by its owner
                    lock.release(remove=True)
    _remove_leftovers(folder)
    return _without_superseded(sorted(found, key=lambda one: -one.left_at))


def _without_superseded(newest_first: Iterable[RecoverableDocument]) -> tuple[RecoverableDocument, ...]:
    """Return those to keep. The last document that a window was closed with is always kept."""
    kept: list[RecoverableDocument] = []
    count, room = MAX_REPLACED_DOCUMENTS, MAX_REPLACED_BYTES
    for one in newest_first:
        last = one.close_state is CloseState.SAVED and not any(
            other.close_state is not CloseState.REPLACED for other in kept
        )
        if one.close_state in (CloseState.REPLACED, CloseState.SAVED) and not last:
            count, room = count - 1, room - one.size
            if count < 0 or room < 0:
                with contextlib.suppress(OSError):
                    one.discard()
                    continue
        kept.append(one)
    return tuple(kept)


def _read_close_state(file: Path) -> CloseState:
    try:
        return CloseState(file.with_suffix(CLOSE_STATE_SUFFIX).read_bytes()[:40].decode())
    except (OSError, ValueError):
        return CloseState.CRASHED


def _left_at(file: Path) -> float:
    """When it was written or closed normally."""
    with contextlib.suppress(OSError):
        return max(file.stat().st_mtime, file.with_suffix(CLOSE_STATE_SUFFIX).stat().st_mtime)
    return file.stat().st_mtime


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remove_leftovers(folder: Path) -> None:
    """Remove what a kill before the first complete write leaves: unfinished files, parts, notes and locks."""
    for part in _glob(folder, ".*.part-*"):
        owner = part.name.lstrip(".").rsplit(".part-", 1)[0]
        lock = (folder / owner).with_suffix(LOCK_SUFFIX)
        _if_not_locked(lock, lambda part=part: part.unlink(missing_ok=True))  # type: ignore[misc]
    for parts in _glob(folder, f"*{sidecar.SIDECAR_SUFFIX}"):
        if not parts.with_suffix(PROJECT_SUFFIX).exists():
            _if_not_locked(parts.with_suffix(LOCK_SUFFIX), lambda parts=parts: _remove_orphans(parts))  # type: ignore[misc]
    for note in _glob(folder, f"*{CLOSE_STATE_SUFFIX}"):
        if not note.with_suffix(PROJECT_SUFFIX).exists():
            _if_not_locked(note.with_suffix(LOCK_SUFFIX), lambda note=note: note.unlink(missing_ok=True))  # type: ignore[misc]
    for path in _glob(folder, f"*{LOCK_SUFFIX}"):
        if not path.with_suffix(PROJECT_SUFFIX).exists():
            _if_not_locked(path, lambda: None)


def _remove_orphans(parts: Path) -> None:
    if not parts.with_suffix(PROJECT_SUFFIX).exists():  # checked again now that no other process can be writing it
        SidecarFolder(parts).remove()


def _if_not_locked(lock_file: Path, act: Callable[[], None]) -> None:
    """Call `act` and remove the lock if its owner is gone and has left no document."""
    lock = FileLock(lock_file)
    with contextlib.suppress(OSError):
        if lock.acquire():
            act()
            lock.release(remove=not lock_file.with_suffix(PROJECT_SUFFIX).exists())


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
