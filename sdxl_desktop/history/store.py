"""`History`: the facade of the history, for any thread. The window uses it through `bridge.history_thread`."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from filelock import Timeout as LockTimeout
from sqlalchemy import Connection, delete, literal_column, select, text

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.path_text import path_to_text
from sdxl_desktop.core.private_files import create_private, make_private_folder
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.history.connections import BUSY_TIMEOUT_S, Connections
from sdxl_desktop.history.entries import MAX_RATING, MAX_TAG, ChangeKind, HistoryChange, NewPicture
from sdxl_desktop.history.errors import HistoryBusyError, HistoryDamagedError, history_errors, is_damage
from sdxl_desktop.history.folder_files import never_cancel
from sdxl_desktop.history.migration import found_revision, set_aside, upgrade
from sdxl_desktop.history.notes import NotesFile, notes_of
from sdxl_desktop.history.picture_reading import indexed_file
from sdxl_desktop.history.queries import microseconds_of
from sdxl_desktop.history.reading import HistoryReader
from sdxl_desktop.history.rows import (
    add_tag,
    existing,
    insert_picture,
    is_same_drawing,
    remove_entries,
    remove_tag,
    remove_unused_tags,
    restore_entry,
    set_run,
    set_values,
    update_picture,
)
from sdxl_desktop.history.scanning import FolderScan, ScanReport, forget_others
from sdxl_desktop.history.schema import REVISION, picture

Subscriber = Callable[[HistoryChange], object]
NOTES_NAME = "history-notes.jsonl"
_HAS_WORDS = text("EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'picture_text')")
_KEEP_FORGOTTEN_DAYS = 30
"""How long a deleted picture can be restored with its marks."""


class History(HistoryReader):
    """The index of the finished pictures in one database. Every method may be called from any thread; reading works
    beside writing, and beside other processes. All methods raise HistoryError if the database fails."""

    def __init__(self, file: Path, connections: Connections, *, damaged: Path | None = None) -> None:
        super().__init__(connections)
        self.file = file
        self.damaged = damaged
        """The damaged database that was set aside by `open`, if any; `scan` finds its pictures again."""
        self._notes = NotesFile(file.with_name(NOTES_NAME))
        self._subscribers: list[Subscriber] = []
        self._subscribing = threading.Lock()

        self._data_version = connections.data_version()

    @classmethod
    def open(cls, database: Path, *, thorough: bool = False) -> History:
        """Open the database, which is created if missing, migrated if older, and set aside if damaged. `thorough`
        searches it for damage first, which reads all of it.

        Raises HistoryNewerError for one of a newer version, which is not touched, and HistoryError if it cannot be
        opened or written to.
        """
        with _opening(database):
            connections, damaged = _connect_whole(database, thorough)
        return cls(database, connections, damaged=damaged)

    def recover(self) -> Path | None:
        """Set the database aside if it is damaged, go on with an empty one, and return where the damaged one is; None
        if it is not damaged. `rebuild` restores what it indexed."""
        with _opening(self.file):
            self._connections.close()
            self._connections, damaged = _connect_whole(self.file, thorough=True)
        self.damaged = damaged or self.damaged
        self._data_version = self._connections.data_version()
        return damaged

    def changed_elsewhere(self) -> bool:
        """Whether another process has changed the history since the last call, or since it was opened."""
        before, self._data_version = self._data_version, self._connections.data_version()
        return before != self._data_version

    def check(self) -> None:
        """Search the whole database for damage; raises HistoryDamagedError."""
        with self._connections.read() as connection:
            _check(connection)

    def close(self) -> None:
        """Close the database. Safe to call twice."""
        self._connections.close()

    # writing

    def add(self, new: NewPicture) -> int:
        """Index a finished picture, whose file is written, and return the ID of its entry.

        A file that is indexed already keeps its entry if it is the same picture (perhaps blended or encoded anew); a
        new entry replaces that of another picture.
        """
        with history_errors(self.file):
            indexed = indexed_file(new.file)
        created = new.created or datetime.fromtimestamp(indexed.stamp.mtime // 1000 / 1e6, UTC)
        replaced: tuple[int, ...] = ()
        with self._changing(ChangeKind.ADDED) as (connection, ids):
            known = connection.execute(
                select(picture.c.id, picture.c.content).where(
                    picture.c.forgotten.is_(None), picture.c.file == path_to_text(new.file)
                )
            ).one_or_none()
            if known is not None and (known.content == indexed.content or is_same_drawing(connection, known.id, new)):
                update_picture(connection, known.id, new, indexed)
                ids.append(known.id)
            else:
                if known is not None:
                    replaced = (known.id,)
                    remove_entries(connection, replaced)
                ids.append(insert_picture(connection, new, indexed, created))
        self._tell(HistoryChange(ChangeKind.REMOVED, replaced))
        return ids[0]

    def set_run(self, ids: Iterable[int], timings: Timings, devices: Mapping[str, str]) -> None:
        """Set what is known only when the run of these pictures has finished."""
        with self._changing() as (connection, changed):
            for entry in ids:
                set_run(connection, entry, timings, devices)
                changed.append(entry)

    def set_rating(self, ids: Iterable[int], rating: int) -> None:
        """Rate entries, 0 (none) to 5. Raises RequestError for another rating."""
        check_range("The rating", rating, 0, MAX_RATING)
        self._set(ids, rating=rating)

    def set_starred(self, ids: Iterable[int], on: bool) -> None:
        """Star entries, or remove their stars."""
        self._set(ids, starred=on)

    def add_tag(self, ids: Iterable[int], name: str) -> None:
        """Tag entries. Upper and lower case are the same tag. Raises RequestError for an unusable name."""
        clean = _clean_tag(name)
        with self._changing() as (connection, changed):
            changed += existing(connection, ids)
            add_tag(connection, changed, clean)

    def remove_tag(self, ids: Iterable[int], name: str) -> None:
        """Remove a tag from entries."""
        with self._changing() as (connection, changed):
            changed += existing(connection, ids)
            remove_tag(connection, changed, " ".join(replace_unencodable(name).split()))

    def forget(self, ids: Iterable[int]) -> None:
        """Remove entries from the history; `restore` undoes it within 30 days. Their files stay: whoever deletes them
        does so before, so that a crash between leaves entries that are missing, not files that nothing lists."""
        self._set(ids, ChangeKind.REMOVED, forgotten=microseconds_of(datetime.now(UTC)))

    def restore(self, ids: Iterable[int], files: Mapping[int, Path] | None = None) -> tuple[int, ...]:
        """Undo `forget`, with ratings, stars and tags; return the restored IDs. `files` says where files are now, if
        they got other names. Entries whose file name another picture has now stay away."""
        with self._changing(ChangeKind.ADDED) as (connection, restored):
            for entry in ids:
                if restore_entry(connection, entry, (files or {}).get(entry)):
                    restored.append(entry)
        return tuple(restored)

    def _set(self, ids: Iterable[int], kind: ChangeKind = ChangeKind.CHANGED, **values: object) -> None:
        with self._changing(kind) as (connection, changed):
            changed += set_values(connection, tuple(ids), **values)

    @contextmanager
    def _changing(self, kind: ChangeKind = ChangeKind.CHANGED) -> Iterator[tuple[Connection, list[int]]]:
        """A transaction with the list of the entries that it changes, which are noted and told afterwards."""
        changed: list[int] = []
        with self._connections.write() as connection:
            yield connection, changed
            notes = notes_of(connection, changed)
        self._notes.append(notes)
        self._tell(HistoryChange(kind, tuple(changed)))

    # files

    def scan(
        self,
        folder: Path,
        check: Callable[[], None] = never_cancel,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ScanReport:
        """Bring the history in line with the files: index pictures that are new in `folder` and below, and notice those
        that were moved, renamed, edited, deleted, or are back. `check` may raise to cancel; `progress` gets how many of
        how many new files are read."""
        scan = FolderScan(self._connections, folder, self._notes.load, check, progress)
        try:
            scan.run()
        finally:
            self._note_scan(scan.report)
        return scan.report

    def _note_scan(self, report: ScanReport) -> None:
        changed = (*report.added, *report.changed, *report.removed)
        if changed:
            with self._connections.read() as connection:
                self._notes.append(notes_of(connection, changed))
        self._tell(HistoryChange(ChangeKind.REMOVED, tuple(report.removed)))
        self._tell(HistoryChange(ChangeKind.CHANGED, report.changed))
        self._tell(HistoryChange(ChangeKind.ADDED, tuple(report.added)))

    def tidy(self) -> None:
        """Remove what is left of pictures that were deleted long ago, and outdated notes."""
        before = microseconds_of(datetime.now(UTC) - timedelta(days=_KEEP_FORGOTTEN_DAYS))
        with self._connections.write() as connection:
            connection.execute(delete(picture).where(picture.c.forgotten < before, picture.c.missing.is_(True)))
            remove_unused_tags(connection)
        self._notes.compact()

    def rebuild(
        self,
        folder: Path,
        check: Callable[[], None] = never_cancel,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ScanReport:
        """Make the index again from the files in `folder` and below, and those elsewhere that the history knew. Marks,
        timings and devices are taken from the notes. Entries whose files are missing are left out until they are back.
        """
        with suppress(HistoryDamagedError), self._connections.read() as connection:
            known = notes_of(connection)
            with history_errors(self._notes.file):
                self._notes.save(known)
        notes = self._notes.load()
        with self._connections.write() as connection:
            connection.execute(delete(picture))
            remove_unused_tags(connection)
            forget_others(connection)
        elsewhere = [path for note in notes.values() if (path := note.path) is not None]
        scan = FolderScan(self._connections, folder, lambda: notes, check, progress, elsewhere)
        try:
            scan.run()
        finally:
            self._tell(HistoryChange(ChangeKind.RESET))
        return scan.report

    # changes

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` after each change, on the thread that made it; return a function that ends that."""
        with self._subscribing:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._subscribing, suppress(ValueError):
                self._subscribers.remove(callback)

        return unsubscribe

    def _tell(self, change: HistoryChange) -> None:
        if not change.ids and change.kind is not ChangeKind.RESET:
            return
        with self._subscribing:
            subscribers = tuple(self._subscribers)
        for each in subscribers:
            each(change)


