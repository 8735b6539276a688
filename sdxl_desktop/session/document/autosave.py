"""Autosave: after changes the document is written every few seconds to a recovery file, in the background.

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

MAX_CANDIDATE_BYTES = 2**30
"""Disk space for the candidates in a recovery file. Unsaved candidates are always kept, whatever their size; of the
saved ones, the newest are kept while the limit allows."""


class Autosave:
    """One document's recovery file in `folder`.

    `schedule` passes a document to a dedicated thread, so that neither the window nor other slow work waits;
    `write_now` writes immediately and may be called from any thread. All other methods belong to the document's thread,
    and only `flush`, `close`, `mark_closing` and `adopt` may wait for the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: FileLock | None = None
        self._pixel_keys = PixelKeyCache()
        self._latents: dict[int, tuple[SavedLatents, SidecarEntry]] = {}
        self._write_lock = threading.Lock()
        self._condition = threading.Condition()  # guards the fields below; never held during disk access
        self._pending: tuple[Project, int] | None = None
        self._is_working = False
        self._closed = False
        self._written_revision = 0
        self._cleared_revision = 0
        self._unreported_error: SdxlDesktopError | None = None
        self._reported = ""
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

    def schedule(self, project: Project, revision: int) -> None:
        """Write `project`, the document at `revision`, soon, and return immediately. Only the newest scheduled project
        is written. The arrays must not be modified afterwards. See `take_error` for failures."""
        with self._condition:
            if self._closed or revision <= self.saved_revision:
                return
            self._pending = project, revision
            if self._is_working:
                return
            self._is_working = True
        threading.Thread(target=self._work, name="autosave", daemon=True).start()

    def _work(self) -> None:
        """Write scheduled projects until none is left."""
        try:
            while (waiting := self._next()) is not None:
                try:
                    self.write_now(*waiting)
                except Exception as problem:  # unexpected errors are reported like any other
                    with self._condition:
                        failed = wrap_error(
                            problem,
                            "The document cannot be kept for recovery.",
                            next_step="Save your project yourself.",
                        )
                        self._unreported_error = self.last_error = failed
        finally:
            with self._condition:  # also after unexpected errors, so that the next change retries
                self._is_working = False
                self._condition.notify_all()

    def _next(self) -> tuple[Project, int] | None:
        with self._condition:
            waiting, self._pending = self._pending, None
            self._is_working = waiting is not None
            return waiting

    def flush(self, seconds: float) -> bool:
        """Wait at most `seconds` until the scheduled project is written or has failed; return whether that happened.
        `is_due` and `take_error` tell the two apart."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._is_working, seconds)

    def take_error(self) -> SdxlDesktopError | None:
        """Why the document could not be written; reported once until a write succeeds again."""
        with self._condition:
            problem, self._unreported_error = self._unreported_error, None
            if problem is None or str(problem) == self._reported:
                return None
            self._reported = str(problem)
            return problem

    def write_now(self, project: Project, revision: int) -> None:
        """Write `project`, the document at `revision`; raises ProjectError. Older revisions than the saved one, and
        calls after `close`, are ignored. The arrays must not be modified afterwards."""
        with self._write_lock:
            if self._closed or revision <= self.saved_revision:
                return
            try:
                self._acquire_lock()
                self._write_project(_within_byte_limit(project))
                remove_close_state(self.file)
            except MemoryError as problem:
                raise ProjectError("There is no memory left to keep the document for recovery.") from problem
            with self._condition:
                self._written_revision = revision
                self._reported, self.last_error = "", None
                self.saved_revision = max(self.saved_revision, revision)
        self._remove_if_cleared()

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
            "The document cannot be kept for recovery.",
            why=f"{problem.strerror or problem}.",
            next_step=f"Make room in {self._folder} and let it be written to; until then save your project yourself.",
        )

    # ending

    def clear(self, revision: int) -> None:
        """Mark that nothing is to be recovered at `revision`: the document is empty or was just saved as a project."""
        with self._condition:
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
        """Return without waiting: the files on disk stay as after a crash when the process ends."""
        self._closed = True

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
            with self._condition:
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
