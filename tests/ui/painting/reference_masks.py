"""Expected masks, computed here from geometry alone and not by the code under test."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.raster import UInt8Array

HEIGHT, WIDTH = 300, 400
Floats = npt.NDArray[np.float64]
XY = tuple[float, float]


def empty() -> UInt8Array:
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def box(left: int, top: int, right: int, bottom: int) -> UInt8Array:
    """Return a mask with 255 in these columns and rows, the last ones excluded."""
    mask = empty()
    mask[top:bottom, left:right] = 255
    return mask


def distance_to_line(start: XY, end: XY) -> Floats:
    """Return the distance from each pixel's centre to the line segment between two points."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((columns - start[0]) * dx + (rows - start[1]) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
    return np.asarray(np.hypot(columns - start[0] - along * dx, rows - start[1] - along * dy), np.float64)


def stroke(start: XY, end: XY, size: float, hardness: float = 1.0) -> Floats:
    """Return a straight stroke's coverage in [0, 1]: 1 in the hard core, then a smoothstep to the rim. The rim is at
    least one pixel wide and, for a hard brush, centred on its radius."""
    radius = size / 2
    rim = max(1.0, radius * (1 - hardness))
    share = np.clip((radius + 0.5 - distance_to_line(start, end)) / rim, 0, 1)
    return share * share * (3 - 2 * share)


def paint_over(base: UInt8Array, share: Floats, opacity: float = 1.0) -> UInt8Array:
    """Return `base` with white painted over it by `share`."""
    return np.rint(base + (255.0 - base) * share * opacity).astype(np.uint8)


def erase_from(base: UInt8Array, share: Floats, opacity: float = 1.0) -> UInt8Array:
    """Return `base` reduced by `share`."""
    return np.rint(base * (1 - share * opacity)).astype(np.uint8)


def similar_pixels(picture: UInt8Array, x: int, y: int, tolerance: int, *, contiguous: bool) -> UInt8Array:
    """Return the pixels within `tolerance` of (x, y) in every channel: 4-connected if `contiguous`, or anywhere."""
    alike = (np.abs(picture.astype(int) - picture[y, x].astype(int)) <= tolerance).all(axis=2)
    if not contiguous:
        return np.where(alike, np.uint8(255), np.uint8(0))
    reached = empty()
    reached[y, x] = 255
    waiting = deque([(x, y)])
    while waiting:
        column, row = waiting.popleft()
        for near_x, near_y in ((column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)):
            inside = 0 <= near_x < WIDTH and 0 <= near_y < HEIGHT
            if inside and alike[near_y, near_x] and not reached[near_y, near_x]:
                reached[near_y, near_x] = 255
                waiting.append((near_x, near_y))
    return reached


def ellipse(left: int, top: int, right: int, bottom: int, parts: int = 16) -> Floats:
    """Return the fraction of each pixel inside the ellipse, from `parts` x `parts` sample points."""
    width, height = right - left, bottom - top
    x = (np.arange(width * parts) + 0.5) / parts / (width / 2) - 1
    y = (np.arange(height * parts) + 0.5) / parts / (height / 2) - 1
    inside = (x * x + (y * y)[:, None] <= 1).reshape(height, parts, width, parts)
    shares = np.zeros((HEIGHT, WIDTH))
    shares[top:bottom, left:right] = inside.mean(axis=(1, 3))
    return shares


def grown_box(left: int, top: int, right: int, bottom: int, by: int) -> UInt8Array:
    """Return all pixels within `by` pixels of a box's pixels."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    dx = np.maximum(0, np.maximum(left - columns, columns - (right - 1)))
    dy = np.maximum(0, np.maximum(top - rows, rows - (bottom - 1)))
    return np.where(dx * dx + dy * dy <= by * by, np.uint8(255), np.uint8(0))


def blurred_box(left: int, top: int, right: int, bottom: int, deviation: float) -> Floats:
    """Return a box after a Gaussian blur, in [0, 255]: the product of two differences of error functions."""

    def profile(low: int, high: int, count: int) -> Floats:
        places = np.arange(count) + 0.5
        scale = deviation * math.sqrt(2)
        return np.array([(math.erf((high - at) / scale) - math.erf((low - at) / scale)) / 2 for at in places])

    return 255 * np.outer(profile(top, bottom, HEIGHT), profile(left, right, WIDTH))
