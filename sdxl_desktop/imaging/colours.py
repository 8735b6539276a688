"""Converts decoded images of any depth and colour space to 8-bit sRGB, grey and alpha."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from sdxl_desktop.core.backdrop import backdrop_colour
from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_text import display_text

_HIGH_BIT_DEPTH_MODES = ("I", "F")
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "LAB "}
_QUIET_PROFILES = ("srgb", "s-rgb")
_16_BITS = 65535
_CHECKER_SIDE = 16
"""Pixels per side of a square."""


def alpha_channel(image: Image.Image) -> UInt8Array | None:
    """Return the alpha, uint8 [H, W], of a decoded image; None if it has none or is fully opaque."""
    alpha = _any_alpha(image)
    return None if alpha is None or bool((alpha == 255).all()) else alpha


def composite_over_backdrop(pixels: UInt8Array, alpha: UInt8Array, backdrop: str) -> UInt8Array:
    """Blend the colours, uint8 [H, W, 3], by the alpha, uint8 [H, W], over a backdrop (see `core.backdrop`), in sRGB as
    viewers and browsers do. Raises ValueError for an invalid backdrop."""
    height, width = alpha.shape
    colour = backdrop_colour(backdrop)
    below = (
        Image.fromarray(_checkerboard(width, height)) if colour is None else Image.new("RGB", (width, height), colour)
    )
    below.paste(Image.fromarray(pixels), mask=Image.fromarray(alpha))
    return np.array(below)


def _checkerboard(width: int, height: int) -> UInt8Array:
    """Return a checkerboard of two light greys, as image editors show transparency."""
    dark = ((np.arange(height)[:, None] // _CHECKER_SIDE + np.arange(width) // _CHECKER_SIDE) % 2).astype(bool)
    return np.where(dark, np.uint8(204), np.uint8(255))[..., None].repeat(3, axis=2)


def to_grey(image: Image.Image) -> UInt8Array:
    """Return the grey values, uint8 [H, W], as stored in the file: masks are numbers, not colours."""
    return np.array(_to_8_bits(image, [], "The mask").convert("RGB").convert("L"))


def to_srgb(image: Image.Image, name: str, notes: list[str]) -> UInt8Array:
    """Return the colours, uint8 [H, W, 3] in sRGB, not blended with the alpha; sentences about the conversion are
    appended to `notes`.

    Raises PictureError for a colour space that cannot be converted.
    """
    plain = _remove_alpha(_to_8_bits(image, notes, name))
    profile = image.info.get("icc_profile")
    if profile:
        converted = _convert_by_profile(plain, bytes(profile), notes)
        if converted is not None:
            return np.array(converted)
    if plain.mode == "CMYK":
        notes.append("The picture is CMYK without a usable colour profile; its colours are approximate.")
    if plain.mode == "LAB":
        plain = _transform_to_srgb(plain, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    try:
        return np.array(plain.convert("RGB"))
    except ValueError as problem:
        raise PictureError(
            f"The colours of {name} are of an unsupported kind ({plain.mode}).",
            next_step="Save it as an 8-bit RGB PNG and open that.",
        ) from problem


def _any_alpha(image: Image.Image) -> UInt8Array | None:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return np.array(image.getchannel("A" if "A" in image.getbands() else "a"))
    transparent = image.info.get("transparency")
    if transparent is None:
        return None
    if image.mode in ("1", "L", "RGB", "P"):
        return np.array(image.convert("RGBA").getchannel("A"))
    if _has_high_bit_depth(image) and isinstance(transparent, int):
        return np.where(np.asarray(image) == transparent, np.uint8(0), np.uint8(255))
    return None


def _remove_alpha(image: Image.Image) -> Image.Image:
    """Return the same colours in a mode without alpha: L, RGB, CMYK, LAB, or another that Pillow converts to RGB."""
    if image.mode in ("1", "LA", "La"):
        return (image.convert("LA") if image.mode == "La" else image).convert("L")
    if image.mode in ("P", "PA", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV"):
        return (image.convert("RGBA") if image.mode in ("P", "PA", "RGBa") else image).convert("RGB")
    return image


def _has_high_bit_depth(image: Image.Image) -> bool:
    return image.mode in _HIGH_BIT_DEPTH_MODES or image.mode.startswith("I;16")


def _to_8_bits(image: Image.Image, notes: list[str], name: str) -> Image.Image:
    """Scale grey of more than 8 bits to 8; return other images unchanged.

    16-bit values are divided by 257. Wider integers and floats do not define white: values within a common range (0 to
    1 for floats, 0 to 255, 0 to 65535) are scaled from it, others from their minimum to their maximum.
    """
    if not _has_high_bit_depth(image):
        return image
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        low, high = 0.0, float(_16_BITS)
    else:
        values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = _value_range(values, image.mode)
    notes.append(f"{name} has more than 8 bits a pixel; they were scaled to 8 ({low:g} is black, {high:g} white).")
    scaled = (values - np.float32(low)) * np.float32(255 / (high - low))
    return Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def _value_range(values: npt.NDArray[np.float64], mode: str) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    ranges = (1.0, 255.0, _16_BITS) if mode == "F" else (_16_BITS,)
    fitting = [limit for limit in ranges if low >= 0 and high <= limit]
    if fitting:
        return 0.0, float(fitting[0])
    return (low, high) if high > low else (low - 1, high)


def _convert_by_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image | None:
    """Return the image in sRGB; None, with a note, if its profile cannot be used."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        described = display_text(ImageCms.getProfileDescription(opened))
        if opened.profile.xcolor_space != _PROFILE_SPACES.get(image.mode):
            notes.append(f"The colour profile ({described}) is not one for such a picture and was ignored.")
            return None
        converted = _transform_to_srgb(image, opened)
    except Exception:  # profiles are untrusted programs for colours; anything can fail
        notes.append("The colour profile is damaged and was ignored.")
        return None
    if not described.lower().startswith(_QUIET_PROFILES):
        notes.append(f"The colours were converted from {described or 'the file’s profile'} to sRGB.")
    return converted


def _transform_to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert the image from `profile` to sRGB, relative colorimetric with black point compensation, as viewers do."""
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted
