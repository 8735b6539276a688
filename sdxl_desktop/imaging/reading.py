"""How picture and mask files become pixels: every common format, depth, colour space and rotation, or a clear error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdxl_desktop.core.edit import Prefill
from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging.colours import alpha_of, grey, srgb
from sdxl_desktop.imaging.decoding import MAX_PIXELS, damage_explained, decoded
from sdxl_desktop.imaging.prefill import prefill

__all__ = ["MASK_IN_ALPHA", "MAX_PIXELS", "OpenedPicture", "mask_from_alpha", "open_picture", "read_mask"]

MASK_IN_ALPHA = "sdxl-desktop-mask-in-alpha"
"""The text key of a PNG whose alpha is a mask, transparent where new pixels are wanted, over colours that are true."""
MAX_NAME = 255
"""Characters of a picture's name: those of a file's."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedPicture:
    """A picture as it is seen: `pixels` uint8 [H, W, 3] in sRGB, upright, and `alpha` uint8 [H, W] if it has any.

    Where the alpha is not 0 the pixels have the file's own colour, not blended with anything. `notes` are sentences
    about what was done to the file's content on the way. The arrays cannot be written to.
    """

    pixels: Bytes
    alpha: Bytes | None
    name: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])


def open_picture(source: Path | bytes, name: str = "") -> OpenedPicture:
    """Read a picture from a file or from the bytes of one; `name` is how notes and errors call it (else the file's
    name, with what is no text in it replaced).

    It is turned upright (EXIF), brought to 8 bits and to sRGB (by its ICC profile if it has one), and its alpha is
    kept apart. Of an animation or a document of several pages only the first is read. What is fully transparent has
    no colour that anybody has ever seen, so it continues its surroundings; only where we wrote a mask as the alpha
    ourselves is the colour under it the picture's own. Raises PictureError.
    """
    name = name or _name(source)
    notes: list[str] = []
    with damage_explained(name):
        image = decoded(source, name, notes)
        alpha = alpha_of(image)
        pixels = srgb(image, name, notes)
        if alpha is not None and MASK_IN_ALPHA not in image.info:
            pixels = _coloured(pixels, alpha, notes)
    for array in (pixels, alpha):
        if array is not None:
            array.setflags(write=False)
    return OpenedPicture(pixels, alpha, name, tuple(notes))


def read_mask(source: Path | bytes, size: Size) -> Bytes:
    """Read a mask for a picture of `size`: uint8 [H, W], 255 where new pixels are wanted.

    That is the file's alpha if it has one that varies (what is opaque was painted), and else its grey value. Where we
    wrote a mask as the alpha of a picture ourselves it is that mask. Raises PictureError when it cannot be read, has
    another size, or masks nothing.
    """
    name = _name(source, "The mask")
    with damage_explained(name):
        image = decoded(source, name, [])
        if image.size != (size.width, size.height):
            raise PictureError(
                f"The mask {image.width}x{image.height} does not have the size of the picture, {size}.",
                next_step=f"Give a mask of {size}, in which white is drawn anew and black is kept.",
            )
        mask = _mask_of(image)
    if not mask.any():
        raise PictureError(
            f"{name} is empty: all of it is black, so nothing would change.",
            next_step="Paint white what is to be drawn anew.",
        )
    return mask


def _mask_of(image: Image.Image) -> Bytes:
    alpha = alpha_of(image)
    if MASK_IN_ALPHA in image.info:
        return np.zeros((image.height, image.width), np.uint8) if alpha is None else 255 - alpha
    return alpha if alpha is not None and alpha.min() != alpha.max() else grey(image)


def mask_from_alpha(picture: OpenedPicture, *, invert: bool = False) -> Bytes:
    """The mask, uint8 [H, W], that a picture's alpha stands for: what is transparent is drawn anew, by degrees, and
    with `invert` what is opaque is. Raises PictureError when that masks nothing."""
    if picture.alpha is None:
        raise PictureError(
            f"{picture.name} has no transparency to take for a mask.",
            next_step="Open a picture with transparent areas, or paint the mask.",
        )
    mask = picture.alpha.copy() if invert else 255 - picture.alpha
    if not mask.any():
        raise PictureError(
            f"{picture.name} is fully transparent, so the mask would be empty.", next_step="Take it without inverting."
        )
    return mask


def _name(source: Path | bytes, otherwise: str = "The picture") -> str:
    """How the picture is called from here on, in text that can be shown and kept anywhere."""
    return shown(source.name, MAX_NAME) if isinstance(source, Path) else otherwise


def _coloured(pixels: Bytes, alpha: Bytes, notes: list[str]) -> Bytes:
    """The pixels with a colour for what is fully transparent."""
    clear = alpha == 0
    if clear.all():
        notes.append("The picture is fully transparent; it was filled with white.")
        return np.full_like(pixels, 255)
    if clear.any():
        notes.append("Fully transparent areas were filled with the colours around them.")
        return prefill(pixels, np.where(clear, np.uint8(255), np.uint8(0)), Prefill.SURROUNDINGS)
    return pixels
