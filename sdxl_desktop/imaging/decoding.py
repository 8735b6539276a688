"""Opens a file with Pillow safely: known formats, bounded size, upright, the first frame; or a PictureError."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from sdxl_desktop.core.errors import PictureError, describe_error
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.regular_files import FileTooLargeError, NotARegularFileError, read_regular
from sdxl_desktop.imaging.picture_formats import readable_formats
from sdxl_desktop.imaging.png_chunks import without_ancillary_chunks
from sdxl_desktop.imaging.truncated_files import are_nearly_equal, completed_variants, lacks_end_marker

MAX_FILE_BYTES = 2**30
"""Maximum bytes of a picture file: an uncompressed 16-bit TIFF of the largest cameras has nine tenths of this."""
MAX_PIXELS = 180_000_000
"""Half a gigabyte of colours; the largest cameras produce 150 million."""
MAX_THUMBNAIL_SOURCE_PIXELS = 40_000_000
_THUMBNAIL_FORMATS = ("PNG", "JPEG", "WEBP")
_THUMBNAIL_BACKDROP = (128, 128, 128, 255)

_UNSUPPORTED_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    *((4, b"ftyp" + brand, "a HEIC picture") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")),
    (4, b"ftypmif1", "a HEIF picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"gimp xcf", "a GIMP project"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"<svg", "a vector drawing (SVG)"),
    (0, b"<?xml", "an XML file, perhaps a vector drawing (SVG)"),
)
"""Offset, the bytes there, and the kind of file."""

_TRUNCATED_NOTE = "The file is cut short at its very end, but nothing of the picture, or next to nothing, is missing."
_NEXT_STEP = "Save it as PNG, JPEG, WebP or TIFF and open that."
_ORIENTATION = 0x0112
_TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_decode_lock = threading.Lock()


@contextmanager
def as_picture_errors(name: str) -> Iterator[None]:
    """Convert every exception on an untrusted picture to a PictureError: Pillow's decoders raise nearly anything over
    malformed files."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError as problem:
        raise PictureError(
            f"{name} does not fit in memory.", next_step="Close other programs, or make it smaller first."
        ) from problem
    except Exception as problem:
        raise PictureError(
            f"{name} is damaged or cannot be read.", why=describe_error(problem), next_step=_NEXT_STEP
        ) from problem


def decode_image(source: Path | bytes, name: str, notes: list[str]) -> Image.Image:
    """Return the first frame of a picture file, decoded and upright, in its own mode; raises PictureError.

    The image keeps its file's `info` (transparency, ICC profile). Sentences about the processing are appended to
    `notes`.
    """
    with as_picture_errors(name):
        data = source if isinstance(source, bytes) else _read_content(source, name)
        # Pillow warns about repairs in damaged files, and warning filters are global to the process
        with _decode_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode_or_repair(data, name, notes)


def decode_thumbnail(content: bytes, side: int) -> UInt8Array:
    """Return an untrusted PNG, JPEG or WebP picture as uint8 [H, W, 3], at most `side` pixels wide and high, over grey
    where it is transparent. Raises PictureError, also for one of more than `MAX_THUMBNAIL_SOURCE_PIXELS`."""
    with as_picture_errors("The thumbnail"), _decode_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(content), formats=_THUMBNAIL_FORMATS)
        if image.width * image.height > MAX_THUMBNAIL_SOURCE_PIXELS:
            raise PictureError(f"The thumbnail is too large: {image.width}x{image.height} pixels.")
        image.draft("RGB", (side, side))
        image.thumbnail((side, side))
        shown = image.convert("RGBA")
        over = Image.new("RGBA", shown.size, _THUMBNAIL_BACKDROP)
        return np.asarray(Image.alpha_composite(over, shown).convert("RGB"))


def _decode_or_repair(data: bytes, name: str, notes: list[str]) -> Image.Image:
    """Return the picture, or its readable part: a file may be damaged only outside its pixels, or truncated only at its
    very end."""
    try:
        image = _load_upright(_open_image(data, name), name, notes)
    except PictureError:
        for repair in (_decode_critical_chunks, _decode_completed):
            if (repaired := repair(data, name, notes)) is not None:
                return repaired
        raise
    if lacks_end_marker(data):
        notes.append(_TRUNCATED_NOTE)
    return image


def _decode_critical_chunks(data: bytes, name: str, notes: list[str]) -> Image.Image | None:
    """Return the picture of a PNG whose ancillary chunks are damaged."""
    needed = without_ancillary_chunks(data)
    if needed is None:
        return None
    found: list[str] = []
    try:
        image = _load_upright(_open_image(needed, name), name, found)
    except PictureError:
        return None
    notes += [*found, "The file's metadata is damaged and was ignored."]
    return image


