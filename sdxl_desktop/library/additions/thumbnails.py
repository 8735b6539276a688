"""Reads the thumbnail of an addition: the picture beside its file, else the one in its metadata."""

from __future__ import annotations

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_limited
from sdxl_desktop.formats.safetensors_header import HeaderError, read_header
from sdxl_desktop.imaging.decoding import decode_thumbnail
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.library.additions.training_metadata import thumbnail_bytes

_MAX_FILE_BYTES = 32 * 2**20


def read_thumbnail(entry: AdditionEntry, side: int) -> UInt8Array | None:
    """Return the thumbnail as uint8 [H, W, 3], at most `side` pixels wide and high; None if there is none that can be
    read. It is decoded as a picture of a known format and nothing else."""
    for content in (_beside(entry), _embedded(entry)):
        if content is not None:
            try:
                return decode_thumbnail(content, side)
            except PictureError:
                continue
    return None


def _beside(entry: AdditionEntry) -> bytes | None:
    try:
        return None if entry.thumbnail is None else read_limited(entry.thumbnail, _MAX_FILE_BYTES)
    except UntrustedFileError:
        return None


def _embedded(entry: AdditionEntry) -> bytes | None:
    if not entry.has_own_thumbnail:
        return None
    try:
        return thumbnail_bytes(read_header(entry.file).metadata)
    except HeaderError:
        return None
