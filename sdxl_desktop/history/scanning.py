"""Brings the history in line with the files: what was added, moved, renamed, edited or deleted outside.

A picture is recognised by inode, size and time, else by the hash of its file. Files are read outside of any
transaction; each row is changed only if it is still as it was read.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.history.connections import Connections
from sdxl_desktop.history.file_identity import FileStamp, content_hash, stamp_of
from sdxl_desktop.history.folder_files import never_cancel, picture_files
from sdxl_desktop.history.notes import Note
from sdxl_desktop.history.picture_reading import ReadPicture, marks_of, read_picture
from sdxl_desktop.history.queries import microseconds_of
from sdxl_desktop.history.rows import (
    add_tag,
    has_record,
    insert_picture,
    is_same_drawing,
    remove_entries,
    set_pixels,
    set_values,
    update_file,
    update_picture,
)
from sdxl_desktop.history.schema import other_file, picture

_BATCH = 50
"""How many new pictures are indexed in a transaction."""


@dataclass(slots=True)
class ScanReport:
    """The IDs of entries that a scan added, found at another place, found edited, found missing, found again, or
    removed because another picture replaced their file."""

    added: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    edited: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    @property
    def changed(self) -> tuple[int, ...]:
        """The entries that were in the history before and have changed."""
        return tuple(dict.fromkeys((*self.moved, *self.edited, *self.missing, *self.returned)))


@dataclass(slots=True)
class _Known:
    """An entry as it was read. Paths are text here: fifty thousand of them are compared. `file` is the path as the
    database has it."""

    id: int
    file: str
    path: str
    stamp: FileStamp
    content: str
    missing: bool


class FolderScan:
    """One scan of `folder`. `notes` loads what is known of pictures by their content. `check` is called between files
    and may raise to cancel; what was done so far stays. `elsewhere` are further files to index."""

    def __init__(
        self,
        connections: Connections,
        folder: Path,
        notes: Callable[[], dict[str, Note]],
        check: Callable[[], None] = never_cancel,
        progress: Callable[[int, int], None] = lambda done, total: None,
        elsewhere: Iterable[Path] = (),
    ) -> None:
        self._connections = connections
        self._folder = folder
        self._notes = notes
        self._check = check
        self._progress = progress
        self._elsewhere = elsewhere
        self._hashes: dict[str, str | None] = {}
        self.report = ScanReport()

    def run(self) -> ScanReport:
        """Scan, and return what was found. Raises HistoryError if the database fails."""
        found = picture_files(self._folder, self._check)
        for path in map(str, self._elsewhere):
            if path not in found and (stamp := _stamp_of_file(path)) is not None:
                found[path] = stamp
        live, forgotten = self._read_known()
        absent, altered, taken = self._compare(live, found)
        vacated = {known.path for known in altered}
        fresh = {path: stamp for path, stamp in found.items() if path not in taken or path in vacated}
        self._settle_forgotten(forgotten, found, fresh)
        moves = self._find_moved([*absent, *altered], fresh)
        self._apply_moves(moves, altered)
        moved = {known.id for known, _ in moves}
        for known in altered:
            if known.id not in moved and (stamp := fresh.pop(known.path, None)) is not None:
                self._update_edited(known, stamp)
        self._mark_missing([known for known in absent if known.id not in moved])
        self._index_new(fresh)
        return self.report

    def _read_known(self) -> tuple[list[_Known], list[_Known]]:
        """Return the entries, and the forgotten ones."""
        columns = (
            picture.c.id,
            picture.c.file,
            picture.c.file_bytes,
            picture.c.file_mtime,
            picture.c.file_inode,
            picture.c.content,
            picture.c.missing,
            picture.c.forgotten,
        )
        with self._connections.read() as connection:
            rows = connection.execute(select(*columns).order_by(picture.c.id)).all()
        live: list[_Known] = []
        gone: list[_Known] = []
        for entry, file, size, mtime, inode, content, missing, forgotten in rows:
            with suppress(ValueError):
                path = str(text_to_path(file)) if file.startswith("file:") else file
                known = _Known(entry, file, path, FileStamp(size, mtime, inode), content, missing)
                (live if forgotten is None else gone).append(known)
        return live, gone

    def _compare(self, live: list[_Known], found: dict[str, FileStamp]) -> tuple[list[_Known], list[_Known], set[str]]:
        """Return the entries whose file is not there, those whose file has other values, and the paths of all entries
        whose file is there. Entries whose file is back unchanged are marked."""
        absent, altered, taken = [], [], set()
        back = []
        for known in live:
            stamp = found.get(known.path) or _stamp_of_file(known.path)
            if stamp is None:
                absent.append(known)
                continue
            taken.add(known.path)
            if stamp[:2] != known.stamp[:2]:
                found.setdefault(known.path, stamp)
                altered.append(known)
            elif known.missing:
                back.append(known.id)
        if back:
            with self._connections.write() as connection:
                self.report.returned += set_values(connection, back, missing=False)
        return absent, altered, taken

    def _settle_forgotten(
        self, forgotten: list[_Known], found: dict[str, FileStamp], fresh: dict[str, FileStamp]
    ) -> None:
        """Keep deleted pictures whose file is still there away; take back those whose file was gone and is back."""
        gone, back = [], []
        for known in forgotten:
            stamp = found.get(known.path)
            same = stamp is not None and stamp[:2] == known.stamp[:2]
            if not same and not known.missing:
                gone.append(known.id)
            elif same and known.path in fresh:
                del fresh[known.path]
                if known.missing:
                    back.append(known.id)
        if gone or back:
            with self._connections.write() as connection:
                set_values(connection, gone, missing=True)
                self.report.returned += set_values(connection, back, missing=False, forgotten=None)

    def _find_moved(self, lost: list[_Known], fresh: dict[str, FileStamp]) -> list[tuple[_Known, str]]:
        """Return the entries whose content is at another path now, with that path, which is removed from `fresh`."""
        lost = [known for known in lost if known.path not in fresh or self._hash(known.path) != known.content]
        moves: list[tuple[_Known, str]] = []
        by_stamp = {stamp: path for path, stamp in fresh.items() if stamp.inode}
        for known in lost:
            path = by_stamp.get(known.stamp)
            if path is not None and fresh.pop(path, None) is not None:
                moves.append((known, path))
        found = {known.id for known, _ in moves}
        by_size: dict[int, list[str]] = defaultdict(list)
        for path, stamp in fresh.items():
            by_size[stamp.bytes].append(path)
        for known in lost:
            if known.id in found:
                continue
            self._check()
            same = (each for each in by_size[known.stamp.bytes] if each in fresh)
            path = next((each for each in same if self._hash(each) == known.content), None)
            if path is not None:
                del fresh[path]
                moves.append((known, path))
        return moves

    def _apply_moves(self, moves: list[tuple[_Known, str]], altered: list[_Known]) -> None:
        """Set the new paths. An altered entry whose path another one has taken is forgotten: its file was replaced."""
        if not moves:
            return
        with self._connections.write() as connection:
            moving = [(known, path) for known, path in moves if _is_unchanged(connection, known)]
            leaving = {known.id for known, _ in moving}
            taken = {path for _, path in moving}
            replaced = [known.id for known in altered if known.path in taken and known.id not in leaving]
            now = microseconds_of(datetime.now(UTC))
            self.report.removed += set_values(connection, replaced, missing=True, forgotten=now)
            for known, _ in moving:  # two files may have changed places, and names are unique
                set_values(connection, [known.id], file=f"moving:{known.id}")
            for known, path in moving:
                status = _stamp_of_file(path)
                if status is None or _is_taken(connection, path):  # it has moved on since; the next scan finds it
                    set_values(connection, [known.id], file=known.file, missing=True)
                else:
                    update_file(connection, known.id, Path(path), status)
                    self.report.moved.append(known.id)

    def _update_edited(self, known: _Known, stamp: FileStamp) -> None:
        """Take over the new content of an entry's file. Another picture of ours, drawn into the same file, replaces the
        entry; an edited one keeps it, and its record if the file has none any more."""
        self._check()
        content = self._hash(known.path)
        if content is None:
            return
        read = None
        if content != known.content:
            with suppress(OSError):
                read = read_picture(Path(known.path), {content: Note(content=content)})
        with self._connections.write() as connection:
            if not _is_unchanged(connection, known):
                return
            if read is not None and _says_how_it_was_made(connection, known.id, read):
                self._update_drawn(connection, known.id, read)
                return
            update_file(connection, known.id, Path(known.path), stamp, content=content)
            if read is not None:
                set_pixels(connection, known.id, read.new.size, read.new.pixels_digest)
        if content != known.content:
            self.report.edited.append(known.id)
        elif known.missing:
            self.report.returned.append(known.id)

    def _update_drawn(self, connection: Connection, entry: int, read: ReadPicture) -> None:
        if is_same_drawing(connection, entry, read.new):
            update_picture(connection, entry, read.new, read.file)
            self.report.edited.append(entry)
        else:
            remove_entries(connection, [entry])
            self.report.removed.append(entry)
            self._insert(connection, read)

    def _mark_missing(self, lost: list[_Known]) -> None:
        gone = [known for known in lost if not known.missing]
        if gone:
            with self._connections.write() as connection:
                ids = [known.id for known in gone if _is_unchanged(connection, known)]
                self.report.missing += set_values(connection, ids, missing=True)

    def _index_new(self, fresh: dict[str, FileStamp]) -> None:
        """Index the pictures with a record, ours or another program's; remember the others, so that they are not read
        again."""
        unknown = self._without_others(fresh)
        notes = self._notes() if unknown else {}
        for start in range(0, len(unknown), _BATCH):
            some = unknown[start : start + _BATCH]
            read = []
            for path in some:
                self._check()
                with suppress(OSError):
                    read.append((path, read_picture(Path(path), notes)))
            with self._connections.write() as connection:
                for path, found in read:
                    if found is None:
                        _remember_other(connection, path, fresh[path])
                    else:
                        self._insert(connection, found)
            self._progress(min(start + _BATCH, len(unknown)), len(unknown))

    def _insert(self, connection: Connection, found: ReadPicture) -> None:
        if _is_taken(connection, str(found.new.file)):  # indexed meanwhile
            return
        entry = insert_picture(connection, found.new, found.file, found.new.created or datetime.now(UTC))
        marks = marks_of(found)
        if marks:
            set_values(connection, [entry], **marks)
        for tag in () if found.note is None else found.note.tags:
            add_tag(connection, [entry], tag)
        if marks.get("forgotten") is None:
            self.report.added.append(entry)

    def _without_others(self, fresh: dict[str, FileStamp]) -> list[str]:
        with self._connections.read() as connection:
            others = {row.file: (row.file_bytes, row.file_mtime) for row in connection.execute(select(other_file))}
        return [
            path
            for path, stamp in sorted(fresh.items(), key=lambda item: item[1].mtime)
            if others.get(path_to_text(Path(path))) != (stamp.bytes, stamp.mtime)
        ]

    def _hash(self, path: str) -> str | None:
        if path not in self._hashes:
            self._check()
            try:
                self._hashes[path] = content_hash(Path(path))
            except OSError:
                self._hashes[path] = None
        return self._hashes[path]


def _stamp_of_file(path: str) -> FileStamp | None:
    """Return the values of a file, in the scanned folder or elsewhere; None if it is not there or empty."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return stamp_of(status) if status.st_size else None


