"""How a picture of one size meets another size, and how what was drawn there comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from sdxl_desktop.core.edit import Fit
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging.boxes import centred, cut, largest

_NOTHING = 1e-6
_BLUR = 24.0
"""Pixels of standard deviation of the padding's blur, reached at twice that distance from the picture."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which box of a `source` is used, and where it lies in the `target`: crop, pad or stretch, always centred."""

    source: Size
    target: Size
    fit: Fit

    @property
    def used(self) -> Rect:
        """The box of the source that is seen: with CROP the largest of the target's shape, else all of it."""
        whole = Rect(0, 0, self.source.width, self.source.height)
        return centred(largest(self.target, self.source), self.source) if self.fit is Fit.CROP else whole

    @property
    def place(self) -> Rect:
        """The box of the target that it fills: with PAD the largest of the source's shape, else all of it."""
        whole = Rect(0, 0, self.target.width, self.target.height)
        return centred(largest(self.source, self.target), self.target) if self.fit is Fit.PAD else whole

    def picture(self, pixels: Bytes) -> Bytes:
        """A picture of the source's size, uint8 [H, W, 3], at the target's: a new array, bit for bit if they are equal.

        With PAD the free area continues the picture's border, the blurrier the further away. Raises RequestError for
        a picture of another size.
        """
        _check_size(pixels, self.source)
        seen = _resized(cut(pixels, self.used), self.place.size, Image.Resampling.LANCZOS)
        return seen if self.place.size == self.target else _padded(seen, self.place, self.target)

    def mask(self, mask: Bytes) -> Bytes:
        """A mask of the source's size, uint8 [H, W], at the target's: a new array; padding is not masked.

        Raises RequestError for a mask of another size. What is masked may lie in the part that CROP cuts off, or get
        lost when it is made much smaller: the result can be empty.
        """
        _check_size(mask, self.source)
        fitted = np.zeros((self.target.height, self.target.width), dtype=np.uint8)
        # bilinear, since Lanczos rings: it would mask faintly what is well outside
        cut(fitted, self.place)[...] = _resized(cut(mask, self.used), self.place.size, Image.Resampling.BILINEAR)
        return fitted

    def touched(self, mask: Bytes, level: int) -> npt.NDArray[np.bool_]:
        """Which pixels of the target, bool [H, W], a mask of the source's size covers with `level` or more: however
        little where it is made smaller, at least half where it is made larger.

        Raises RequestError for a mask of another size.
        """
        _check_size(mask, self.source)
        covered = Image.fromarray((cut(mask, self.used) >= level).astype(np.float32))
        shares = np.asarray(covered.resize((self.place.width, self.place.height), Image.Resampling.BOX))
        smaller = self.place.width <= self.used.width and self.place.height <= self.used.height
        found = np.zeros((self.target.height, self.target.width), dtype=np.uint8)
        cut(found, self.place)[...] = shares > _NOTHING if smaller else shares >= 0.5
        return found > 0

    def back(self, drawn: Bytes, original: Bytes) -> Bytes:
        """What was drawn, uint8 [H, W, 3] of the target's size, at the source's size: a new array.

        CROP puts it into the part of `original` that was used and keeps the rest; PAD cuts the padding off. Raises
        RequestError when one of the two has another size.
        """
        _check_size(drawn, self.target)
        _check_size(original, self.source)
        new = _resized(cut(drawn, self.place), self.used.size, Image.Resampling.LANCZOS)
        if self.used.size == self.source:
            return new
        whole = original.copy()
        cut(whole, self.used)[...] = new
        return whole


def _resized(pixels: Bytes, size: Size, resampling: Image.Resampling) -> Bytes:
    """A new array of that size; Pillow widens the filter when it shrinks, so that nothing aliases."""
    if pixels.shape[:2] == (size.height, size.width):
        return pixels.copy()
    return np.array(Image.fromarray(pixels).resize((size.width, size.height), resampling))


def _padded(seen: Bytes, place: Rect, target: Size) -> Bytes:
    """`seen` at `place`, and around it its border drawn outwards, fading into a blurred version of itself."""
    outside = (
        (place.y, target.height - place.bottom),
        (place.x, target.width - place.right),
        (0, 0),
    )
    streaks = Image.fromarray(np.pad(seen, outside, mode="edge"))
    blurred = streaks.filter(ImageFilter.GaussianBlur(_BLUR))
    far = np.maximum(
        _outside(place.y, place.bottom, target.height)[:, None], _outside(place.x, place.right, target.width)
    )
    weight = np.minimum(far * np.float32(255 / (2 * _BLUR)), 255).astype(np.uint8)
    padded = np.array(Image.composite(blurred, streaks, Image.fromarray(weight)))
    cut(padded, place)[...] = seen
    return padded


def _outside(low: int, high: int, length: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """How many pixels each of `length` positions lies outside [low, high); 0 inside."""
    at = np.arange(length)
    return np.maximum(np.maximum(low - at, at - high + 1), 0).astype(np.float32)


def _check_size(pixels: Bytes, size: Size) -> None:
    if pixels.shape[:2] != (size.height, size.width):
        raise RequestError(
            f"The picture is {pixels.shape[1]}x{pixels.shape[0]} and not {size}.",
            next_step="Give the picture that the placement was made for.",
        )
