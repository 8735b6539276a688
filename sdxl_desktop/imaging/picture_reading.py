"""Reads picture and mask files as pixels: every common format, depth, colour space and rotation, or a clear error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from sdxl_desktop.core.backdrop import WHITE, backdrop_description
from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.colours import alpha_channel, composite_over_backdrop, to_grey, to_srgb
from sdxl_desktop.imaging.decoding import MAX_PIXELS, as_picture_errors, decode_image

__all__ = ["MASK_IN_ALPHA", "MAX_PIXELS", "OpenedPicture", "mask_from_alpha", "open_picture", "read_mask"]

MASK_IN_ALPHA = "sdxl-desktop-mask-in-alpha"
"""Text key of a PNG whose alpha is a mask, transparent where new pixels are wanted, over unmodified colours."""
MAX_NAME = 255
"""Maximum characters of a picture's name, as for a file name."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedPicture:
    """An opened picture: `pixels` uint8 [H, W, 3] in sRGB, upright, and `alpha` uint8 [H, W] if it has any.

    If there is an alpha, the pixels are `colours`, the file's own, blended by it over `backdrop`; if the alpha is a
    mask written by this application, or there is none, they are the file's own. `notes` are sentences about how the
    file's content was changed. The arrays are read-only.
    """

    pixels: UInt8Array
    alpha: UInt8Array | None
    name: str
    notes: tuple[str, ...] = ()
    colours: UInt8Array | None = None
    backdrop: str = ""

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    @property
    def is_blended(self) -> bool:
        """Whether its transparency was blended over a backdrop."""
        return bool(self.backdrop)

    def with_backdrop(self, backdrop: str) -> OpenedPicture:
        """Return the same picture over another backdrop; raises ValueError for an invalid one."""
        if self.colours is None or self.alpha is None:
            return self
        return replace(
            self, pixels=_read_only(composite_over_backdrop(self.colours, self.alpha, backdrop)), backdrop=backdrop
        )


def open_picture(source: Path | bytes, name: str = "", *, backdrop: str = WHITE) -> OpenedPicture:
    """Read a picture from a file or from its bytes; `name` is used in notes and errors (default: the file's name, made
    encodable).

    It is rotated upright (EXIF), converted to 8 bits and to sRGB (by its ICC profile if it has one), and its
    transparency, soft edges and shadows included, is blended over `backdrop` (see `core.backdrop`). Of an animation or
    a multi-page document only the first frame is read. If the alpha is a mask written by this application, the colours
    under it are kept. Raises PictureError, and ValueError for an invalid backdrop.
    """
    name = name or _display_name(source)
    notes: list[str] = []
    with as_picture_errors(name):
        image = decode_image(source, name, notes)
        alpha = alpha_channel(image)
        pixels = to_srgb(image, name, notes)
    if alpha is None or MASK_IN_ALPHA in image.info:
        return OpenedPicture(_read_only(pixels), None if alpha is None else _read_only(alpha), name, tuple(notes))
    notes.append(_backdrop_note(alpha, backdrop))
    opened = OpenedPicture(pixels, _read_only(alpha), name, tuple(notes), _read_only(pixels), backdrop)
    return opened.with_backdrop(backdrop)


def _read_only(array: UInt8Array) -> UInt8Array:
    array.setflags(write=False)
    return array


def _backdrop_note(alpha: UInt8Array, backdrop: str) -> str:
    what = "Transparent areas were" if alpha.any() else "The picture is fully transparent; it was"
    return f"{what} put over {backdrop_description(backdrop)}."


def read_mask(source: Path | bytes, size: Size) -> UInt8Array:
    """Read a mask for a picture of `size`: uint8 [H, W], 255 where new pixels are wanted.

    The mask is the file's alpha if it has one that varies (opaque is masked), else its grey value. If the alpha is a
    mask written by this application, it is that mask. Raises PictureError if it cannot be read, has another size, or
    masks nothing.
    """
    name = _display_name(source, "The mask")
    with as_picture_errors(name):
        image = decode_image(source, name, [])
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


def _mask_of(image: Image.Image) -> UInt8Array:
    alpha = alpha_channel(image)
    if MASK_IN_ALPHA in image.info:
        return np.zeros((image.height, image.width), np.uint8) if alpha is None else 255 - alpha
    return alpha if alpha is not None and alpha.min() != alpha.max() else to_grey(image)


def mask_from_alpha(picture: OpenedPicture, *, invert: bool = False) -> UInt8Array:
    """Return the mask, uint8 [H, W], from a picture's alpha: transparent areas are masked, by degrees; with `invert`
    opaque areas are. Raises PictureError if that masks nothing."""
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


def _display_name(source: Path | bytes, fallback: str = "The picture") -> str:
    """Return the picture's name in text that can be displayed and stored anywhere."""
    return display_text(source.name, MAX_NAME) if isinstance(source, Path) else fallback
