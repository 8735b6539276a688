"""The statements that change the history's rows, each within the caller's transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.untrusted_text import replace_unencodable
from sdxl_desktop.history.entries import NewPicture, Parent
from sdxl_desktop.history.file_identity import FileStamp
from sdxl_desktop.history.queries import batches, microseconds_of
from sdxl_desktop.history.schema import details, parent, picture, picture_tag, tag
from sdxl_desktop.metadata.picture_files import encode_record


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """The file of a picture as it was when it was indexed. `record_in_file`: the file itself holds the record."""

    stamp: FileStamp
    content: str
    record_in_file: bool


def insert_picture(connection: Connection, new: NewPicture, file: IndexedFile, created: datetime) -> int:
    """Insert `new` with its details and parents; return its ID."""
    adding = insert(picture).values(_picture_values(new, file, created)).returning(picture.c.id)
    entry = int(connection.execute(adding).scalar_one())
    connection.execute(insert(details).values(picture_id=entry, **_details_values(new, file)))
    insert_parents(connection, entry, new.parents)
    return entry


def update_picture(connection: Connection, entry: int, new: NewPicture, file: IndexedFile) -> None:
    """Complete an entry of the same picture by what `new` knows; its time and marks stay."""
    values = _picture_values(new, file, datetime.now())
    for kept in ("day", "created"):
        del values[kept]
    connection.execute(update(picture).where(picture.c.id == entry).values(**values, missing=False))
    about = {key: value for key, value in _details_values(new, file).items() if value not in ("", "{}", None)}
    connection.execute(update(details).where(details.c.picture_id == entry).values(about))
    insert_parents(connection, entry, new.parents)


def insert_parents(connection: Connection, entry: int, parents: Sequence[Parent]) -> None:
    """Add the parents that the entry does not have yet."""
    for each in parents:
        connection.execute(
            sqlite_insert(parent)
            .values(picture_id=entry, role=each.role.value, digest=each.digest, name=replace_unencodable(each.name))
            .on_conflict_do_nothing()
        )


def _picture_values(new: NewPicture, file: IndexedFile, created: datetime) -> dict[str, Any]:
    record, listed = new.record, new.listed
    edit = None if record is None else record.request.edit
    return {
        "file": path_to_text(new.file),
        "day": created.astimezone().date().isoformat(),
        "created": microseconds_of(created),
        "width": new.size.width,
        "height": new.size.height,
        "kind": new.kind.value,
        "prompt": replace_unencodable(listed.prompt),
        "negative_prompt": replace_unencodable(listed.negative_prompt),
        "seed": listed.seed,
        "checkpoint_title": replace_unencodable(
            new.checkpoint_title or ("" if record is None else record.request.checkpoint.name)
        ),
        "checkpoint_id": "" if record is None else replace_unencodable(record.checkpoint_id),
        "has_mask": edit is not None and edit.mask is not None,
        "file_bytes": file.stamp.bytes,
        "file_mtime": file.stamp.mtime,
        "file_inode": file.stamp.inode,
        "content": file.content,
    }


def _details_values(new: NewPicture, file: IndexedFile) -> dict[str, Any]:
    return {
        "record": None if new.record is None else encode_record(new.record),
        "record_in_file": file.record_in_file,
        "version": "" if new.record is None else replace_unencodable(new.record.version),
        "timings": None if new.timings is None else msgspec.json.encode(new.timings).decode(),
        "devices": msgspec.json.encode(dict(new.devices)).decode(),
        "pixels_digest": new.pixels_digest,
        "latents_digest": new.latents_digest,
    }


def set_values(connection: Connection, ids: Sequence[int], **values: object) -> tuple[int, ...]:
    """Set columns of the entries `ids` and return the IDs of those that exist."""
    there = existing(connection, ids)
    for some in batches(there):
        connection.execute(update(picture).where(picture.c.id.in_(some)).values(**values))
    return tuple(there)


def existing(connection: Connection, ids: Iterable[int]) -> list[int]:
    """Return those of `ids` that are entries, also forgotten ones."""
    there: list[int] = []
    for some in batches(list(dict.fromkeys(ids))):
        there += connection.scalars(select(picture.c.id).where(picture.c.id.in_(some)))
    return there


def set_run(connection: Connection, entry: int, timings: Timings, devices: Mapping[str, str]) -> None:
    """Set the timings and devices of an entry."""
    values = {"timings": msgspec.json.encode(timings).decode(), "devices": msgspec.json.encode(dict(devices)).decode()}
    connection.execute(update(details).where(details.c.picture_id == entry).values(**values))


def restore_entry(connection: Connection, entry: int, file: Path | None) -> bool:
    """Take back a forgotten entry, with another `file` if given; return whether it could be."""
    query = select(picture.c.file).where(picture.c.id == entry, picture.c.forgotten.is_not(None))
    name = connection.scalar(query)
    if name is None:
        return False
    name = name if file is None else path_to_text(file)
    if connection.scalar(select(picture.c.id).where(picture.c.file == name, picture.c.forgotten.is_(None))) is not None:
        return False
    set_values(connection, [entry], forgotten=None, file=name, missing=not os.path.exists(text_to_path(name)))
    return True


def add_tag(connection: Connection, ids: Sequence[int], name: str) -> None:
    """Tag the entries `ids`, which exist."""
    connection.execute(sqlite_insert(tag).values(name=name).on_conflict_do_nothing())
    number = connection.scalar(select(tag.c.id).where(tag.c.name == name))
    for entry in ids:
        connection.execute(sqlite_insert(picture_tag).values(picture_id=entry, tag_id=number).on_conflict_do_nothing())


def remove_tag(connection: Connection, ids: Sequence[int], name: str) -> None:
    """Remove the tag from the entries `ids`; a tag that no entry has is removed."""
    number = connection.scalar(select(tag.c.id).where(tag.c.name == name))
    for some in batches(list(ids)):
        connection.execute(
            delete(picture_tag).where(picture_tag.c.tag_id == number, picture_tag.c.picture_id.in_(some))
        )
    remove_unused_tags(connection)


def remove_unused_tags(connection: Connection) -> None:
    """Remove the tags that no entry has."""
    connection.execute(delete(tag).where(tag.c.id.not_in(select(picture_tag.c.tag_id))))


def remove_entries(connection: Connection, ids: Sequence[int]) -> None:
    """Remove the rows of `ids` with everything that belongs to them. Their files stay."""
    for some in batches(list(ids)):
        connection.execute(delete(picture).where(picture.c.id.in_(some)))
    remove_unused_tags(connection)


def update_file(
    connection: Connection, entry: int, file: Path, stamp: FileStamp, *, content: str | None = None
) -> None:
    """Set where the picture of an entry is now, which is there, and its content if that changed."""
    values: dict[str, Any] = {
        "file": path_to_text(file),
        "file_bytes": stamp.bytes,
        "file_mtime": stamp.mtime,
        "file_inode": stamp.inode,
        "missing": False,
    }
    if content is not None:
        values["content"] = content
    connection.execute(update(picture).where(picture.c.id == entry).values(**values))


def set_pixels(connection: Connection, entry: int, size: Size, digest: str) -> None:
    """Set the size and the digest of an entry's pixels, which were edited."""
    connection.execute(update(picture).where(picture.c.id == entry).values(width=size.width, height=size.height))
    connection.execute(update(details).where(details.c.picture_id == entry).values(pixels_digest=digest))


def is_same_drawing(connection: Connection, entry: int, new: NewPicture) -> bool:
    """Whether the entry is of the same drawing as `new`: a result may be blended again in its file."""
    known = connection.execute(select(picture.c.seed, picture.c.prompt).where(picture.c.id == entry)).one()
    if new.record is None and new.other_record is None:
        return False
    return tuple(known) == (new.listed.seed, replace_unencodable(new.listed.prompt))


def has_record(connection: Connection, entry: int) -> bool:
    """Whether a record of ours is known of the entry."""
    query = select(details.c.picture_id).where(details.c.picture_id == entry, details.c.record.is_not(None))
    return connection.scalar(query) is not None
