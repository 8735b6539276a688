"""The reading half of the history: entries by filter, details, and what to filter by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, literal_column, select

from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.path_text import path_to_text
from sdxl_desktop.history.connections import Connections
from sdxl_desktop.history.entries import (
    CheckpointCount,
    DayCount,
    HistoryDetails,
    HistoryEntry,
    HistoryFilter,
    Parent,
    ParentRole,
    TagCount,
)
from sdxl_desktop.history.queries import NEWEST_FIRST, batches, conditions, count_rows, entries_of, entry_rows
from sdxl_desktop.history.schema import details, parent, picture, picture_tag, tag
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record

ALL = HistoryFilter()


class HistoryReader:
    """Reads the history, from any thread, beside writers. All methods raise HistoryError if the database fails."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

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
            return tuple(connection.scalars(query).all())

    def entries(self, ids: Sequence[int]) -> tuple[HistoryEntry, ...]:
        """Return the entries with these IDs, in their order, without those that do not exist (any more)."""
        found: dict[int, HistoryEntry] = {}
        with self._connections.read() as connection:
            for some in batches(list(ids)):
                rows = connection.execute(entry_rows().where(picture.c.forgotten.is_(None), picture.c.id.in_(some)))
                found.update((entry.id, entry) for entry in entries_of(connection, rows))
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
        return next(iter(self.details_of([entry])), None)

    def details_of(self, ids: Sequence[int]) -> Iterator[HistoryDetails]:
        """Yield everything about these entries, in their order, without those that do not exist (any more)."""
        for some in batches(list(ids)):
            with self._connections.read() as connection:
                found = _details(connection, some)
            yield from (found[each] for each in some if each in found)

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


def _details(connection: Connection, ids: list[int]) -> dict[int, HistoryDetails]:
    rows = connection.execute(entry_rows().where(picture.c.forgotten.is_(None), picture.c.id.in_(ids)))
    entries = {entry.id: entry for entry in entries_of(connection, rows)}
    query = select(details, picture.c.file_bytes).join(picture).where(details.c.picture_id.in_(list(entries)))
    parents = _parents(connection, list(entries))
    return {
        row.picture_id: HistoryDetails(
            entry=entries[row.picture_id],
            record=_decoded(row.record),
            timings=None if row.timings is None else msgspec.json.decode(row.timings, type=Timings),
            devices=msgspec.json.decode(row.devices, type=dict[str, str]),
            version=row.version,
            parents=tuple(parents.get(row.picture_id, ())),
            file_bytes=row.file_bytes,
        )
        for row in connection.execute(query)
    }


def _parents(connection: Connection, ids: list[int]) -> dict[int, list[Parent]]:
    found: dict[int, list[Parent]] = {}
    roles = set(ParentRole)
    for row in connection.execute(select(parent).where(parent.c.picture_id.in_(ids)).order_by(parent.c.role)):
        if row.role in roles:
            entry = _entry_with_content(connection, row)
            found.setdefault(row.picture_id, []).append(Parent(ParentRole(row.role), row.digest, row.name, entry))
    return found


def _entry_with_content(connection: Connection, row: Row[*tuple[Any, ...]]) -> int | None:
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
