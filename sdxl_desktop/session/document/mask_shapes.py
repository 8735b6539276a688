"""Filled outlines: the exact coverage of each pixel by a polygon, so that every edge is antialiased.

The rasteriser accumulates signed areas, as FreeType's smooth rasteriser and font-rs do (Levien, "Inside the fastest
font renderer in the world", 2016): each edge segment inside one pixel adds the area to its right to that pixel and its
height to all pixels further right, and a cumulative sum over each row yields the coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array

_BAND = 256
"""Rows filled at a time."""

Outline = npt.NDArray[np.float64]
"""Corners of a closed polygon, float64 [N, 2], (x, y) in pixels from the top left corner of the picture."""


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Outline:
    """Return the rectangle between two opposite corners."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def ellipse(x0: float, y0: float, x1: float, y1: float) -> Outline:
    """Return the ellipse inside the rectangle between two opposite corners, accurate to 0.02 pixels."""
    radius_x, radius_y = abs(x1 - x0) / 2, abs(y1 - y0) / 2
    largest = max(radius_x, radius_y, 1.0)
    count = max(16, math.ceil(math.pi / math.acos(1 - min(0.02 / largest, 1.0))))
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return np.stack(((x0 + x1) / 2 + radius_x * np.cos(angle), (y0 + y1) / 2 + radius_y * np.sin(angle)), axis=1)


def polygon(points: Iterable[tuple[float, float]]) -> Outline:
    """Return the closed polygon through `points`."""
    return np.array(list(points), dtype=np.float64).reshape(-1, 2)


def outline_coverage(outline: Outline, width: int, height: int) -> tuple[Rect, UInt8Array] | None:
    """Return the coverage by `outline` of a picture of `width` x `height`: a box and its uint8 [H, W], or None if
    empty.

    A pixel inside several loops of the outline is covered once.
    """
    if len(outline) < 3:
        return None
    low, high = np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(width, int(high[0])), min(height, int(high[1]))
    if right <= left or bottom <= top:
        return None
    box = Rect(left, top, right - left, bottom - top)
    # Parts left or right of the box are clamped to its border: they still count for the rows they cross.
    pieces = _in_single_pixels(*_cut_at_borders(outline - (left, top), box.width, box.height))
    return box, _fill(*pieces, box.width, box.height)


def _fill(start: Outline, end: Outline, width: int, height: int) -> UInt8Array:
    """Return the coverage, uint8 [H, W], of a box by outline segments that each lie in one pixel. Processed in bands,
    because the sums take twelve times the memory of the result."""
    rise = end[:, 1] - start[:, 1]
    middle = (start + end) / 2
    row = np.clip(np.floor(middle[:, 1]).astype(np.intp), 0, height - 1)
    column = np.clip(np.floor(middle[:, 0]).astype(np.intp), 0, width)
    right_share = 1.0 - (middle[:, 0] - column)  # area of the pixel right of the segment, per unit of rise
    filled = np.empty((height, width), np.uint8)
    stride = width + 2
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        here = (row >= top) & (row < top + rows)
        at = (row[here] - top) * stride + column[here]
        areas = np.bincount(at, rise[here] * right_share[here], stride * rows)
        areas += np.bincount(at + 1, rise[here] * (1.0 - right_share[here]), stride * rows)
        winding = np.abs(np.cumsum(areas.reshape(rows, stride), axis=1)[:, :width])
        filled[top : top + rows] = np.minimum(winding, 1.0) * 255.0 + 0.5
    return filled


def _cut_at_borders(corners: Outline, width: int, height: int) -> tuple[Outline, Outline]:
    """Return start and end, float64 [M, 2] each, of the edges inside the box, cut where they cross its borders."""
    start, end = corners, np.roll(corners, -1, axis=0)
    for axis, limit in ((1, 0.0), (1, float(height)), (0, 0.0), (0, float(width))):
        start, end = _split(start, end, axis, limit)
    start, end = start.copy(), end.copy()
    for edge in (start, end):
        np.clip(edge[:, 1], 0.0, height, out=edge[:, 1])
        np.clip(edge[:, 0], 0.0, width, out=edge[:, 0])
    return start, end


def _split(start: Outline, end: Outline, axis: int, limit: float) -> tuple[Outline, Outline]:
    """Return the same edges, with those that cross `limit` on `axis` cut in two there."""
    crosses = (start[:, axis] - limit) * (end[:, axis] - limit) < 0
    if not crosses.any():
        return start, end
    a, b = start[crosses], end[crosses]
    share = ((limit - a[:, axis]) / (b[:, axis] - a[:, axis]))[:, None]
    cut = a + (b - a) * share
    cut[:, axis] = limit
    return (
        np.concatenate((start[~crosses], a, cut)),
        np.concatenate((end[~crosses], cut, b)),
    )


def _in_single_pixels(start: Outline, end: Outline) -> tuple[Outline, Outline]:
    """Cut edges at every pixel border they cross, so that each segment lies in one pixel."""
    for axis in (1, 0):
        start, end = _cut_at_whole_numbers(start, end, axis)
    return start, end


def _cut_at_whole_numbers(start: Outline, end: Outline, axis: int) -> tuple[Outline, Outline]:
    low = np.minimum(start[:, axis], end[:, axis])
    high = np.maximum(start[:, axis], end[:, axis])
    first = np.floor(low) + 1
    cuts = np.maximum(0, np.ceil(high) - first).astype(np.intp)  # whole numbers strictly between
    pieces = cuts + 1
    which = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    a, b = start[which], end[which]
    span = b[:, axis] - a[:, axis]
    forwards = span >= 0
    # The borders in the order in which the edge crosses them.
    border = np.where(forwards, first[which] + number, first[which] + cuts[which] - 1 - number)
    before = np.where(forwards, border - 1, border + 1)
    safe = np.where(span == 0, 1.0, span)
    begin = np.where(number == 0, 0.0, (before - a[:, axis]) / safe)
    finish = np.where(number == cuts[which], 1.0, (border - a[:, axis]) / safe)
    return a + (b - a) * begin[:, None], a + (b - a) * finish[:, None]
