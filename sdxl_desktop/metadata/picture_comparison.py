"""Checks by record and pixels whether a file is exactly a given picture."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.imaging.picture_formats import LOSSLESS_ENDINGS, written_format
from sdxl_desktop.metadata.picture_files import read_record, write_picture

_MAX_METADATA_BYTES = 2**22
"""Maximum bytes of a file in addition to its pixels, for its record."""


def is_same_picture(file: Path, picture: Picture, request: GenerationRequest) -> bool:
    """Whether `file` is the result of `write_picture` for `picture` and `request`.

    Its size, its record and its picture size are checked before any pixel is decoded. Never raises because of the file.
    """
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > 2 * picture.pixels.nbytes + _MAX_METADATA_BYTES:
            return False
        record = read_record(file)
        if record is None or (record.seed, record.request) != (picture.seed, request.for_metadata()):
            return False
        found = _decode_pixels(file, picture.pixels.shape)
        if found is None or file.suffix.lower() in LOSSLESS_ENDINGS:
            return found is not None and np.array_equal(found, picture.pixels)
        with tempfile.TemporaryDirectory(prefix="sdxl-desktop-") as folder:  # encode again: the format may be lossy
            again = Path(folder) / f"again{file.suffix}"
            write_picture(again, picture, request)
            expected = _decode_pixels(again, picture.pixels.shape)
        return expected is not None and np.array_equal(found, expected)
    except (OSError, OutputError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError):
        return False


def _decode_pixels(file: Path, shape: tuple[int, ...]) -> UInt8Array | None:
    """Return the pixels, uint8 [H, W, 3]; None if the file has another format than its name, or another size."""
    kind = written_format(file)
    if kind is None:
        return None
    with Image.open(file, formats=[kind.name]) as image:
        if image.size != (shape[1], shape[0]) or image.mode != "RGB":
            return None
        return np.array(image, dtype=np.uint8)
