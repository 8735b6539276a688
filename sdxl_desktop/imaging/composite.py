"""Composites new pixels into a picture: colour matching and alpha blending."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.boxes import crop_view, expand_box, mask_bounds
from sdxl_desktop.imaging.push_pull import smooth_field

_MAX_SHIFT = 48.0
"""In levels. A larger difference is different content, not a colour shift, and must not bleed into the new pixels."""
_CELL_LEVELS = 4


def composite_over(original: UInt8Array, new: UInt8Array, alpha: UInt8Array) -> UInt8Array:
    """Composite `new` over `original`, both uint8 [H, W, 3], by `alpha`, uint8 [H, W], into a new array.

    Exactly the original where alpha is 0, exactly the new pixels where it is 255, and between them (original · (255 -
    alpha) + new · alpha) / 255, rounded to the nearest level. Raises RequestError if the sizes differ.
    """
    _check_same_size(original, new, alpha)
    pasted = original.copy()
    box = mask_bounds(alpha)
    if box is None:
        return pasted
    weight = crop_view(alpha, box)[..., None].astype(np.uint16)
    sum_ = crop_view(original, box) * (255 - weight)
    sum_ += crop_view(new, box) * weight
    sum_ += 128  # together: x / 255 rounded, for every x up to 255 · 255
    sum_ += sum_ >> 8
    sum_ >>= 8
    crop_view(pasted, box)[...] = sum_
    return pasted


def match_colour(new: UInt8Array, reference: UInt8Array, mask: UInt8Array, band: int = 16) -> UInt8Array:
    """Return `new` with its masked area shifted in colour so that it agrees with `reference` along the mask's border.

    `new` is the whole generated picture and `reference` the original, both uint8 [H, W, 3]; `mask` is uint8 [H, W].
    Just outside the mask, in a band `band` pixels wide, both show the same content, so their average difference there
    is the colour shift that generation has added (the VAE's, mostly). That difference, averaged over cells of 16
    pixels, is interpolated smoothly over the masked area and subtracted, as in seamless cloning (Pérez et al., "Poisson
    Image Editing", 2003), but by means instead of single pixels, which preserves detail. Outside the mask `new` is
    unchanged; where it holds the original's own pixels there, the shift is unknown and nothing changes. Raises
    RequestError if the sizes differ.
    """
    _check_same_size(new, reference, mask)
    box = mask_bounds(mask)
    if box is None or band < 1:
        return new.copy()
    region = expand_box(box, band, Size(mask.shape[1], mask.shape[0]))
    hole = crop_view(mask, region) > 0
    drawn = crop_view(new, region)
    known = (ndimage.distance_transform_cdt(~hole, "chessboard") <= band) & ~hole
    shift = np.subtract(crop_view(reference, region), drawn, dtype=np.float32)
    for channel in range(shift.shape[2]):
        known &= np.abs(shift[..., channel]) <= _MAX_SHIFT
    if not known.any():
        return new.copy()
    matched = new.copy()
    field = smooth_field(shift, known.astype(np.float32), _CELL_LEVELS)
    field += drawn
    np.rint(np.clip(field, 0, 255, out=field), out=field)
    np.copyto(crop_view(matched, region), field.astype(np.uint8), where=hole[..., None])
    return matched


def _check_same_size(first: UInt8Array, second: UInt8Array, mask: UInt8Array) -> None:
    if first.shape != second.shape or first.shape[:2] != mask.shape:
        sizes = " / ".join(f"{array.shape[1]}x{array.shape[0]}" for array in (first, second, mask))
        raise RequestError(
            f"The picture, the new pixels and the mask are not of one size ({sizes}).",
            next_step="Fit them to each other first.",
        )
