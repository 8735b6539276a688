"""The texts in a picture file: PNG's text chunks, EXIF and XMP, without its pixels and within bounds.

A file from elsewhere may claim any length, compress a gigabyte into a kilobyte, or define entities in its XML; what is
too long or malformed is left out.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

from PIL import Image

from sdxl_desktop.core.regular_files import open_regular

MAX_TEXT = 4 * 2**20
"""Maximum bytes of one text; a large graph of ComfyUI has 1 MB."""
XMP_KEY = "XML:com.adobe.xmp"
"""PNG's key of an XMP packet."""
MAKER_NOTE, USER_COMMENT, EXIF_IFD = 0x927C, 0x9286, 0x8769
_IMAGE_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _ARTIST = 0x010E, 0x010F, 0x0110, 0x0131, 0x013B
_EXIF_TEXTS = {
    _IMAGE_DESCRIPTION: "ImageDescription",
    _MAKE: "Make",
    _MODEL: "Model",
    _SOFTWARE: "Software",
    _ARTIST: "Artist",
}
_MAX_TOTAL = 16 * 2**20
_MAX_CHUNKS = 200_000
_MAX_XMP = 2**20
_MAX_XMP_ELEMENTS = 20_000
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
_OTHER_FORMATS = ("JPEG", "MPO", "WEBP", "AVIF")


@dataclass(frozen=True, slots=True)
class PictureTexts:
    """`texts` by key: those of PNG, and of EXIF by the names in `_EXIF_TEXTS`; the EXIF `user_comment`, decoded;
    `maker_note`, as it is; the properties in the `xmp` packet by local name."""

    texts: Mapping[str, str] = field(default_factory=dict)
    user_comment: str = ""
    maker_note: bytes = b""
    xmp: Mapping[str, str] = field(default_factory=dict)


def read_picture_texts(path: Path) -> PictureTexts:
    """Return the texts of the picture at `path`; none for a file that is no picture of these formats. The pixels are
    not decoded. Raises OSError if the file cannot be read."""
    with open_regular(path) as file:
        is_png = file.read(len(_PNG_SIGNATURE)) == _PNG_SIGNATURE
        if is_png:
            return _from_png(file)
        file.seek(0)
        return _from_other(file)


def _from_png(file: BinaryIO) -> PictureTexts:
    texts: dict[str, str] = {}
    exif: Image.Exif | None = None
    total = 0
    for kind, body in _png_chunks(file):
        total += len(body)
        if total > _MAX_TOTAL:
            break
        if kind == b"eXIf":
            exif = _parsed_exif(body)
            continue
        with suppress(ValueError, zlib.error):
            key, text = _png_text(kind, body)
            total += len(text)
            texts[key] = text
    return _with_exif(texts, exif, texts.get(XMP_KEY, ""))


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the body of each text chunk, also after the pixels; longer ones than `MAX_TEXT` are
    skipped."""
    end = os.fstat(file.fileno()).st_size
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        at = file.tell()
        if kind == b"IEND" or at + length > end:
            return
        if kind in _TEXT_CHUNKS and length <= MAX_TEXT:
            yield kind, file.read(length)
        file.seek(at + length + 4)


def _png_text(kind: bytes, body: bytes) -> tuple[str, str]:
    """Return key and text of a chunk; raises ValueError and zlib.error for a malformed one."""
    key, _, rest = body.partition(b"\0")
    name = key.decode("latin-1")
    if kind == b"tEXt":
        return name, _decoded(rest)
    if kind == b"zTXt":
        return name, _decoded(_inflated(rest[1:]))
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]
    return name, (_inflated(text) if compressed else text).decode("utf-8", "replace")


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(content, MAX_TEXT)
    if inflater.unconsumed_tail:
        raise ValueError("too long")
    return text


def _decoded(content: bytes) -> str:
    """Decode a text that should be in Latin-1, and is in UTF-8 in the files of some programs."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _from_other(file: BinaryIO) -> PictureTexts:
    Image.init()  # `Image.OPEN` is empty before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=[kind for kind in _OTHER_FORMATS if kind in Image.OPEN]) as image:
                packet = image.info.get("xmp") or b""
                xmp = packet[:_MAX_XMP].decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
                return _with_exif({}, image.getexif(), xmp)
        except Exception:  # any Pillow error: opening the picture reports it
            return PictureTexts()


def _parsed_exif(body: bytes) -> Image.Exif | None:
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif.load(body)
        except Exception:  # any Pillow error
            return None
    return exif


def _with_exif(texts: dict[str, str], exif: Image.Exif | None, xmp: str) -> PictureTexts:
    comment, note = "", b""
    if exif is not None:
        try:
            for tag, name in _EXIF_TEXTS.items():
                value = exif.get(tag)
                if isinstance(value, str) and value and len(value) <= MAX_TEXT:
                    texts.setdefault(name, value)
            inner = exif.get_ifd(EXIF_IFD)
            comment = _decoded_comment(inner.get(USER_COMMENT))
            found = inner.get(MAKER_NOTE)
            note = found if isinstance(found, bytes) and len(found) <= MAX_TEXT else b""
        except Exception:  # any Pillow error in a malformed directory
            comment, note = "", b""
    return PictureTexts(texts, comment, note, _xmp_properties(xmp))


def _decoded_comment(value: Any) -> str:
    """Decode an EXIF user comment: 8 bytes say how it is encoded, if the program wrote them."""
    if isinstance(value, str):
        return value[:MAX_TEXT].strip("\0")
    if not isinstance(value, bytes) or len(value) > 2 * MAX_TEXT:
        return ""
    code, text = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        return _decoded_utf16(text).strip("\0")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return _decoded(text).strip("\0")
    return _decoded(value).strip("\0")


def _decoded_utf16(text: bytes) -> str:
    """Decode UTF-16 of either byte order: programs write both, whatever order the rest of the file has."""
    beginning = text[:512]
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace")
    high, low = beginning[0::2].count(0), beginning[1::2].count(0)
    if not high and not low and len(beginning) > 8:
        with suppress(UnicodeDecodeError):
            return text.decode("utf-8") if beginning.isascii() else text.decode("utf-16-be")
    return text.decode("utf-16-le" if low > high else "utf-16-be", "replace")


def _xmp_properties(packet: str) -> Mapping[str, str]:
    """Return the texts in an XMP packet by local name: attributes, and elements with their first entry."""
    if not packet or len(packet) > _MAX_XMP or "<!DOCTYPE" in packet or "<!ENTITY" in packet:
        return {}
    start, end = packet.find("<"), packet.rfind(">")
    try:
        root = ElementTree.fromstring(packet[start : end + 1])
    except (ElementTree.ParseError, ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    name = ""
    for number, element in enumerate(root.iter()):
        if number > _MAX_XMP_ELEMENTS:
            break
        local = _local(element.tag)
        name = name if local in ("Alt", "Bag", "Seq", "li") else local
        for key, value in element.attrib.items():
            if local != "li":
                found.setdefault(_local(key), value)
        if element.text and element.text.strip():
            found.setdefault(name, element.text)
    return found


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
