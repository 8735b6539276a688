"""What an area starts from before it is drawn anew, and how a picture is made larger for outpainting."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from sdxl_desktop.core.edit import Prefill
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging.boxes import around, bounds, cut
from sdxl_desktop.imaging.pyramid import filled

_MID_GREY = 128
_RIM = 8
"""Pixels around a hole from which it is filled."""


def prefill(pixels: Bytes, mask: Bytes, way: Prefill) -> Bytes:
    """A copy of `pixels`, uint8 [H, W, 3], with all of the area where `mask`, uint8 [H, W], is not 0 filled anew.

    KEEP leaves it; NEUTRAL makes it mid grey; BLUR takes its detail and lets the surroundings run in, keeping the
    rough colours; SURROUNDINGS forgets what was there and continues the colours along its border smoothly inwards.
    Where nothing is left around the mask, SURROUNDINGS is mid grey. Outside the mask nothing changes.
    """
    if mask.shape != pixels.shape[:2]:
        raise RequestError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} and the picture {pixels.shape[1]}x{pixels.shape[0]}.",
            next_step="Give a mask of exactly the picture's size.",
        )
    box = bounds(mask)
    made = pixels.copy()
    if box is None or way is Prefill.KEEP:
        return made
    fill = {Prefill.NEUTRAL: _neutral, Prefill.BLUR: _blurred, Prefill.SURROUNDINGS: _from_surroundings}[way]
    new = fill(pixels, mask, box)
    np.copyto(cut(made, box), new, where=(cut(mask, box) > 0)[..., None])
    return made


def extend(pixels: Bytes, left: int, top: int, right: int, bottom: int) -> tuple[Bytes, Bytes]:
    """The picture, uint8 [H, W, 3], made larger by so many pixels on each side, and the mask, uint8 [H, W], which is
    255 where it is new.

    The new area continues the colours of the picture's border. Raises RequestError for a negative number.
    """
    if min(left, top, right, bottom) < 0:
        raise RequestError("A picture cannot be extended by a negative number.", next_step="Give 0 or more pixels.")
    height, width = pixels.shape[:2]
    larger = np.zeros((height + top + bottom, width + left + right, 3), dtype=np.uint8)
    mask = np.full(larger.shape[:2], 255, dtype=np.uint8)
    inner = Rect(left, top, width, height)
    cut(larger, inner)[...] = pixels
    cut(mask, inner)[...] = 0
    return prefill(larger, mask, Prefill.SURROUNDINGS), mask


def _neutral(pixels: Bytes, mask: Bytes, box: Rect) -> Bytes:
    del mask
    return np.full((box.height, box.width, pixels.shape[2]), _MID_GREY, dtype=np.uint8)


def _blurred(pixels: Bytes, mask: Bytes, box: Rect) -> Bytes:
    """A Gaussian as wide as a sixteenth of the area's longer side: features go, colours stay."""
    sigma = max(2.0, max(box.width, box.height) / 16)
    region = around(box, int(3 * sigma), Size(mask.shape[1], mask.shape[0]))
    blurred = np.asarray(Image.fromarray(cut(pixels, region)).filter(ImageFilter.GaussianBlur(sigma)))
    return cut(blurred, Rect(box.x - region.x, box.y - region.y, box.width, box.height))


def _from_surroundings(pixels: Bytes, mask: Bytes, box: Rect) -> Bytes:
    region = around(box, _RIM, Size(mask.shape[1], mask.shape[0]))
    known = cut(mask, region) == 0
    if not known.any():
        return _neutral(pixels, mask, box)
    whole = filled(cut(pixels, region).astype(np.float32), known.astype(np.float32))
    inner = Rect(box.x - region.x, box.y - region.y, box.width, box.height)
    smooth: Bytes = (whole[inner.y : inner.bottom, inner.x : inner.right] + np.float32(0.5)).astype(np.uint8)
    return smooth