def _decode_completed(data: bytes, name: str, notes: list[str]) -> Image.Image | None:
    """Return the picture of a file that lacks only its very end."""
    both = completed_variants(data)
    if both is None:
        return None
    found: list[str] = []
    try:
        image = _load_upright(_open_image(both[0], name), name, found)
        other = _load_upright(_open_image(both[1], name), name, [])
    except PictureError:
        return None
    if not are_nearly_equal(_comparable_array(image), _comparable_array(other)):
        return None
    notes += [*found, _TRUNCATED_NOTE]
    return image


def _comparable_array(image: Image.Image) -> npt.NDArray[Any]:
    """Return an array [H, W, C] for comparing two decoded images."""
    values = np.asarray(image)
    return values[..., None] if values.ndim == 2 else values


def _load_upright(image: ImageFile, name: str, notes: list[str]) -> Image.Image:
    """Return the image decoded and upright."""
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(
            f"{name} is too large: {image.width}x{image.height} pixels.",
            why=f"At most {MAX_PIXELS // 1_000_000} million pixels can be opened.",
            next_step="Make it smaller first.",
        )
    frames = _frame_count(image)
    try:
        image.load()
        if image.width * image.height > MAX_PIXELS:  # some formats know their size only now
            raise Image.DecompressionBombError
        upright = _apply_exif_orientation(image, notes)
    except MemoryError as problem:
        raise PictureError(
            f"{name} does not fit in memory: {image.width}x{image.height} pixels.",
            next_step="Close other programs, or make it smaller first.",
        ) from problem
    except Exception as problem:
        raise PictureError(
            f"{name} is cut short or damaged.",
            why=f"It starts as a {image.format} picture of {image.width}x{image.height} but cannot be decoded.",
            next_step="Copy or download it again.",
        ) from problem
    if frames > 1:
        notes.append(f"The file holds {frames} pictures; the first was opened.")
    return upright


def _read_content(path: Path, name: str) -> bytes:
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except FileNotFoundError as problem:
        raise PictureError(f"There is no file {path}.", next_step="Check the name and the folder.") from problem
    except IsADirectoryError as problem:
        raise PictureError(f"{path} is a folder.", next_step="Open a picture in it.") from problem
    except NotARegularFileError as problem:
        raise PictureError(
            f"{name} is not a file.", why=describe_error(problem), next_step="Open a picture file."
        ) from problem
    except FileTooLargeError as problem:
        raise PictureError(
            f"{name} is too large.", why=describe_error(problem), next_step="Make it smaller first."
        ) from problem
    except OSError as problem:
        raise PictureError(
            f"{name} cannot be read.",
            why=describe_error(problem),
            next_step="Check that you may read it, or copy it elsewhere.",
        ) from problem


def _open_image(data: bytes, name: str) -> ImageFile:
    """Open the file and read its header without decoding."""
    if not data:
        raise PictureError(f"{name} is empty.", why="The file has no content.", next_step="Copy or download it again.")
    known = [each.name for each in readable_formats()]
    # the error for Pillow's own limit names no size; the caller's does
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        image = Image.open(io.BytesIO(data), formats=known)
    except UnidentifiedImageError as problem:
        raise _unknown_format_error(data, name) from problem
    except MemoryError:
        raise
    except Exception as problem:
        raise PictureError(
            f"{name} is damaged.", why="Its first bytes contradict each other.", next_step=_NEXT_STEP
        ) from problem
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if image.width < 1 or image.height < 1:
        raise PictureError(
            f"{name} has no pixels.", why=f"It is {image.width}x{image.height}.", next_step="Open another picture."
        )
    return image


def _unknown_format_error(data: bytes, name: str) -> PictureError:
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n") if data[:64].lstrip()[:1] == b"<" else data[:64]
    for offset, magic, what in _UNSUPPORTED_FORMATS:
        if start[offset : offset + len(magic)] == magic:
            return PictureError(f"{name} is {what}, which is not supported.", next_step=_NEXT_STEP)
    return PictureError(f"{name} is not a picture, or is damaged from its first bytes on.", next_step=_NEXT_STEP)


def _frame_count(image: ImageFile) -> int:
    """Return the number of pictures in the file: a phone's depth map (MPO) and the layers of a PSD do not count."""
    if not any(each.is_multi_frame for each in readable_formats() if each.name == image.format):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:
        return 1


def _apply_exif_orientation(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return the decoded image rotated by its EXIF orientation; Pillow has already rotated TIFF files."""
    try:
        turn = _TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a picture with broken EXIF data is still shown
        return image
    if turn is None:
        return image
    notes.append("The picture was turned upright, as its EXIF data say.")
    return image.transpose(turn)