@contextmanager
def _opening(database: Path) -> Iterator[None]:
    """A context in which no other process opens the database."""
    with history_errors(database):
        make_private_folder(database.parent)
        try:
            with FileLock(f"{database}.lock", timeout=BUSY_TIMEOUT_S, mode=0o600):
                yield
        except LockTimeout as problem:
            raise HistoryBusyError(
                "The history could not be opened.",
                why="Another program is opening it.",
                next_step="Try again in a moment.",
            ) from problem


def _connect_whole(database: Path, thorough: bool) -> tuple[Connections, Path | None]:
    """Return the connections, and where the database was set aside if it was damaged."""
    try:
        return _connect(database, thorough), None
    except Exception as problem:
        if not isinstance(problem, HistoryDamagedError) and not is_damage(problem):
            raise
    damaged = set_aside(database)
    return _connect(database), damaged


def _connect(database: Path, thorough: bool = False) -> Connections:
    """Return the connections to the database at the present schema."""
    revision = found_revision(database)
    if not database.exists():
        create_private(database)
    connections = Connections(database)
    try:
        if thorough:
            _check_thoroughly(connections)
        if revision != REVISION:
            with connections.write() as connection:
                upgrade(connection)
    except BaseException:
        connections.close()
        raise
    return connections


def _check_thoroughly(connections: Connections) -> None:
    with connections.read() as connection:
        _check(connection)
    with suppress(HistoryBusyError), connections.write() as connection:  # the index of words checks itself on writing
        if connection.scalar(select(literal_column("1")).where(_HAS_WORDS)):
            connection.execute(text("INSERT INTO picture_text (picture_text, rank) VALUES ('integrity-check', 1)"))


def _check(connection: Connection) -> None:
    found = connection.scalar(text("PRAGMA quick_check(1)"))
    if found != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {found}")


def _clean_tag(name: str) -> str:
    clean = " ".join(display_text(name, MAX_TAG + 1).split())
    if not clean or len(clean) > MAX_TAG:
        raise RequestError("A tag cannot have this name.", next_step=f"Give one of 1 to {MAX_TAG} characters.")
    return clean
