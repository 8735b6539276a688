"""`History`: the facade of the history, for any thread. The window uses it through `bridge.history_thread`."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock
from filelock import Timeout as LockTimeout
from sqlalchemy import Connection, Row, func, literal_column, select

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.path_text import path_to_text
from sdxl_desktop.core.private_files import create_private, make_private_folder
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.history.connections import BUSY_TIMEOUT_S, Connections
from sdxl_desktop.history.entries import (
    MAX_RATING,
    MAX_TAG,
    ChangeKind,
    CheckpointCount,
    DayCount,
    HistoryChange,
    HistoryDetails,
    HistoryEntry,
    HistoryFilter,
    NewPicture,
    Parent,
    ParentRole,
    TagCount,
)
from sdxl_desktop.history.errors import HistoryBusyError, history_errors, is_damage
from sdxl_desktop.history.file_identity import content_hash, stamp_of
from sdxl_desktop.history.migration import found_revision, set_aside, upgrade
from sdxl_desktop.history.queries import NEWEST_FIRST, conditions, count_rows, entries_of, entry_rows, microseconds_of
from sdxl_desktop.history.rows import (
    IndexedFile,
    add_tag,
    insert_picture,
    remove_entries,
    remove_tag,
    set_values,
    update_picture,
)
from sdxl_desktop.history.schema import details, parent, picture, picture_tag, tag
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record, read_record

Subscriber = Callable[[HistoryChange], object]
ALL = HistoryFilter()


class History:
    """The index of the finished pictures in one database. Every method may be called from any thread; reading works
    beside writing, and beside other processes. All methods raise HistoryError if the database fails."""

    def __init__(self, file: Path, connections: Connections, *, damaged: Path | None = None) -> None:
        self.file = file
        self.damaged = damaged
        """The damaged database that was set aside by `open`, if any; `rebuild` restores what it indexed."""
        self._connections = connections
        self._subscribers: list[Subscriber] = []
        self._subscribing = threading.Lock()

    @classmethod
    def open(cls, database: Path) -> History:
        """Open the database, which is created if missing, migrated if older, and set aside if damaged.

        Raises HistoryNewerError for one of a newer version, which is not touched, and HistoryError if it cannot be
        opened or written to.
        """
        with history_errors(database):
            make_private_folder(database.parent)
            try:
                with FileLock(f"{database}.lock", timeout=BUSY_TIMEOUT_S, mode=0o600):
                    return cls._open_locked(database)
            except LockTimeout as problem:
                raise HistoryBusyError(
                    "The history could not be opened.",
                    why="Another program is opening it.",
                    next_step="Try again in a moment.",
                ) from problem

    @classmethod
    def _open_locked(cls, database: Path) -> History:
        try:
            return cls(database, _connect(database))
        except Exception as problem:
            cause = problem if isinstance(problem, sqlite3.Error) else problem.__cause__
            if cause is None or not is_damage(cause):
                raise
        damaged = set_aside(database)
        return cls(database, _connect(database), damaged=damaged)

    def close(self) -> None:
        """Close the database. Safe to call twice."""
        self._connections.close()

    # reading

    def count(self, wanted: HistoryFilter = ALL) -> int:
        """Return the number of entries."""
        with self._connections.read() as connection:
            return int(connection.scalar(count_rows(wanted)) or 0)

    def page(self, wanted: HistoryFilter = ALL, offset: int = 0, limit: int = 100) -> tuple[HistoryEntry, ...]:
        """Return entries, newest first, from `offset` on, at most `limit`."""
        query = entry_rows().where(*conditions(wanted)).order_by(*NEWEST_FIRST).limit(limit).offset(offset)
        with self._connections.read() as connection:
            return entries_of(connection, connection.execute(query))

    def ids(self, wanted: HistoryFilter = ALL) -> tuple[int, ...]:
        """Return the IDs of all entries, newest first, in the order of `page`."""
        query = select(picture.c.id).where(*conditions(wanted)).order_by(*NEWEST_FIRST)
        with self._connections.read() as connection:
            return tuple(connection.scalars(query))

    def entries(self, ids: Sequence[int]) -> tuple[HistoryEntry, ...]:
        """Return the entries with these IDs, in their order, without those that do not exist (any more)."""
        with self._connections.read() as connection:
            rows = connection.execute(entry_rows().where(picture.c.forgotten.is_(None), picture.c.id.in_(list(ids))))
            found = {entry.id: entry for entry in entries_of(connection, rows)}
        return tuple(found[each] for each in ids if each in found)

    def entry_of_file(self, file: Path) -> HistoryEntry | None:
        """Return the entry of a picture file."""
        with self._connections.read() as connection:
            rows = connection.execute(
                entry_rows().where(picture.c.forgotten.is_(None), picture.c.file == path_to_text(file))
            )
            return next(iter(entries_of(connection, rows)), None)

    def days(self, wanted: HistoryFilter = ALL) -> tuple[DayCount, ...]:
        """Return how many entries each day has, newest first; in sum the entries of `page`, in their order."""
        counted = func.count(literal_column("*"))
        query = select(picture.c.day, counted).where(*conditions(wanted)).group_by(picture.c.day)
        with self._connections.read() as connection:
            rows = connection.execute(query.order_by(picture.c.day.desc()))
            return tuple(DayCount(date.fromisoformat(day), number) for day, number in rows)

    def details(self, entry: int) -> HistoryDetails | None:
        """Return everything about an entry; None if there is none (any more)."""
        with self._connections.read() as connection:
            rows = connection.execute(entry_rows().where(picture.c.id == entry, picture.c.forgotten.is_(None)))
            found = next(iter(entries_of(connection, rows)), None)
            if found is None:
                return None
            about = connection.execute(select(details).where(details.c.picture_id == entry)).one()
            size = connection.scalar(select(picture.c.file_bytes).where(picture.c.id == entry)) or 0
            parents = _parents(connection, entry)
        return HistoryDetails(
            entry=found,
            record=_decoded(about.record),
            timings=None if about.timings is None else msgspec.json.decode(about.timings, type=Timings),
            devices=msgspec.json.decode(about.devices, type=dict[str, str]),
            version=about.version,
            parents=parents,
            file_bytes=size,
        )

    def children(self, entry: int) -> tuple[HistoryEntry, ...]:
        """Return the entries that were made from this one, newest first."""
        with self._connections.read() as connection:
            own = connection.execute(
                select(details.c.pixels_digest, details.c.latents_digest).where(details.c.picture_id == entry)
            ).one_or_none()
            digests = [] if own is None else [each for each in own if each]
            made = select(parent.c.picture_id).where(parent.c.digest.in_(digests))
            query = entry_rows().where(picture.c.forgotten.is_(None), picture.c.id.in_(made)).order_by(*NEWEST_FIRST)
            return entries_of(connection, connection.execute(query))

    def tags(self) -> tuple[TagCount, ...]:
        """Return the tags that entries have, sorted by name."""
        query = (
            select(tag.c.name, func.count(literal_column("*")))
            .join_from(tag, picture_tag)
            .join(picture)
            .where(picture.c.forgotten.is_(None))
            .group_by(tag.c.id)
            .order_by(tag.c.name)
        )
        with self._connections.read() as connection:
            return tuple(TagCount(name, number) for name, number in connection.execute(query))

    def checkpoints(self) -> tuple[CheckpointCount, ...]:
        """Return the checkpoints that entries were made by, the most used first."""
        counted = func.count(literal_column("*")).label("number")
        query = (
            select(picture.c.checkpoint_title, picture.c.checkpoint_id, counted)
            .where(picture.c.forgotten.is_(None), picture.c.checkpoint_title != "")
            .group_by(picture.c.checkpoint_title, picture.c.checkpoint_id)
            .order_by(counted.desc(), picture.c.checkpoint_title)
        )
        with self._connections.read() as connection:
            return tuple(CheckpointCount(*row) for row in connection.execute(query))

    # writing

    def add(self, new: NewPicture) -> int:
        """Index a finished picture, whose file is written, and return the ID of its entry.

        A file that is indexed already keeps its entry if its content is the same; else a new entry replaces it.
        """
        with history_errors(self.file):
            indexed = indexed_file(new.file)
            created = new.created or datetime.fromtimestamp(indexed.stamp.mtime / 1e9, UTC)
        with self._connections.write() as connection:
            known = connection.execute(
                select(picture.c.id, picture.c.content).where(
                    picture.c.forgotten.is_(None), picture.c.file == path_to_text(new.file)
                )
            ).one_or_none()
            if known is not None and known.content == indexed.content:
                update_picture(connection, known.id, new, indexed)
                change = HistoryChange(ChangeKind.CHANGED, (known.id,))
            else:
                if known is not None:
                    remove_entries(connection, [known.id])
                change = HistoryChange(ChangeKind.ADDED, (insert_picture(connection, new, indexed, created),))
        if known is not None and change.kind is ChangeKind.ADDED:
            self._tell(HistoryChange(ChangeKind.REMOVED, (known.id,)))
        self._tell(change)
        return change.ids[0]

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
        with self._connections.write() as connection:
            changed = set_values(connection, tuple(ids), forgotten=picture.c.forgotten)
            add_tag(connection, changed, clean)
        self._tell(HistoryChange(ChangeKind.CHANGED, changed))

    def remove_tag(self, ids: Iterable[int], name: str) -> None:
        """Remove a tag from entries."""
        changed = tuple(ids)
        with self._connections.write() as connection:
            remove_tag(connection, changed, " ".join(replace_unencodable(name).split()))
        self._tell(HistoryChange(ChangeKind.CHANGED, changed))

    def forget(self, ids: Iterable[int]) -> None:
        """Remove entries from the history; `restore` undoes it. Their files stay: whoever deletes them does so before,
        so that a crash between leaves entries that are missing, not files that come back."""
        self._set(ids, ChangeKind.REMOVED, forgotten=microseconds_of(datetime.now(UTC)))

    def restore(self, ids: Iterable[int]) -> None:
        """Undo `forget`, with ratings, stars and tags. Entries whose file name another picture has now stay away."""
        restored: list[int] = []
        with self._connections.write() as connection:
            for entry in ids:
                name = connection.scalar(
                    select(picture.c.file).where(picture.c.id == entry, picture.c.forgotten.is_not(None))
                )
                taken = select(picture.c.id).where(picture.c.file == name, picture.c.forgotten.is_(None))
                if name is not None and connection.scalar(taken) is None:
                    set_values(connection, (entry,), forgotten=None)
                    restored.append(entry)
        self._tell(HistoryChange(ChangeKind.ADDED, tuple(restored)))

    def _set(self, ids: Iterable[int], kind: ChangeKind = ChangeKind.CHANGED, **values: object) -> None:
        with self._connections.write() as connection:
            changed = set_values(connection, tuple(ids), **values)
        self._tell(HistoryChange(kind, changed))

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
            told = tuple(self._subscribers)
        for each in told:
            each(change)


def _connect(database: Path) -> Connections:
    """Return the connections to the database at the present schema."""
    revision = found_revision(database)
    if not database.exists():
        create_private(database)
    connections = Connections(database)
    try:
        with connections.write() as connection:
            upgrade(connection, revision)
    except BaseException:
        connections.close()
        raise
    return connections


def indexed_file(file: Path) -> IndexedFile:
    """Return the present state of a picture file. Raises OSError."""
    stamp = stamp_of(file.stat())
    try:
        has_record = read_record(file) is not None
    except Exception:  # a record that cannot be read is none
        has_record = False
    return IndexedFile(stamp, content_hash(file), has_record)


def _parents(connection: Connection, entry: int) -> tuple[Parent, ...]:
    rows = connection.execute(select(parent).where(parent.c.picture_id == entry).order_by(parent.c.role)).all()
    return tuple(
        Parent(ParentRole(row.role), row.digest, row.name, _entry_with_content(connection, row))
        for row in rows
        if row.role in set(ParentRole)
    )


def _entry_with_content(connection: Connection, row: Row[Any]) -> int | None:
    """Return the newest entry whose content is that of a parent."""
    where = details.c.latents_digest if row.role == ParentRole.LATENTS else details.c.pixels_digest
    query = (
        select(picture.c.id)
        .join(details)
        .where(where == row.digest, picture.c.forgotten.is_(None))
        .order_by(*NEWEST_FIRST)
        .limit(1)
    )
    return connection.scalar(query)


def _decoded(record: str | None) -> PictureRecord | None:
    if record is None:
        return None
    try:
        return decode_record(record)
    except Exception:  # a record of another version, or a damaged one
        return None


def _clean_tag(name: str) -> str:
    clean = " ".join(display_text(name, MAX_TAG + 1).split())
    if not clean or len(clean) > MAX_TAG:
        raise RequestError("A tag cannot have this name.", next_step=f"Give one of 1 to {MAX_TAG} characters.")
    return clean
