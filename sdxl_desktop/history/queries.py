"""The statements that read the history: conditions for a filter, and rows to entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, column, func, literal_column, select, table, text
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.path_text import text_to_path
from sdxl_desktop.core.untrusted_text import replace_unencodable
from sdxl_desktop.history.entries import EntryState, HistoryEntry, HistoryFilter, PictureKind
from sdxl_desktop.history.schema import picture, picture_tag, tag
from sdxl_desktop.history.search_text import like_pattern, parse_search

NEWEST_FIRST = (picture.c.day.desc(), picture.c.created.desc(), picture.c.id.desc())
"""By the day first, so that the pictures of a day stay together for a traveller between time zones."""
_picture_text = table("picture_text", column("rowid"))

_ENTRY_COLUMNS = (
    picture.c.id,
    picture.c.file,
    picture.c.created,
    picture.c.width,
    picture.c.height,
    picture.c.kind,
    picture.c.prompt,
    picture.c.negative_prompt,
    picture.c.seed,
    picture.c.checkpoint_title,
    picture.c.checkpoint_id,
    picture.c.rating,
    picture.c.starred,
    picture.c.has_mask,
    picture.c.missing,
)


def entry_rows() -> Select[Any]:
    """Return the statement that selects the columns of `entries_of`."""
    return select(*_ENTRY_COLUMNS)


def conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of the entries that `wanted` describes, to be joined by AND."""
    found: list[ColumnElement[bool]] = [picture.c.forgotten.is_(None)]
    found += _text_conditions(wanted.text, picture.c.prompt)
    found += _text_conditions(wanted.negative_text, picture.c.negative_prompt)
    if wanted.checkpoint:
        name = replace_unencodable(wanted.checkpoint)
        found.append((picture.c.checkpoint_title == name) | (picture.c.checkpoint_id == name))
    if wanted.kinds:
        found.append(picture.c.kind.in_([each.value for each in wanted.kinds]))
    if wanted.min_size is not None:
        found += [picture.c.width >= wanted.min_size.width, picture.c.height >= wanted.min_size.height]
    if wanted.max_size is not None:
        found += [picture.c.width <= wanted.max_size.width, picture.c.height <= wanted.max_size.height]
    if wanted.created_from is not None:
        found.append(picture.c.day >= wanted.created_from.isoformat())
    if wanted.created_to is not None:
        found.append(picture.c.day <= wanted.created_to.isoformat())
    if wanted.min_rating:
        found.append(picture.c.rating >= wanted.min_rating)
    for condition, where in ((wanted.starred, picture.c.starred), (wanted.has_mask, picture.c.has_mask)):
        if condition is not None:
            found.append(where.is_(condition))
    if wanted.tag:
        tagged = select(picture_tag.c.picture_id).join(tag).where(tag.c.name == replace_unencodable(wanted.tag))
        found.append(picture.c.id.in_(tagged))
    if wanted.state is not None:
        found.append(picture.c.missing.is_(wanted.state is EntryState.MISSING))
    return found


def _text_conditions(words: str, where: ColumnElement[str]) -> list[ColumnElement[bool]]:
    search = parse_search(words, str(where.key))
    found: list[ColumnElement[bool]] = []
    if search.match:
        matching = select(_picture_text.c.rowid).where(
            text("picture_text MATCH :match_" + str(where.key)).bindparams(**{f"match_{where.key}": search.match})
        )
        found.append(picture.c.id.in_(matching))
    found += [where.like(like_pattern(each), escape="\\") for each in search.contained]
    return found


def count_rows(wanted: HistoryFilter) -> Select[Any]:
    """Return the statement that counts the entries."""
    return select(func.count(literal_column("*"))).select_from(picture).where(*conditions(wanted))


def entries_of(connection: Connection, rows: Iterable[Row[*tuple[Any, ...]]]) -> tuple[HistoryEntry, ...]:
    """Return the entries of `rows` of `entry_rows`, with their tags."""
    rows = list(rows)
    tags = tags_of(connection, [row.id for row in rows])
    return tuple(_entry(row, tags.get(row.id, ())) for row in rows)


def tags_of(connection: Connection, ids: list[int]) -> dict[int, tuple[str, ...]]:
    """Return the sorted tags of those entries that have some."""
    found: dict[int, list[str]] = {}
    for some in batches(ids):
        rows = connection.execute(
            select(picture_tag.c.picture_id, tag.c.name)
            .join(tag)
            .where(picture_tag.c.picture_id.in_(some))
            .order_by(tag.c.name)
        )
        for owner, name in rows:
            found.setdefault(owner, []).append(name)
    return {owner: tuple(names) for owner, names in found.items()}


def batches(ids: list[int], size: int = 500) -> Iterable[list[int]]:
    """Yield `ids` in parts that a statement can take as parameters."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _entry(row: Row[*tuple[Any, ...]], tags: tuple[str, ...]) -> HistoryEntry:
    return HistoryEntry(
        id=row.id,
        file=text_to_path(row.file),
        created=local_time(row.created),
        size=Size(row.width, row.height),
        kind=_kind(row.kind),
        prompt=row.prompt,
        negative_prompt=row.negative_prompt,
        seed=row.seed,
        checkpoint_title=row.checkpoint_title,
        checkpoint_id=row.checkpoint_id,
        rating=row.rating,
        starred=row.starred,
        has_mask=row.has_mask,
        tags=tags,
        state=EntryState.MISSING if row.missing else EntryState.PRESENT,
    )


def _kind(value: str) -> PictureKind:
    try:
        return PictureKind(value)
    except ValueError:  # a kind of a later version of the same schema
        return PictureKind.OTHER


def local_time(microseconds: int) -> datetime:
    """Return the local time, with its offset, of `microseconds` since 1970."""
    return (
        datetime.fromtimestamp(microseconds // 1_000_000, UTC)
        .replace(microsecond=microseconds % 1_000_000)
        .astimezone()
    )


def microseconds_of(time: datetime) -> int:
    """Return the microseconds since 1970; a `time` without an offset is local."""
    whole = time.astimezone(UTC).replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + time.microsecond
