"""Autosave: after changes the document is written every few seconds to a recovery file.

The file `NAME.sdxld` is a project whose pictures and latents lie next to it in the folder `NAME.kept`, each written
once. Both are owned while `NAME.lock` is locked, which ends with the process. `close` leaves them to the next start
with a note of how they were closed; without a note it was a crash or a kill, see `recovery`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.errors import SdxlDesktopError, wrap_error
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.private_files import make_private_folder
from sdxl_desktop.session.document.file_lock import FileLock
from sdxl_desktop.session.document.manifest import SidecarEntry
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX, Project, ProjectError
from sdxl_desktop.session.document.project_encoder import (
    MASK_MEMBER,
    LatentsMember,
    MemberContent,
    PixelKeyCache,
    encode_project,
)
from sdxl_desktop.session.document.project_file import write_archive
from sdxl_desktop.session.document.recovery import (
    LOCK_SUFFIX,
    CloseState,
    RecoverableDocument,
    find_recoverable,
    remove_close_state,
    sidecar_of,
    write_close_state,
)
from sdxl_desktop.session.document.sidecar import SidecarFolder
from sdxl_desktop.session.result_files import Result

__all__ = ["MAX_CANDIDATE_BYTES", "Autosave", "RecoverableDocument", "find_recoverable"]

CANNOT_KEEP = "The document cannot be kept for recovery."

MAX_CANDIDATE_BYTES = 2**30
"""Disk space for the candidates in a recovery file. Unsaved candidates are always kept, whatever their size; of the
saved ones, the newest are kept while the limit allows."""


class Autosave:
    """One document's recovery file in `folder`.

    `set_pending` notes what to write and `write_pending` writes it; `write_now` does both. The two that write may be
    called from any thread. All other methods belong to the document's thread, and only `close`, `mark_closing` and
    `adopt` may wait for the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: FileLock | None = None
        self._pixel_keys = PixelKeyCache()
        self._latents: dict[int, tuple[SavedLatents, SidecarEntry]] = {}
        self._write_lock = threading.Lock()
        self._state = threading.Lock()  # guards the fields below; never held during disk access
        self._pending: tuple[Project, int] | None = None
        self._closed = False
        self._abandoned = False
        self._written_revision = 0
        self._cleared_revision = 0
        self.last_error: SdxlDesktopError | None = None
        """Why the last attempt to write the document failed; None if it succeeded."""
        self.saved_revision = 0
        """The document's revision in the file, 0 before the first write."""

    @property
    def file(self) -> Path:
        return self._folder / f"{self._name}{PROJECT_SUFFIX}"

    @property
    def _sidecar(self) -> SidecarFolder:
        return sidecar_of(self.file)

    def is_due(self, revision: int) -> bool:
        """Whether the document has changed since it was written."""
        return not self._closed and revision != self.saved_revision

    # writing

    def set_pending(self, project: Project, revision: int) -> None:
        """Set `project`, the document at `revision`, as what the next `write_pending` writes, in place of an earlier
        one. The arrays must not be modified afterwards."""
        with self._state:
            if not self._closed and revision > self.saved_revision:
                self._pending = project, revision

    @property
    def is_pending(self) -> bool:
        """Whether a project waits for `write_pending`."""
        return self._pending is not None

    def write_pending(self) -> None:
        """Write the pending project, if there is one. Raises SdxlDesktopError, which `last_error` repeats; the project
        is not pending any more, so whoever sees that it `is_due` sets it again."""
        with self._state:
            waiting, self._pending = self._pending, None
        if waiting is None:
            return
        try:
            self.write_now(*waiting)
        except Exception as problem:  # the libraries that encode may raise anything
            failed = wrap_error(problem, CANNOT_KEEP, next_step="Save your project yourself.")
            self.last_error = failed
            raise failed from failed.__cause__

    def write_now(self, project: Project, revision: int) -> None:
        """Write `project`, the document at `revision`; raises ProjectError. Older revisions than the saved one, and
        calls after `close` or `abandon`, are ignored. The arrays must not be modified afterwards."""
        try:
            with self._write_lock:
                self._write(project, revision)
            self._remove_if_cleared()
        finally:
            self._unlock_if_abandoned()

    def _write(self, project: Project, revision: int) -> None:
        if self._closed or revision <= self.saved_revision:
            return
        try:
            self._acquire_lock()
            self._write_project(_within_byte_limit(project))
            remove_close_state(self.file)
        except MemoryError as problem:
            raise ProjectError("There is no memory left to keep the document for recovery.") from problem
        with self._state:
            self._written_revision = revision
            self.last_error = None
            self.saved_revision = max(self.saved_revision, revision)

    def _acquire_lock(self) -> None:
        if self._lock is not None:
            return
        lock = FileLock(self._folder / f"{self._name}{LOCK_SUFFIX}")
        try:
            make_private_folder(self._folder, restrict_existing=True)
            while not lock.acquire():  # another window holds it briefly during its cleanup
                time.sleep(0.01)
        except OSError as problem:
            raise self._write_error(problem) from problem
        self._lock = lock

    def _write_project(self, project: Project) -> None:
        """Write the new parts, then the file that names them, and only then remove the parts it does not name."""
        packed = encode_project(project, self._pixel_keys)
        inside: dict[str, MemberContent] = {}
        for name, content in packed.members.items():
            if name == MASK_MEMBER:  # changes every time and compresses well
                inside[name] = content
                continue
            try:
                packed.manifest.beside[name] = self._write_sidecar_member(content)
            except OSError as problem:
                raise self._write_error(problem) from problem
        write_archive(self.file, packed.manifest, inside)
        self._sidecar.remove_unused(entry.file for entry in packed.manifest.beside.values())
        self._pixel_keys.remove_unused()
        used = {id(one.latents) for one in packed.members.values() if isinstance(one, LatentsMember)}
        self._latents = {key: known for key, known in self._latents.items() if key in used}

    def _write_sidecar_member(self, content: MemberContent) -> SidecarEntry:
        if not isinstance(content, LatentsMember):
            return self._sidecar.put_pixels(content, self._pixel_keys.key(content))
        known = self._latents.get(id(content.latents))
        if known is not None and self._sidecar.has(known[1]):
            return known[1]
        entry = self._sidecar.put_latents(content)
        self._latents[id(content.latents)] = content.latents, entry  # a reference is held, so that the id stays unique
        return entry

    def _write_error(self, problem: OSError) -> ProjectError:
        return ProjectError(
            CANNOT_KEEP,
            why=f"{problem.strerror or problem}.",
            next_step=f"Make room in {self._folder} and let it be written to; until then save your project yourself.",
        )

    # ending

    def clear(self, revision: int) -> None:
        """Mark that nothing is to be recovered at `revision`: the document is empty or was just saved as a project."""
        with self._state:
            self._cleared_revision = self.saved_revision = revision
        self._remove_if_cleared()

    def _remove_if_cleared(self) -> None:
        """Remove the file if it was cleared. If a write is in progress, the writer removes it afterwards."""
        while (
            self._written_revision
            and self._written_revision <= self._cleared_revision
            and self._write_lock.acquire(blocking=False)
        ):
            try:
                self._written_revision = 0
                self._remove()
            finally:
                self._write_lock.release()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # at worst it is offered again later
            self.file.unlink(missing_ok=True)
        self._latents.clear()
        self._sidecar.remove()

    def close(self, state: CloseState = CloseState.CLOSED) -> None:
        """Leave the file to a later start, marked with `state`; an empty document leaves no file. Waits for a write in
        progress. Safe to call twice."""
        self._closed = True
        with self._write_lock:
            if self._lock is None:
                return
            if 0 < self._written_revision <= self._cleared_revision or not self.file.exists():
                self._remove_and_unlock()
                return
            self._write_close_state(state)
            self._lock.release()
            self._lock = None

    def mark_closing(self) -> None:
        """The process may now end normally at any moment: mark the file as closed until it is written again. Waits for
        a write in progress."""
        with self._write_lock:
            if not self._closed and self._lock is not None and self.file.exists():
                self._write_close_state(CloseState.CLOSED)

    def _write_close_state(self, left: CloseState) -> None:
        with contextlib.suppress(OSError):  # without a note it counts as crashed and is offered
            write_close_state(self.file, left)

    def abandon(self) -> None:
        """Return without waiting and leave the files as after a crash. A write in progress is finished, if the process
        does not end before."""
        self._closed = self._abandoned = True
        self._unlock_if_abandoned()

    def _unlock_if_abandoned(self) -> None:
        """Leave the files to others. If a write is in progress, the writer does it afterwards."""
        while self._abandoned and self._lock is not None and self._write_lock.acquire(blocking=False):
            try:
                self._lock.release()
                self._lock = None
            finally:
                self._write_lock.release()

    def _remove_and_unlock(self) -> None:
        self._remove()
        if self._lock is not None:
            self._lock.release(remove=True)
            self._lock = None

    def adopt(self, found: RecoverableDocument, revision: int) -> None:
        """Continue in the recovered file `found`, which holds the document at `revision`. Nothing is copied, so at no
        moment would a crash leave no document, or two."""
        with self._write_lock:
            if self._closed:
                found.release()
                return
            self._remove_and_unlock()
            self._folder, self._name, self._lock = found.file.parent, found.file.stem, found.lock
            with self._state:
                self._written_revision = self.saved_revision = revision


