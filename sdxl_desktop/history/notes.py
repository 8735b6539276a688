"""What only the database knows of each picture, written a second time to a text file beside it: ratings, stars, tags,
timings, devices and times of creation, by the content of the picture's file. A database that is lost or damaged is made
again from the pictures and this file."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock
from sqlalchemy import Connection, select

from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.path_text import text_to_path
from sdxl_desktop.core.private_files import open_private_append
from sdxl_desktop.history.queries import batches, tags_of
from sdxl_desktop.history.schema import details, parent, picture

_log = logging.getLogger(__name__)
_SPARE_LINES = 1000
"""How many outdated lines the file may have, besides as many as it has current ones."""
_MAX_LINE = 2**21
_LOCK_TIMEOUT_S = 10


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the file: the picture whose file has the SHA-256 `content`. `created` is in microseconds since 1970;
    `parents` are role, digest and name; `record` is the record of a file that has none itself."""

    content: str
    file: str = ""
    created: int = 0
    kind: str = ""
    checkpoint_title: str = ""
    timings: str | None = None
    devices: str = "{}"
    pixels_digest: str = ""
    latents_digest: str = ""
    parents: tuple[tuple[str, str, str], ...] = ()
    record: str | None = None
    rating: int = 0
    starred: bool = False
    tags: tuple[str, ...] = ()
    forgotten: int | None = None

    @property
    def path(self) -> Path | None:
        """Where the file was; None if unknown."""
        with suppress(ValueError):
            return text_to_path(self.file) if self.file else None
        return None


def notes_of(connection: Connection, ids: Sequence[int] | None = None) -> list[Note]:
    """Return the notes of the entries `ids`, also of forgotten ones; None means all."""
    if ids is None:
        ids = list(connection.scalars(select(picture.c.id)))
    found: list[Note] = []
    for some in batches(list(ids)):
        rows = connection.execute(
            select(picture, details).join_from(picture, details).where(picture.c.id.in_(some)).order_by(picture.c.id)
        ).all()
        parents: dict[int, list[tuple[str, str, str]]] = {}
        for row in connection.execute(select(parent).where(parent.c.picture_id.in_(some)).order_by(parent.c.role)):
            parents.setdefault(row.picture_id, []).append((row.role, row.digest, row.name))
        tags = tags_of(connection, some)
        found += [
            Note(
                content=row.content,
                file=row.file,
                created=row.created,
                kind=row.kind,
                checkpoint_title=row.checkpoint_title,
                timings=row.timings,
                devices=row.devices,
                pixels_digest=row.pixels_digest,
                latents_digest=row.latents_digest,
                parents=tuple(parents.get(row.id, ())),
                record=None if row.record_in_file else row.record,
                rating=row.rating,
                starred=row.starred,
                tags=tags.get(row.id, ()),
                forgotten=row.forgotten,
            )
            for row in rows
        ]
    return found


class NotesFile:
    """The file. Each change appends lines; the last line of a picture counts. Its writing never fails a caller: the
    database has everything."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = FileLock(f"{file}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600, thread_local=False)
        self._threads = threading.RLock()  # a file lock holds off other processes

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads, self._lock:
            yield

    def append(self, notes: Iterable[Note]) -> None:
        """Append `notes`; a failure is logged."""
        lines = b"".join(b"\n" + msgspec.json.encode(note) for note in notes)  # the last line may be cut off
        if not lines:
            return
        try:
            with self._locked(), open_private_append(self.file) as opened:
                opened.write(lines)
        except OSError as problem:
            _log.warning("The history's notes could not be written: %s", problem)

    def load(self) -> dict[str, Note]:
        """Return the last note of each picture, by its content; unreadable lines are skipped."""
        return self._load()[0]

    def _load(self) -> tuple[dict[str, Note], int]:
        found: dict[str, Note] = {}
        lines = 0
        try:
            with self.file.open("rb") as opened:
                while line := opened.readline(_MAX_LINE):
                    lines += 1
                    with suppress(msgspec.MsgspecError, RecursionError, ValueError):
                        note = msgspec.json.decode(line, type=Note)
                        found[note.content] = note
        except FileNotFoundError:
            pass
        except OSError as problem:
            _log.warning("The history's notes could not be read: %s", problem)
        return found, lines

    def save(self, notes: Iterable[Note]) -> None:
        """Write the file anew with the last of its notes and `notes`, which are newer. Raises OSError."""
        with self._locked():
            found = self.load()
            found.update((note.content, note) for note in notes)
            self._replace(found)

    def compact(self) -> None:
        """Remove the outdated lines if they are many."""
        try:
            with self._locked():
                found, lines = self._load()
                if lines > 2 * len(found) + _SPARE_LINES:
                    self._replace(found)
        except OSError as problem:
            _log.warning("The history's notes could not be shortened: %s", problem)

    def _replace(self, notes: dict[str, Note]) -> None:
        with atomic_file(self.file, private=True) as temporary, temporary.open("wb") as opened:
            opened.writelines(b"\n" + msgspec.json.encode(note) for note in notes.values())
            opened.flush()
            os.fsync(opened.fileno())
