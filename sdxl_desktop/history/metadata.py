"""A picture file that says how it was made, written whole or not at all, and read back."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from sdxl_desktop import __version__
from sdxl_desktop.core.errors import OutputError, RequestError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.new_file import write_new
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.whole_file import whole_file

KEY = "sdxl-desktop"
_EXIF_USER_COMMENT = 0x9286
_MAX_JPEG_EXIF = 65_533  # bytes in one JPEG segment
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_OPTIONS = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95, "method": 4}}

_DAMAGE = (
    Image.DecompressionBombError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError,
    struct.error,
)  # fmt: skip
"""What Pillow raises over the heads of files that lie about themselves, beside OSError."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into the file: the application's version, the picture's own seed, and the whole request."""

    version: str
    seed: int
    request: GenerationRequest


def write_picture(path: Path, picture: Picture, request: GenerationRequest, *, new: bool = False) -> None:
    """Write `picture` to `path` by its suffix (.png, .jpg, .jpeg, .webp) with its record; raises OutputError.

    The file appears whole: it is written beside its place and moved there. A `new` one never takes the place of
    another: then NameTakenError is raised.
    """
    record = encode_record(Record(version=__version__, seed=picture.seed, request=request.recorded()))
    _write(path, picture, record, new=new)


def write_plain(path: Path, picture: Picture) -> None:
    """Write the pixels of `picture` to `path` like `write_picture`, and nothing else: no record, no prompt, no name of
    any software. The watermark, if it has one, is part of the pixels. Raises OutputError."""
    _write(path, picture, None)


def _write(path: Path, picture: Picture, record: str | None, *, new: bool = False) -> None:
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path.name!r} does not end in a picture format.",
            next_step="End it in .png, .jpg, .jpeg or .webp.",
        )

    def save(beside: Path) -> None:
        _save(Image.fromarray(picture.pixels, "RGB"), beside, kind, record)

    try:
        if new:
            write_new(path, save)
        else:
            with whole_file(path) as beside:
                save(beside)
    except OSError as problem:
        raise OutputError(
            f"The picture could not be written to {path}.",
            why=f"{problem.strerror or problem}.",
            next_step="Choose another folder, or free space, and save it again.",
        ) from problem


def _save(image: Image.Image, path: Path, kind: str, record: str | None) -> None:
    options: dict[str, Any] = dict(_OPTIONS[kind])
    if record is not None and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(KEY, record)
    elif record is not None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[_EXIF_USER_COMMENT] = b"UNICODE\0" + record.encode("utf-16-be")
        if kind != "JPEG" or len(exif.tobytes()) <= _MAX_JPEG_EXIF:  # the picture matters more than its record
            options["exif"] = exif
    image.save(path, kind, **options)


def read_record(path: Path) -> Record | None:
    """How the picture at `path` was made, or None when the file does not say, or says it in a way that nobody can
    read; raises OSError if it is no picture. The pixels are not decoded."""
    try:
        with Image.open(path) as image:
            text = image.info.get(KEY) if image.format == "PNG" else _from_exif(image)
        return None if not text else decode_record(str(text))
    except UnidentifiedImageError as problem:
        raise OSError(f"{path} is not a picture.") from problem
    except (msgspec.MsgspecError, RequestError, RecursionError, *_DAMAGE):
        return None


def encode_record(record: Record) -> str:
    """The record as JSON."""
    return msgspec.json.encode(record, enc_hook=_encode).decode()


def decode_record(text: str) -> Record:
    """The record from JSON; raises MsgspecError or RequestError for what is none."""
    return msgspec.json.decode(text, type=Record, dec_hook=_decode)


def _from_exif(image: Image.Image) -> str | None:
    comment = image.getexif().get_ifd(0x8769).get(_EXIF_USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        return comment[8:].decode("utf-16-be", errors="replace")
    return None


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} has no place in a record")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{kind} has no place in a record")
