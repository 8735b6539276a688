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
from sdxl_desktop.core.request import MAX_SEED
from sdxl_desktop.core.untrusted_text import replace_unencodable
from sdxl_desktop.history.entries import MAX_RATING, ListedSettings, NewPicture, Parent, ParentRole, PictureKind
from sdxl_desktop.history.file_identity import content_hash, stamp_of
from sdxl_desktop.history.notes import Note
from sdxl_desktop.history.pictures import kind_of, parents_of
from sdxl_desktop.history.queries import local_time
from sdxl_desktop.history.rows import IndexedFile
from sdxl_desktop.imaging.decoding import MAX_PIXELS
from sdxl_desktop.imaging.picture_formats import WRITTEN
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record
from sdxl_desktop.metadata.picture_records import AnyRecord, read_any_record

_MAX_PROMPT = 20_000
"""Maximum characters of a prompt, and of a title, that are taken over from another program's record."""


class ReadPicture(NamedTuple):
    """A picture file with what is known of it."""

    new: NewPicture
    file: IndexedFile
    note: Note | None


def indexed_file(file: Path) -> IndexedFile:
    """Return the present state of a picture file. Raises OSError."""
    stamp = stamp_of(file.stat())
    return IndexedFile(stamp, content_hash(file), isinstance(_record_in(file), PictureRecord))


def read_picture(file: Path, notes: dict[str, Note]) -> ReadPicture | None:
    """Return the picture in `file` for the history; None if nothing is known of how it was made: it has neither a
    record, ours or another program's, nor a note, or is no picture. Raises OSError if it cannot be read."""
    stamp = stamp_of(file.stat())
    found = _record_in(file)
    if found is None and not notes:
        return None
    content = content_hash(file)
    note = notes.get(content)
    if found is None and note is None:
        return None
    size = picture_size(file)
    if size is None:
        return None
    own = found if isinstance(found, PictureRecord) else None
    known = _decoded(note.record) if own is None and note is not None else own
    foreign = found if isinstance(found, ForeignRecord) and known is None else None
    new = NewPicture(
        file=file,
        size=size,
        kind=_kind(note, known or foreign),
        record=known,
        other_record=None if foreign is None else _listed(foreign),
        checkpoint_title=(note.checkpoint_title if note is not None else "") or _checkpoint_of(foreign),
        created=local_time(note.created) if note is not None and note.created else _time(stamp.mtime),
        timings=_timings(note),
        devices=_devices(note),
        parents=_parents(note, known),
        pixels_digest=note.pixels_digest if note is not None and note.pixels_digest else pixels_digest(file),
        latents_digest=note.latents_digest if note is not None else "",
    )
    return ReadPicture(new, IndexedFile(stamp, content, own is not None), note)


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


def _record_in(file: Path) -> AnyRecord | None:
    try:
        return read_any_record(file)
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


def _kind(note: Note | None, record: AnyRecord | None) -> PictureKind:
    with suppress(ValueError):
        if note is not None:
            return PictureKind(note.kind)
    if isinstance(record, PictureRecord):
        return kind_of(record.request)
    return PictureKind.OTHER if record is None else _kind_of_foreign(record)


def _kind_of_foreign(record: ForeignRecord) -> PictureKind:
    """Return what kind of picture another program made, as far as it recorded that."""
    if record.strength is not None:
        return PictureKind.IMAGE_TO_IMAGE
    if record.refiner is not None:
        return PictureKind.REFINED
    return PictureKind.OTHER if record.prompt is None else PictureKind.TEXT_TO_IMAGE


def _listed(record: ForeignRecord) -> ListedSettings:
    seed = record.seed if record.seed is not None and 0 <= record.seed <= MAX_SEED else 0
    return ListedSettings(
        prompt=_clean(record.prompt or ""), negative_prompt=_clean(record.negative_prompt or ""), seed=seed
    )


def _checkpoint_of(record: ForeignRecord | None) -> str:
    if record is None or record.checkpoint is None:
        return ""
    return _clean(record.checkpoint.name or str(record.checkpoint))


def _clean(text: str) -> str:
    return replace_unencodable(text[:_MAX_PROMPT]).replace("\0", "\ufffd")


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
