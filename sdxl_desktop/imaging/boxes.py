"""Bounding boxes of masks and of generated areas. Imports nothing that is slow to load."""

from __future__ import annotations

import numpy as np

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array


def mask_bounds(mask: UInt8Array) -> Rect | None:
    """Return the bounding box of all nonzero pixels of `mask`, uint8 [H, W], or None if there are none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return Rect(int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)


def crop_view(pixels: UInt8Array, box: Rect) -> UInt8Array:
    """Return a view of the part of `pixels`, uint8 [H, W, ...], inside `box`."""
    return pixels[box.y : box.bottom, box.x : box.right]


def expand_box(box: Rect, margin: int, size: Size) -> Rect:
    """Return `box` grown by `margin` pixels on each side, clipped to a picture of `size`."""
    x, y = max(0, box.x - margin), max(0, box.y - margin)
    return Rect(x, y, min(size.width, box.right + margin) - x, min(size.height, box.bottom + margin) - y)


def invert_mask(mask: UInt8Array) -> UInt8Array:
    """Return the inverted mask, uint8 [H, W]."""
    return np.bitwise_not(mask)


def mask_size(mask: UInt8Array) -> Size:
    """Return the size of a mask uint8 [H, W]."""
    return Size(mask.shape[1], mask.shape[0])


def crop_region(mask: UInt8Array, target: Size, margin: int, picture: Size) -> Rect:
    """Return the region that is generated for the masked area alone: the mask's box, `margin` pixels wider, in the
    aspect ratio of `target`.

    `mask` is uint8 [H, W]. The box is widened in one direction to the aspect ratio of `target` and moved, then cut, to
    lie inside `picture`: pixel for pixel the result of diffusers' `VaeImageProcessor.get_crop_region`. Raises
    RequestError if the mask is empty or has another size than the picture.
    """
    if mask_size(mask) != picture:
        raise RequestError(
            f"The mask is {mask_size(mask)} and the picture {picture}.",
            next_step="Give a mask of exactly the picture's size.",
        )
    box = mask_bounds(mask)
    if box is None:
        raise RequestError("The mask is empty, so there is no area around it.", next_step="Paint a mask.")
    return expand_to_aspect_ratio(expand_box(box, margin, picture), target, picture)


def expand_to_aspect_ratio(box: Rect, target: Size, picture: Size) -> Rect:
    """Return `box` widened in one direction to the aspect ratio of `target`, moved and cut to lie in `picture`."""
    ratio = target.width / target.height
    x, y, right, bottom = box.x, box.y, box.right, box.bottom
    if box.width / box.height > ratio:
        y, bottom = _expand_interval(y, bottom, int(box.width / ratio - box.height), picture.height)
    else:
        x, right = _expand_interval(x, right, int(box.height * ratio - box.width), picture.width)
    return Rect(x, y, right - x, bottom - y)


def largest_size_with_aspect_ratio(shape: Size, inside: Size) -> Size:
    """Return the largest size of about the aspect ratio of `shape` that fits `inside`, in whole pixels, at least 1
    each."""
    if shape.width * inside.height >= inside.width * shape.height:  # wider than `inside`
        return Size(inside.width, _rounded_ratio(inside.width * shape.height, shape.width))
    return Size(_rounded_ratio(inside.height * shape.width, shape.height), inside.height)


def _rounded_ratio(numerator: int, denominator: int) -> int:
    return max(1, (numerator + denominator // 2) // denominator)


def centred_box(size: Size, inside: Size) -> Rect:
    """Return the box of `size` in the middle of `inside`."""
    return Rect((inside.width - size.width) // 2, (inside.height - size.height) // 2, size.width, size.height)


def crop_box_for_target(target: Size, picture: Size, mask_box: Rect | None, *, widen: bool) -> Rect:
    """Return the crop of a picture for the aspect ratio of `target`: as large as possible, centred, but moved to
    contain `mask_box`.

    If that box is too wide or too high for it, the crop is centred on the box, or with `widen` contains all of it: the
    crop then has another aspect ratio than `target`, to which it is stretched.
    """
    size = largest_size_with_aspect_ratio(target, picture)
    middle = centred_box(size, picture)
    if mask_box is None:
        return middle
    x, right = _move_to_contain(middle.x, size.width, mask_box.x, mask_box.right, picture.width, widen=widen)
    y, bottom = _move_to_contain(middle.y, size.height, mask_box.y, mask_box.bottom, picture.height, widen=widen)
    return Rect(x, y, right - x, bottom - y)


def _move_to_contain(low: int, length: int, first: int, end: int, limit: int, *, widen: bool) -> tuple[int, int]:
    """Move the interval of `length` from `low` within [0, limit] to contain [first, end), lengthened if `widen`."""
    if end - first > length:
        if widen:
            return first, end
        low = first + (end - first - length) // 2
    else:
        low = max(end - length, min(low, first))
    low = max(0, min(low, limit - length))
    return low, low + length


def _expand_interval(low: int, high: int, extra: int, limit: int) -> tuple[int, int]:
    """Grow the interval by `extra`, the odd pixel at its end, then move and cut it to lie in [0, limit]."""
    low -= extra // 2
    high += extra - extra // 2
    moved = max(0, high - limit)
    low, high = low - moved, high - moved
    moved = max(0, -low)
    return low + moved, min(high + moved, limit)
