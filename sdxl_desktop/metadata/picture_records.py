"""Reads how a picture was made, whichever program made it."""

from __future__ import annotations

from pathlib import Path

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.core.errors import describe_error
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.metadata.foreign.reading import UnreadableRecordError, read_foreign_record
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.picture_files import PictureRecord, record_in, unusable_record_error
from sdxl_desktop.metadata.picture_texts import read_picture_texts

AnyRecord = PictureRecord | ForeignRecord
_MAX_ORIGIN = 500


def read_any_record(path: Path) -> AnyRecord | None:
    """Return the record in the picture at `path`, ours before another program's; None if there is none.

    Raises PictureError for a record that is recognised and unusable, OSError if the file cannot be read. The pixels are
    not decoded.
    """
    found = read_picture_texts(path)
    own = record_in(path, found)
    if own is not None:
        return own
    try:
        return read_foreign_record(found)
    except UnreadableRecordError as problem:
        raise unusable_record_error(path, str(problem)) from problem
    except Exception as problem:  # untrusted file: whatever is odd in it concerns this record only
        raise unusable_record_error(path, describe_error(problem)) from problem


def describe_origin(record: AnyRecord) -> str:
    """Return on one line, for the record of a picture that is made from this one, how this one was made."""
    if isinstance(record, PictureRecord):
        request = record.request
        program, seed, prompt = f"SDXL Desktop {record.version}", str(record.seed), request.prompts.prompt
        checkpoint = file_name_only(request.checkpoint).name
    else:
        program, seed, prompt = record.title, "" if record.seed is None else str(record.seed), record.prompt or ""
        checkpoint = "" if record.checkpoint is None else str(record.checkpoint)
    parts = (program, seed and f"seed {seed}", checkpoint, prompt)
    return display_text("; ".join(part for part in parts if part), _MAX_ORIGIN)
