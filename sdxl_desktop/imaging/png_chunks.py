"""Separates the chunks of a PNG file by how necessary they are, without decompressing any."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_REQUIRED_ANCILLARY = (b"tRNS",)
"""In addition to the critical chunks, whose names begin with a capital letter."""


def without_ancillary_chunks(data: bytes) -> bytes | None:
    """Return the PNG with only the chunks for pixels and transparency; None if it is not a PNG or has no others."""
    if not data.startswith(_SIGNATURE):
        return None
    kept = [chunk for kind, chunk in _chunks(data) if kind[:1].isupper() or kind in _REQUIRED_ANCILLARY]
    needed = _SIGNATURE + b"".join(kept)
    return None if len(needed) == len(data) else needed


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (the type, the whole chunk), up to the end or to the first malformed chunk."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at : at + 12 + length]
        at += 12 + length
