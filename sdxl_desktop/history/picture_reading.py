"""Makes history entries from picture files, as far as the files and the notes tell."""

from __future__ import annotations

import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from PIL import Image

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.history.entries import MAX_RATING, NewPicture, Parent, ParentRole, PictureKind
from sdxl_desktop.history.file_identity import content_hash, stamp_of
from sdxl_desktop.history.notes import Note
from sdxl_desktop.history.pictures import kind_of, parents_of
from sdxl_desktop.history.queries import local_time
from sdxl_desktop.history.rows import IndexedFile
from sdxl_desktop.imaging.decoding import MAX_PIXELS
from sdxl_desktop.imaging.picture_formats import WRITTEN
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record, read_record


class ReadPicture(NamedTuple):
    """A picture file with what is known of it."""

    new: NewPicture
    file: IndexedFile
    note: Note | None


def indexed_file(file: Path) -> IndexedFile:
    """Return the present state of a picture file. Raises OSError."""
    stamp = stamp_of(file.stat())
    return IndexedFile(stamp, content_hash(file), _record_in(file) is not None)


def read_picture(file: Path, notes: dict[str, Note]) -> ReadPicture | None:
    """Return the picture in `file` for the history; None if it is none of ours: it has no record and no note, or is no
    picture. Raises OSError if it cannot be read."""
    stamp = stamp_of(file.stat())
    record = _record_in(file)
    if record is None and not notes:
        return None
    content = content_hash(file)
    note = notes.get(content)
    if record is None and note is None:
        return None
    size = picture_size(file)
    if size is None:
        return None
    known = _decoded(note.record) if record is None and note is not None else record
    new = NewPicture(
        file=file,
        size=size,
        kind=_kind(note, known),
        record=known,
        checkpoint_title=note.checkpoint_title if note is not None else "",
        created=local_time(note.created) if note is not None and note.created else _time(stamp.mtime),
        timings=_timings(note),
        devices=_devices(note),
        parents=_parents(note, known),
        pixels_digest=note.pixels_digest if note is not None and note.pixels_digest else pixels_digest(file),
        latents_digest=note.latents_digest if note is not None else "",
    )
    return ReadPicture(new, IndexedFile(stamp, content, record is not None), note)


def marks_of(read: ReadPicture) -> dict[str, object]:
    """Return the columns of an entry that its note sets: rating, star, and whether it was deleted. A file that is newer
    than the deletion was drawn again."""
    note = read.note
    if note is None:
        return {}
    deleted = note.forgotten is not None and note.forgotten * 1000 >= read.file.stamp.mtime
    return {
        "rating": min(max(note.rating, 0), MAX_RATING),
        "starred": note.starred,
        "forgotten": note.forgotten if deleted else None,
    }


def picture_size(file: Path) -> Size | None:
    """Return the size of the picture in `file`, of a format that the application writes; None if there is none. Only
    the header is read. Raises OSError if the file cannot be read."""
    with open_regular(file) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Exception), Image.open(opened, formats=[each.name for each in WRITTEN]) as image:
            return Size(*image.size)
    return None


def pixels_digest(file: Path) -> str:
    """Return the digest of the picture in `file` as the canvas would show it; "" if it cannot be decoded."""
    try:
        size = picture_size(file)
        if size is None or size.width * size.height > MAX_PIXELS:
            return ""
        return Raster.from_pixels(open_picture(file).pixels).digest
    except (SdxlDesktopError, OSError):
        return ""


def _record_in(file: Path) -> PictureRecord | None:
    try:
        return read_record(file)
    except OSError:
        raise
    except Exception:  # a record that cannot be read is none
        return None


def _decoded(record: str | None) -> PictureRecord | None:
    with suppress(Exception):
        return None if record is None else decode_record(record)
    return None


def _time(mtime: int) -> datetime:
    try:
        return local_time(max(0, mtime // 1000))
    except (OverflowError, ValueError, OSError):  # a file system's impossible time
        return datetime.now(UTC).astimezone()


def _kind(note: Note | None, record: PictureRecord | None) -> PictureKind:
    with suppress(ValueError):
        if note is not None:
            return PictureKind(note.kind)
    return PictureKind.OTHER if record is None else kind_of(record.request)


def _parents(note: Note | None, record: PictureRecord | None) -> tuple[Parent, ...]:
    found = () if record is None else parents_of(record.request)
    if note is not None:
        roles = set(ParentRole)
        found += tuple(Parent(ParentRole(role), digest, name) for role, digest, name in note.parents if role in roles)
    return found


def _timings(note: Note | None) -> Timings | None:
    with suppress(msgspec.MsgspecError):
        if note is not None and note.timings is not None:
            return msgspec.json.decode(note.timings, type=Timings)
    return None


def _devices(note: Note | None) -> dict[str, str]:
    with suppress(msgspec.MsgspecError):
        if note is not None:
            return msgspec.json.decode(note.devices, type=dict[str, str])
    return {}
