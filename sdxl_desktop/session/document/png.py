"""PNG files of pixels, packed fast and unpacked with care."""

from __future__ import annotations

import io
import math
import struct
import zlib

import numpy as np
from PIL import PngImagePlugin

from sdxl_desktop.core.raster import Bytes

HEAD_BYTES = 33
"""Signature and IHDR chunk: all that is needed to know what decoding would yield."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {2: 0, 3: 2}
"""PNG's colour type by the number of the array's dimensions: grey and RGB."""
_SUB = 1
"""The filter that subtracts the pixel to the left (PNG specification, §9.2)."""
_BAND_BYTES = 2**22
_DEFLATE_AT_BEST = 1032
"""No deflate stream unpacks to more than this many times its own size."""


def encode_png(pixels: Bytes) -> bytes:
    """`pixels` (uint8 [H, W] or [H, W, 3]) as a PNG file.

    Every row is filtered with "sub" and packed by runs only: about four times faster than Pillow's fastest, a few
    per cent smaller on photographs and larger on drawings. The interpreter's lock is let go of while it works, so a
    window on another thread does not feel it.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[pixels.ndim], 0, 0, 0)
    out = io.BytesIO()
    out.write(_SIGNATURE + _chunk(b"IHDR", head))
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    rows = max(1, _BAND_BYTES // (width * channels))
    for top in range(0, height, rows):
        packed = packer.compress(_filtered(pixels[top : top + rows], width * channels, channels).data)
        if packed:
            out.write(_chunk(b"IDAT", packed))
    out.write(_chunk(b"IDAT", packer.flush()))
    out.write(_chunk(b"IEND", b""))
    return out.getvalue()


def _filtered(band: Bytes, row_bytes: int, channels: int) -> Bytes:
    """The rows of a band as PNG's bytes: the filter's number, then each value less that of the pixel to the left."""
    rows = band.reshape(band.shape[0], row_bytes)
    filtered = np.empty((band.shape[0], row_bytes + 1), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1 : channels + 1] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, channels + 1 :])
    return filtered


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def promised_shape(head: bytes, size: int) -> tuple[int, ...]:
    """The shape that a PNG file of `size` bytes would decode to, [H, W] or [H, W, 3], told from its first HEAD_BYTES.

    Raises ValueError when it is no 8-bit grey or RGB PNG, or promises more than so few bytes can hold.
    """
    if len(head) < HEAD_BYTES or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise ValueError("it is no PNG")
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head[16:29])
    if bits != 8 or interlaced or colour not in _COLOUR_TYPES.values() or not (width and height):
        raise ValueError("it is not such a PNG as projects hold")
    shape = (height, width) if colour == _COLOUR_TYPES[2] else (height, width, 3)
    if height * width * (1 if len(shape) == 2 else 3) > _DEFLATE_AT_BEST * size:
        raise ValueError("it promises more pixels than it can hold")
    return shape


def png_limit(shape: tuple[int, ...]) -> int:
    """Bytes that a PNG file of such pixels may have: those of the pixels, and room for what it says beside them."""
    return math.prod(shape) * 65 // 64 + shape[0] + 2**20


def decode_png(content: bytes) -> Bytes:
    """The pixels, uint8 [H, W] or [H, W, 3]; raises what Pillow raises over damaged files, ValueError among it.

    `promised_shape` is to be asked before: `Image.open` with its own limit on pixels is gone round.
    """
    with PngImagePlugin.PngImageFile(io.BytesIO(content)) as picture:
        if picture.mode not in ("L", "RGB"):
            raise ValueError(f"its mode is {picture.mode}")
        return np.array(picture, dtype=np.uint8)
