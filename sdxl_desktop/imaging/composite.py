"""How new pixels are put into a picture: blended by an alpha, and with their colours brought in line first."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging.boxes import around, bounds, cut
from sdxl_desktop.imaging.pyramid import smoothed

_MAX_SHIFT = 48.0
"""Levels. What differs by more is another content, not another tint, and must not bleed into the new pixels."""
_CELL_LEVELS = 4


def paste(original: Bytes, new: Bytes, alpha: Bytes) -> Bytes:
    """`new` over `original`, both uint8 [H, W, 3], by `alpha`, uint8 [H, W]: a new array.

    Exactly the original where alpha is 0, exactly the new pixels where it is 255, and between them
    (original · (255 - alpha) + new · alpha) / 255, rounded to the nearest level. Raises RequestError when the three
    are not of one size.
    """
    _check_same_size(original, new, alpha)
    pasted = original.copy()
    box = bounds(alpha)
    if box is None:
        return pasted
    weight = cut(alpha, box)[..., None].astype(np.uint16)
    sum_ = cut(original, box) * (255 - weight)
    sum_ += cut(new, box) * weight
    sum_ += 128  # from here on x / 255 rounded, for every x up to 255 · 255
    sum_ += sum_ >> 8
    sum_ >>= 8
    cut(pasted, box)[...] = sum_
    return pasted


def match_colour(new: Bytes, reference: Bytes, mask: Bytes, band: int = 16) -> Bytes:
    """`new` with its masked area shifted in colour so that it agrees with `reference` along the mask's border.

    `new` is the whole drawn picture and `reference` the original, both uint8 [H, W, 3]; `mask` is uint8 [H, W]. Just
    outside the mask, in a band `band` pixels wide, both show the same content, so what differs there on average is
    the tint that drawing has added (the VAE's, mostly). That difference, averaged over cells of 16 pixels, is carried
    smoothly over the masked area and taken off again, as in seamless cloning (Pérez et al., "Poisson Image Editing",
    2003), but by means instead of single pixels, so that detail is left alone. Outside the mask `new` is
    returned as it is; where it holds the original's own pixels there, nothing can be learnt and nothing changes.
    Raises RequestError when the three are not of one size.
    """
    _check_same_size(new, reference, mask)
    box = bounds(mask)
    if box is None or band < 1:
        return new.copy()
    region = around(box, band, Size(mask.shape[1], mask.shape[0]))
    hole = cut(mask, region) > 0
    drawn = cut(new, region)
    known = (ndimage.distance_transform_cdt(~hole, "chessboard") <= band) & ~hole
    shift = np.subtract(cut(reference, region), drawn, dtype=np.float32)
    for channel in range(shift.shape[2]):
        known &= np.abs(shift[..., channel]) <= _MAX_SHIFT
    if not known.any():
        return new.copy()
    matched = new.copy()
    field = smoothed(shift, known.astype(np.float32), _CELL_LEVELS)
    field += drawn
    np.rint(np.clip(field, 0, 255, out=field), out=field)
    np.copyto(cut(matched, region), field.astype(np.uint8), where=hole[..., None])
    return matched


def _check_same_size(first: Bytes, second: Bytes, mask: Bytes) -> None:
    if first.shape != second.shape or first.shape[:2] != mask.shape:
        sizes = " / ".join(f"{array.shape[1]}x{array.shape[0]}" for array in (first, second, mask))
        raise RequestError(
            f"The picture, the new pixels and the mask are not of one size ({sizes}).",
            next_step="Fit them to each other first.",
        )
