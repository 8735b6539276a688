"""Thumbnails of picture files: small, upright, in sRGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.colours import alpha_channel, to_srgb
from sdxl_desktop.imaging.decoding import as_picture_errors, decode_image
from sdxl_desktop.imaging.picture_reading import open_picture

_PLAIN_MODES = ("RGB", "L")
"""Modes that may be made smaller before their colours are converted."""


def read_thumbnail(file: Path, side: int) -> UInt8Array:
    """Return the picture in `file` with at most `side` pixels a side, uint8 [h, w, 3]; a smaller picture keeps its
    size. Raises PictureError."""
    name = display_text(file.name)
    with as_picture_errors(name):
        image = decode_image(file, name, [])
        if image.mode in _PLAIN_MODES and alpha_channel(image) is None:
            image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
            return to_srgb(image, name, [])
        whole = Image.fromarray(open_picture(file).pixels, "RGB")
        whole.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(whole, dtype=np.uint8)
