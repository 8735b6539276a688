"""Fits a picture to another size, and maps the generated pixels back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from sdxl_desktop.core.edit import FitMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.boxes import centred_box, crop_view, largest_size_with_aspect_ratio

_EPSILON = 1e-6
_PADDING_BLUR_SIGMA = 24.0
"""Standard deviation in pixels of the padding's blur, reached at twice that distance from the picture."""


@dataclass(frozen=True, slots=True)
class FitTransform:
    """Maps a box of a `source` to a box of the `target`: crop, pad or stretch, always centred."""

    source: Size
    target: Size
    fit: FitMode

    @property
    def source_box(self) -> Rect:
        """The box of the source that is used: with CROP the largest of the target's shape, else all of it."""
        whole = Rect(0, 0, self.source.width, self.source.height)
        return (
            centred_box(largest_size_with_aspect_ratio(self.target, self.source), self.source)
            if self.fit is FitMode.CROP
            else whole
        )

    @property
    def target_box(self) -> Rect:
        """The box of the target that is filled: with PAD the largest of the source's shape, else all of it."""
        whole = Rect(0, 0, self.target.width, self.target.height)
        return (
            centred_box(largest_size_with_aspect_ratio(self.source, self.target), self.target)
            if self.fit is FitMode.PAD
            else whole
        )

    def fit_picture(self, pixels: UInt8Array) -> UInt8Array:
        """Return a picture of the source's size, uint8 [H, W, 3], at the target's size: a new array, bit-identical if
        the sizes are equal.

        With PAD the free area continues the picture's border, blurred more with distance. Raises RequestError for a
        picture of another size.
        """
        _check_size(pixels, self.source)
        seen = _resize(crop_view(pixels, self.source_box), self.target_box.size, Image.Resampling.LANCZOS)
        return seen if self.target_box.size == self.target else _pad(seen, self.target_box, self.target)

    def fit_mask(self, mask: UInt8Array) -> UInt8Array:
        """Return a mask of the source's size, uint8 [H, W], at the target's size: a new array; padding is not masked.

        Raises RequestError for a mask of another size. The masked area may lie in the part that CROP cuts off, or
        vanish in a strong reduction: the result can be empty.
        """
        _check_size(mask, self.source)
        fitted = np.zeros((self.target.height, self.target.width), dtype=np.uint8)
        # bilinear, since Lanczos rings: it would faintly mask pixels well outside
        crop_view(fitted, self.target_box)[...] = _resize(
            crop_view(mask, self.source_box), self.target_box.size, Image.Resampling.BILINEAR
        )
        return fitted

    def covered_pixels(self, mask: UInt8Array, threshold: int) -> npt.NDArray[np.bool_]:
        """Return the pixels of the target, bool [H, W], that a mask of the source's size covers with `threshold` or
        more: by any amount if it is reduced, at least half if it is enlarged.

        Raises RequestError for a mask of another size.
        """
        _check_size(mask, self.source)
        covered = Image.fromarray((crop_view(mask, self.source_box) >= threshold).astype(np.float32))
        shares = np.asarray(covered.resize((self.target_box.width, self.target_box.height), Image.Resampling.BOX))
        smaller = self.target_box.width <= self.source_box.width and self.target_box.height <= self.source_box.height
        found = np.zeros((self.target.height, self.target.width), dtype=np.uint8)
        crop_view(found, self.target_box)[...] = shares > _EPSILON if smaller else shares >= 0.5
        return found > 0

    def restore(self, generated: UInt8Array, original: UInt8Array) -> UInt8Array:
        """Return the generated picture, uint8 [H, W, 3] of the target's size, at the source's size: a new array.

        CROP pastes it into the part of `original` that was used; PAD cuts the padding off. Raises RequestError if one
        of the two has another size.
        """
        _check_size(generated, self.target)
        _check_size(original, self.source)
        new = _resize(crop_view(generated, self.target_box), self.source_box.size, Image.Resampling.LANCZOS)
        if self.source_box.size == self.source:
            return new
        whole = original.copy()
        crop_view(whole, self.source_box)[...] = new
        return whole


def _resize(pixels: UInt8Array, size: Size, resampling: Image.Resampling) -> UInt8Array:
    """Return a new array of that size; Pillow widens the filter when it shrinks, which avoids aliasing."""
    if pixels.shape[:2] == (size.height, size.width):
        return pixels.copy()
    return np.array(Image.fromarray(pixels).resize((size.width, size.height), resampling))


def _pad(seen: UInt8Array, place: Rect, target: Size) -> UInt8Array:
    """Place `seen` at `place` and extend its border outwards, fading into a blurred version of itself."""
    outside = (
        (place.y, target.height - place.bottom),
        (place.x, target.width - place.right),
        (0, 0),
    )
    streaks = Image.fromarray(np.pad(seen, outside, mode="edge"))
    blurred = streaks.filter(ImageFilter.GaussianBlur(_PADDING_BLUR_SIGMA))
    far = np.maximum(
        _distance_outside(place.y, place.bottom, target.height)[:, None],
        _distance_outside(place.x, place.right, target.width),
    )
    weight = np.minimum(far * np.float32(255 / (2 * _PADDING_BLUR_SIGMA)), 255).astype(np.uint8)
    padded = np.array(Image.composite(blurred, streaks, Image.fromarray(weight)))
    crop_view(padded, place)[...] = seen
    return padded


def _distance_outside(low: int, high: int, length: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return how many pixels each of `length` positions lies outside [low, high); 0 inside."""
    at = np.arange(length)
    return np.maximum(np.maximum(low - at, at - high + 1), 0).astype(np.float32)


def _check_size(pixels: UInt8Array, size: Size) -> None:
    if pixels.shape[:2] != (size.height, size.width):
        raise RequestError(
            f"The picture is {pixels.shape[1]}x{pixels.shape[0]} and not {size}.",
            next_step="Give the picture that the placement was made for.",
        )