def _within_byte_limit(project: Project) -> Project:
    """Return the project with the candidates that a recovery file may hold: all unsaved ones, and the newest saved ones
    that fit."""
    room, kept, counted = MAX_CANDIDATE_BYTES, set[int](), set[object]()
    newest_first = list(reversed(project.candidates))
    for candidate in sorted(newest_first, key=lambda candidate: candidate.saved_to is not None):
        for known, nbytes in _memory_use(candidate):
            room -= 0 if known in counted else nbytes
            counted.add(known)
        if room < 0 and candidate.saved_to is not None:
            break
        kept.add(id(candidate))
    return replace(project, candidates=tuple(one for one in project.candidates if id(one) in kept))


def _memory_use(candidate: Result) -> Iterator[tuple[object, int]]:
    """Yield an identity and a byte count for each part of a candidate."""
    picture, request = candidate.picture, candidate.request
    for pixels in (picture.pixels, picture.generated_pixels):
        if pixels is not None:
            yield id(pixels), pixels.nbytes
    for latents in (picture.latents, None if request.start is None else request.start.latents):
        if latents is not None:
            yield id(latents), latents.nbytes
    if request.edit is not None:
        for raster in (request.edit.picture, request.edit.mask):
            if raster is not None and raster.pixels is not None:
                yield raster.digest, raster.pixels.nbytes
