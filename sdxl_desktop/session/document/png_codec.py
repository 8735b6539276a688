"""Fast PNG encoding and defensive PNG decoding of pixels."""

from __future__ import annotations

import io
import math
import struct
import zlib

import numpy as np
from PIL import PngImagePlugin

from sdxl_desktop.core.raster import UInt8Array

HEAD_BYTES = 33
"""Signature and IHDR chunk: enough to determine the decoded shape."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {2: 0, 3: 2}
"""PNG's colour type by the array's number of dimensions: greyscale and RGB."""
_SUB = 1
"""The filter that subtracts the pixel to the left (PNG specification, §9.2)."""
_BAND_BYTES = 2**22
_CHUNK_FRAME = 12
"""Bytes of a chunk besides its content: length, type and CRC."""
_ANCILLARY = 0x20
"""The bit in the first letter of a chunk type that marks the chunk as ancillary: decoders may ignore it."""
_AFTER_IDAT = b"after"
_MAY_FOLLOW = {b"": (b"IHDR",), b"IHDR": (b"IDAT",), b"IDAT": (b"IDAT", b"IEND"), _AFTER_IDAT: (b"IEND",)}
_FEWEST_CHUNKS, _SMALLEST_CHUNKS = 1000, 1024
"""A file may have this many chunks, plus one per this many bytes: each takes time, however short."""
_DEFLATE_AT_BEST = 1032
"""Maximum compression ratio of a deflate stream."""


def encode_png(pixels: UInt8Array) -> bytes:
    """Encode `pixels` (uint8 [H, W] or [H, W, 3]) as a PNG file.

    Every row uses the "sub" filter and run-length compression only: about four times faster than Pillow's fastest, a
    few per cent smaller on photographs and larger on drawings. The GIL is released meanwhile, so that a window on
    another thread stays responsive.
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


def _filtered(band: UInt8Array, row_bytes: int, channels: int) -> UInt8Array:
    """Return a band's rows as PNG bytes: the filter number, then each value minus that of the pixel to the left."""
    rows = band.reshape(band.shape[0], row_bytes)
    filtered = np.empty((band.shape[0], row_bytes + 1), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1 : channels + 1] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, channels + 1 :])
    return filtered


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def declared_shape(head: bytes, size: int) -> tuple[int, ...]:
    """Return the shape that a PNG file of `size` bytes would decode to, [H, W] or [H, W, 3], from its first HEAD_BYTES.

    Raises ValueError if it is no 8-bit greyscale or RGB PNG, or declares more pixels than its size can hold.
    """
    if len(head) < HEAD_BYTES or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise ValueError("it is no PNG")
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head[16:29])
    if bits != 8 or interlaced or colour not in _COLOUR_TYPES.values() or not (width and height):
        raise ValueError("it is not such a PNG as projects hold")
    shape = (height, width) if colour == _COLOUR_TYPES[2] else (height, width, 3)
    if height * width * (1 if len(shape) == 2 else 3) > _DEFLATE_AT_BEST * size:
        raise ValueError("it declares more pixels than it can hold")
    return shape


def png_limit(shape: tuple[int, ...]) -> int:
    """Maximum bytes of a PNG file with such pixels: the raw pixels plus a margin for other chunks."""
    return math.prod(shape) * 65 // 64 + shape[0] + 2**20


def decode_png(content: bytes) -> UInt8Array:
    """Return the pixels, uint8 of `declared_shape`, [H, W, 3] or [H, W]; raises what Pillow raises for damaged files,
    including ValueError.

    Only the chunks that hold the pixels are passed to Pillow, whose own pixel limit is bypassed: nothing else in the
    file can declare another size.
    """
    shape = declared_shape(content, len(content))
    with PngImagePlugin.PngImageFile(io.BytesIO(_required_chunks(content))) as picture:
        if picture.size != (shape[1], shape[0]) or picture.mode != ("L" if len(shape) == 2 else "RGB"):
            raise ValueError("it does not match its header")
        return np.array(picture, dtype=np.uint8)


def _required_chunks(content: bytes) -> bytes:
    """Return the signature, IHDR, IDAT and IEND of a PNG file, in the required order (PNG specification, §5.6): one
    header first, consecutive pixel chunks, one end, and nothing after it. Ancillary chunks are dropped; raises
    ValueError for any other structure."""
    view, at, last = memoryview(content), len(_SIGNATURE), b""
    kept, chunks = bytearray(view[:at]), _FEWEST_CHUNKS + len(content) // _SMALLEST_CHUNKS
    while last != b"IEND":
        chunks -= 1
        if len(content) - at < _CHUNK_FRAME or chunks < 0:
            raise ValueError("it is cut short" if chunks >= 0 else "it has too many chunks")
        (length,), kind = struct.unpack_from(">I", content, at), content[at + 4 : at + 8]
        end = at + _CHUNK_FRAME + length
        if end > len(content):
            raise ValueError("it is cut short")
        if kind[0] & _ANCILLARY == 0:
            if kind not in _MAY_FOLLOW[last]:
                raise ValueError("its chunks are not in the order of a PNG")
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
                raise ValueError("one of its chunks is damaged")
            kept += view[at:end]
            last = kind
        elif last == b"IDAT":
            last = _AFTER_IDAT
        at = end
    if at != len(content):
        raise ValueError("something follows its end")
    return bytes(kept)
