"""The tables of the present schema. `migrations` makes them and brings older databases to them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

REVISION = "0001"
"""The revision of these tables; the newest of `migrations`."""
REVISIONS = frozenset({"0001"})
"""Every revision that this version can open."""

metadata = MetaData()

picture = Table(
    "picture",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file", Text, nullable=False),  # core.path_text
    Column("day", Text, nullable=False),  # ISO, in the local time of its creation
    Column("created", Integer, nullable=False),  # microseconds since 1970, UTC
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("negative_prompt", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("checkpoint_title", Text, nullable=False),
    Column("checkpoint_id", Text, nullable=False),
    Column("rating", Integer, nullable=False, server_default=text("0")),
    Column("starred", Boolean, nullable=False, server_default=text("0")),
    Column("has_mask", Boolean, nullable=False, server_default=text("0")),
    Column("missing", Boolean, nullable=False, server_default=text("0")),
    Column("forgotten", Integer),  # microseconds since 1970: when it was deleted; NULL: it is in the history
    Column("file_bytes", Integer, nullable=False),
    Column("file_mtime", Integer, nullable=False),  # nanoseconds
    Column("file_inode", Text, nullable=False),
    Column("content", Text, nullable=False),  # SHA-256 of the file
    sqlite_autoincrement=True,  # an ID is never used again
)
Index("picture_file", picture.c.file, unique=True, sqlite_where=picture.c.forgotten.is_(None))
Index("picture_newest", picture.c.forgotten, picture.c.day, picture.c.created, picture.c.id)
Index("picture_content", picture.c.content)

details = Table(
    "details",
    metadata,
    Column("picture_id", Integer, ForeignKey("picture.id", ondelete="CASCADE"), primary_key=True),
    Column("record", Text),  # JSON of metadata.picture_files.PictureRecord
    Column("record_in_file", Boolean, nullable=False),
    Column("version", Text, nullable=False),
    Column("timings", Text),  # JSON of core.events.Timings
    Column("devices", Text, nullable=False),  # JSON: part to device
    Column("pixels_digest", Text, nullable=False),
    Column("latents_digest", Text, nullable=False),
)
Index("details_pixels", details.c.pixels_digest)
Index("details_latents", details.c.latents_digest)

parent = Table(
    "parent",
    metadata,
    Column("picture_id", Integer, ForeignKey("picture.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

tag = Table(
    "tag",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text(collation="NOCASE"), nullable=False, unique=True),
)

picture_tag = Table(
    "picture_tag",
    metadata,
    Column("picture_id", Integer, ForeignKey("picture.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", Integer, ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True),
)
Index("picture_tag_tag", picture_tag.c.tag_id)

other_file = Table(  # files in the pictures folder without any record, so that they are not read at every start
    "other_file",
    metadata,
    Column("file", Text, primary_key=True),
    Column("file_bytes", Integer, nullable=False),
    Column("file_mtime", Integer, nullable=False),
)
