"""Files truncated at their very end: completes them and checks whether anything visible is missing.

Viewers show a JPEG without its end marker, and all of its pixels are there. The loss is measured by completing the file
in two different ways: pixels that differ depended on the missing data.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_PADDING = 64
"""Bytes that may be missing from a file of another kind than JPEG, whose pixels show the loss."""
_PNG_TAIL_BYTES = 2**16
"""Bytes at the end of a file that are searched for its end chunk: some programs append data after it."""
_END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_MARKER = re.compile(rb"\xff[\x02-\xcf\xda-\xfe]")
"""Markers that are followed by a length; the others are between or within the compressed pixels."""
_MAX_LOST_SHARE, _MAX_LOST_PIXELS = 0.02, 512
"""The tolerated loss: two hundredths of the picture or two blocks of 16 by 16 pixels, but never a quarter of it."""


def completed_variants(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the file completed in two ways; None if more is missing than its end."""
    noise = (
        np.random.default_rng(0).integers(0, 255, 4096, dtype=np.uint8).tobytes()
    )  # never 255, which begins a marker
    if not data.startswith(b"\xff\xd8\xff"):
        return data + bytes(_PADDING), data + noise[:_PADDING]
    if not _has_all_scans(data):
        return None
    whole = data.removesuffix(b"\xff")  # half of a marker
    return whole + _END_OF_IMAGE, whole + noise + _END_OF_IMAGE


def are_nearly_equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two completions, of one type, [H, W, C], show the same picture except for a few pixels at its end."""
    if one.shape != other.shape:
        return False
    pixels = one.shape[0] * one.shape[1]
    lost = int((one != other).any(axis=2).sum())
    return bool(lost <= max(pixels * _MAX_LOST_SHARE, min(_MAX_LOST_PIXELS, pixels // 4)))


def lacks_end_marker(data: bytes) -> bool:
    """Whether the end marker of a PNG or GIF is missing, although all of its pixels were read."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-_PNG_TAIL_BYTES:]
    return data.startswith(b"GIF8") and b";" not in data[-_PADDING:]


def _has_all_scans(data: bytes) -> bool:
    """Whether a JPEG's last scan has begun: without its later scans a picture is coarse, or grey."""
    components, finished, at = 0, set[tuple[int, bool]](), 2
    while (found := _MARKER.search(data, at)) is not None and found.end() + 2 <= len(data):
        (length,) = struct.unpack_from(">H", data, found.end())
        body = data[found.end() + 2 : found.end() + length]
        if data[found.end() - 1] in _FRAMES and len(body) > 5:
            components = body[5]
        elif data[found.end() - 1] == _START_OF_SCAN:
            finished |= _coefficients_finished_by(body)
        at = found.end() + length
    return components > 0 and len(finished) == 2 * components


def _coefficients_finished_by(scan: bytes) -> set[tuple[int, bool]]:
    """Return (component, whether AC coefficients) for everything whose last bit is in this scan."""
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return set()
    first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
    if bits & 15:
        return set()
    named = [scan[1 + 2 * each] for each in range(count)]
    return {(each, False) for each in named if first == 0} | {(each, True) for each in named if last == 63}