def _says_how_it_was_made(connection: Connection, entry: int, read: ReadPicture) -> bool:
    """Whether the edited file of an entry has a record of ours, or, if none of ours is known of the entry, another
    program's. What programs keep of our pictures' texts for others says less than our record."""
    if read.file.record_in_file:
        return True
    return read.new.other_record is not None and not has_record(connection, entry)


def _is_taken(connection: Connection, path: str) -> bool:
    """Whether an entry has this path."""
    there = select(picture.c.id).where(picture.c.file == path_to_text(Path(path)), picture.c.forgotten.is_(None))
    return connection.scalar(there) is not None


def _is_unchanged(connection: Connection, known: _Known) -> bool:
    """Whether the entry is still as it was read: a finished picture may have replaced it meanwhile."""
    now = connection.execute(
        select(picture.c.file, picture.c.content, picture.c.forgotten).where(picture.c.id == known.id)
    ).one_or_none()
    return now is not None and tuple(now) == (known.file, known.content, None)


def _remember_other(connection: Connection, path: str, stamp: FileStamp) -> None:
    values = {"file_bytes": stamp.bytes, "file_mtime": stamp.mtime}
    connection.execute(
        sqlite_insert(other_file)
        .values(file=path_to_text(Path(path)), **values)
        .on_conflict_do_update(index_elements=["file"], set_=values)
    )


def forget_others(connection: Connection) -> None:
    """Read every file again at the next scan."""
    connection.execute(delete(other_file))
