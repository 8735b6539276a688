"""The brush: a round tip swept along the pointer's path without gaps, never above its opacity within a stroke.

The tip is not stamped at intervals but swept: a pixel's coverage depends on its distance to the path, so pointer speed
has no effect. The path runs through the midpoints between pointer positions, with the positions as control points of
quadratic Bezier curves: smooth everywhere, and straight where the pointer moved straight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.layers import rect_slices

MAX_SIZE = 2048.0
_CURVE_TOLERANCE = 0.25
"""Maximum distance in pixels between a curve and its chords."""
_MIN_PRESSURE = 0.05

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brush:
    """`size`: diameter in pixels. `hardness`: the fraction of the radius with full coverage, in [0, 1]; beyond it
    coverage falls smoothly to the rim. `opacity`: the maximum coverage of one stroke, in (0, 1]. `erase` subtracts
    instead."""

    size: float = 64.0
    hardness: float = 0.8
    opacity: float = 1.0
    erase: bool = False

    def __post_init__(self) -> None:
        check_range("The brush size", self.size, 1.0, MAX_SIZE)
        check_range("The brush hardness", self.hardness, 0.0, 1.0)
        check_range("The brush opacity", self.opacity, 0.01, 1.0)


@dataclass(frozen=True, slots=True)
class BrushPoint:
    """Centre of the tip, in pixels from the top left corner of the picture, and its radius there."""

    x: float
    y: float
    radius: float

    def interpolated(self, other: BrushPoint, fraction: float) -> BrushPoint:
        return BrushPoint(
            self.x + (other.x - self.x) * fraction,
            self.y + (other.y - self.y) * fraction,
            self.radius + (other.radius - self.radius) * fraction,
        )


class StrokePainter:
    """Paints one stroke onto `mask` (uint8 [H, W]), which is changed in place.

    `base` is the mask before the stroke; `coverage` is a zeroed buffer of the same shape, which `finish` zeroes again.
    """

    def __init__(self, mask: UInt8Array, base: UInt8Array, coverage: UInt8Array, brush: Brush) -> None:
        self._mask, self._base, self._coverage = mask, base, coverage
        self._brush = brush
        self._mask_rect = Rect(0, 0, mask.shape[1], mask.shape[0])
        self._pointer: BrushPoint | None = None
        self._painted_to: BrushPoint | None = None
        self.rect: Rect | None = None
        """The box that the stroke has touched so far."""

    def move_to(self, x: float, y: float, pressure: float = 1.0) -> Rect | None:
        """Move the pointer to (x, y) in pixels with `pressure` in [0, 1]; return the changed box."""
        dab = BrushPoint(x, y, self._brush.size / 2 * min(1.0, max(_MIN_PRESSURE, pressure)))
        before, self._pointer = self._pointer, dab
        if before is None or self._painted_to is None:
            self._painted_to = dab
            return self._paint_segments(iter([(dab, dab)]))
        middle = before.interpolated(dab, 0.5)
        start, self._painted_to = self._painted_to, middle
        return self._paint_segments(_flatten_curve(start, before, middle))

    def finish(self) -> Rect | None:
        """Draw the last segment up to the pointer and zero the buffer; return the changed box."""
        changed = None
        if self._pointer is not None and self._painted_to is not None and self._pointer != self._painted_to:
            changed = self._paint_segments(iter([(self._painted_to, self._pointer)]))
        if self.rect is not None:
            self._coverage[rect_slices(self.rect)] = 0
        self._pointer = self._painted_to = None
        return changed

    def _paint_segments(self, chords: Iterator[tuple[BrushPoint, BrushPoint]]) -> Rect | None:
        changed: Rect | None = None
        for start, end in chords:
            for a, b in _split_segment(start, end):
                rect = _segment_bounds(a, b).intersected(self._mask_rect)
                if rect is not None:
                    self._paint_segment(a, b, rect)
                    changed = rect if changed is None else changed.united(rect)
        if changed is not None:
            self.rect = changed if self.rect is None else self.rect.united(changed)
        return changed

    def _paint_segment(self, a: BrushPoint, b: BrushPoint, rect: Rect) -> None:
        at = rect_slices(rect)
        coverage = self._coverage[at]
        np.maximum(coverage, capsule_coverage(a, b, rect, self._brush.hardness), out=coverage)
        self._mask[at] = blend_coverage(self._base[at], coverage, self._brush.opacity, erase=self._brush.erase)


def _segment_bounds(a: BrushPoint, b: BrushPoint) -> Rect:
    left = math.floor(min(a.x - a.radius, b.x - b.radius) - 1)
    top = math.floor(min(a.y - a.radius, b.y - b.radius) - 1)
    right = math.ceil(max(a.x + a.radius, b.x + b.radius) + 1)
    bottom = math.ceil(max(a.y + a.radius, b.y + b.radius) + 1)
    return Rect(left, top, right - left, bottom - top)


def _flatten_curve(start: BrushPoint, control: BrushPoint, end: BrushPoint) -> Iterator[tuple[BrushPoint, BrushPoint]]:
    """Split a quadratic Bezier curve into straight segments within `_CURVE_TOLERANCE` of it.

    The curve is at most |start - 2 control + end| / 4 from its chord, and n segments are n² times closer.
    """
    bend = math.hypot(start.x - 2 * control.x + end.x, start.y - 2 * control.y + end.y) / 4
    count = max(1, math.ceil(math.sqrt(bend / _CURVE_TOLERANCE)))
    last = start
    for number in range(1, count + 1):
        share = number / count
        here = start.interpolated(control, share).interpolated(control.interpolated(end, share), share)
        yield last, here
        last = here


def _split_segment(a: BrushPoint, b: BrushPoint) -> Iterator[tuple[BrushPoint, BrushPoint]]:
    """Cut a long straight segment so that the bounding boxes of its parts contain few untouched pixels."""
    length = math.hypot(b.x - a.x, b.y - a.y)
    count = max(1, math.ceil(length / (4 * max(a.radius, b.radius, 16.0))))
    for number in range(count):
        yield a.interpolated(b, number / count), a.interpolated(b, (number + 1) / count)


def capsule_coverage(a: BrushPoint, b: BrushPoint, rect: Rect, hardness: float) -> UInt8Array:
    """Return the coverage of the pixels of `rect` by a round tip swept from `a` to `b`: uint8 [H, W]."""
    x = np.arange(rect.x, rect.right, dtype=np.float32) + np.float32(0.5 - a.x)
    y = np.arange(rect.y, rect.bottom, dtype=np.float32)[:, None] + np.float32(0.5 - a.y)
    dx, dy = b.x - a.x, b.y - a.y
    length = math.hypot(dx, dy)
    if length < 1e-3:
        return _falloff(np.sqrt(x * x + y * y), max(a.radius, b.radius), hardness)
    dx, dy = dx / length, dy / length
    along = x * np.float32(dx) + y * np.float32(dy)
    across = x * np.float32(dy) - y * np.float32(dx)
    nearest = np.clip(along, 0.0, np.float32(length))
    np.subtract(along, nearest, out=along)
    np.multiply(along, along, out=along)
    np.multiply(across, across, out=across)
    distance = np.sqrt(np.add(along, across, out=along), out=along)
    if abs(a.radius - b.radius) < 1e-3:
        return _falloff(distance, a.radius, hardness)
    radius = nearest * np.float32((b.radius - a.radius) / length) + np.float32(a.radius)
    return _falloff(distance, radius, hardness)


def _falloff(distance: Floats, radius: float | Floats, hardness: float) -> UInt8Array:
    """Coverage by distance from the path: full inside, a smooth step over the soft rim, at least one pixel wide."""
    reach = np.asarray(radius, np.float32)
    rim = np.maximum(reach * np.float32(1 - hardness), np.float32(1.0))
    share = np.subtract(reach + np.float32(0.5), distance, out=distance)
    np.divide(share, rim, out=share)
    np.clip(share, 0.0, 1.0, out=share)
    smooth = share * np.float32(-2.0)
    smooth += np.float32(3.0)
    smooth *= share
    smooth *= share
    smooth *= np.float32(255.0)
    smooth += np.float32(0.5)
    covered: UInt8Array = smooth.astype(np.uint8)
    return covered


def blend_coverage(base: UInt8Array, coverage: UInt8Array, opacity: float, *, erase: bool) -> UInt8Array:
    """Return `base` with `coverage` (both uint8 [H, W]) added or, with `erase`, subtracted; exact for 0 and 255.

    x / 255 rounded is (t + (t >> 8)) >> 8 with t = x + 128, for x up to 255 · 255.
    """
    share = coverage.astype(np.uint16)
    if opacity < 1.0:
        share *= round(opacity * 255)
        _divide_by_255(share)
    room = base.astype(np.uint16) if erase else (255 - base).astype(np.uint16)
    room *= share
    _divide_by_255(room)
    moved = room.astype(np.uint8)
    return np.subtract(base, moved) if erase else np.add(base, moved)


def _divide_by_255(values: npt.NDArray[np.uint16]) -> None:
    values += 128
    values += values >> 8
    values >>= 8
