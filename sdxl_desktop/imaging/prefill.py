"""Fills an area before it is regenerated, and extends a picture for outpainting."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from sdxl_desktop.core.edit import PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.boxes import crop_view, expand_box, mask_bounds
from sdxl_desktop.imaging.push_pull import push_pull_fill

_MID_GREY = 128
_BORDER_PIXELS = 8
"""Pixels around a hole from which it is filled."""


def prefill_masked_area(pixels: UInt8Array, mask: UInt8Array, mode: PrefillMode) -> UInt8Array:
    """Return a copy of `pixels`, uint8 [H, W, 3], filled where `mask`, uint8 [H, W], is not 0.

    KEEP leaves the area; NEUTRAL makes it mid grey; BLUR removes its detail and blends in the surroundings, keeping the
    rough colours; SURROUNDINGS discards the content and continues the colours along its border smoothly inwards. If
    nothing is left around the mask, SURROUNDINGS is mid grey. Outside the mask nothing changes.
    """
    if mask.shape != pixels.shape[:2]:
        raise RequestError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} and the picture {pixels.shape[1]}x{pixels.shape[0]}.",
            next_step="Give a mask of exactly the picture's size.",
        )
    box = mask_bounds(mask)
    made = pixels.copy()
    if box is None or mode is PrefillMode.KEEP:
        return made
    fill = {
        PrefillMode.NEUTRAL: _fill_neutral,
        PrefillMode.BLUR: _fill_blurred,
        PrefillMode.SURROUNDINGS: _fill_from_surroundings,
    }[mode]
    new = fill(pixels, mask, box)
    np.copyto(crop_view(made, box), new, where=(crop_view(mask, box) > 0)[..., None])
    return made


def extend_canvas(pixels: UInt8Array, left: int, top: int, right: int, bottom: int) -> tuple[UInt8Array, UInt8Array]:
    """Return the picture, uint8 [H, W, 3], extended by so many pixels on each side, and a mask, uint8 [H, W], which is
    255 in the new area.

    The new area continues the colours of the picture's border. Raises RequestError for a negative number.
    """
    if min(left, top, right, bottom) < 0:
        raise RequestError("A picture cannot be extended by a negative number.", next_step="Give 0 or more pixels.")
    height, width = pixels.shape[:2]
    larger = np.zeros((height + top + bottom, width + left + right, 3), dtype=np.uint8)
    mask = np.full(larger.shape[:2], 255, dtype=np.uint8)
    inner = Rect(left, top, width, height)
    crop_view(larger, inner)[...] = pixels
    crop_view(mask, inner)[...] = 0
    return prefill_masked_area(larger, mask, PrefillMode.SURROUNDINGS), mask


def _fill_neutral(pixels: UInt8Array, mask: UInt8Array, box: Rect) -> UInt8Array:
    del mask
    return np.full((box.height, box.width, pixels.shape[2]), _MID_GREY, dtype=np.uint8)


def _fill_blurred(pixels: UInt8Array, mask: UInt8Array, box: Rect) -> UInt8Array:
    """Apply a Gaussian as wide as a sixteenth of the area's longer side: features vanish, colours stay."""
    sigma = max(2.0, max(box.width, box.height) / 16)
    region = expand_box(box, int(3 * sigma), Size(mask.shape[1], mask.shape[0]))
    blurred = np.asarray(Image.fromarray(crop_view(pixels, region)).filter(ImageFilter.GaussianBlur(sigma)))
    return crop_view(blurred, Rect(box.x - region.x, box.y - region.y, box.width, box.height))


def _fill_from_surroundings(pixels: UInt8Array, mask: UInt8Array, box: Rect) -> UInt8Array:
    region = expand_box(box, _BORDER_PIXELS, Size(mask.shape[1], mask.shape[0]))
    known = crop_view(mask, region) == 0
    if not known.any():
        return _fill_neutral(pixels, mask, box)
    whole = push_pull_fill(crop_view(pixels, region).astype(np.float32), known.astype(np.float32))
    inner = Rect(box.x - region.x, box.y - region.y, box.width, box.height)
    smooth: UInt8Array = (whole[inner.y : inner.bottom, inner.x : inner.right] + np.float32(0.5)).astype(np.uint8)
    return smooth
