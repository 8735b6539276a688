"""Picture files with a metadata record, written atomically and read back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from PIL import Image, PngImagePlugin

from sdxl_desktop import __version__
from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.errors import OutputError, PictureError, describe_error
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.exclusive_write import FileNameTakenError, write_exclusively
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.imaging.picture_formats import WRITTEN, WRITTEN_ENDINGS, PictureFormat, listed, written_format

METADATA_KEY = "sdxl-desktop"
_EXIF_USER_COMMENT = 0x9286
_MAX_JPEG_EXIF = 65_533  # bytes in one JPEG segment
_READABLE_FORMATS = (*(each.name for each in WRITTEN), "MPO")
"""The formats that `write_picture` writes; a phone's JPEG is an MPO."""
_RECORD_PREFIX = '{"version"'
_MAX_TEXT = 2**20
"""Maximum characters of a record; the longest prompts are far below."""


class PictureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record in the file: the application's version, the picture's own seed, and the whole request, with names
    instead of paths (records of earlier versions contain the paths). `checkpoint_id` is the content ID of the
    checkpoint ("" if unknown)."""

    version: str
    seed: int
    request: GenerationRequest
    checkpoint_id: str = ""

    def __post_init__(self) -> None:
        check_range("The seed", self.seed, 0, MAX_SEED)


def write_picture(path: Path, picture: Picture, request: GenerationRequest, *, new: bool = False) -> None:
    """Write `picture` to `path` by its suffix, one of `WRITTEN_ENDINGS`, with its record; raises OutputError.

    The write is atomic: to a temporary file in the same folder, then renamed. A `new` file never replaces another:
    FileNameTakenError is raised instead.
    """
    _write(path, picture, encode_record(create_record(picture, request)), new=new)


def create_record(picture: Picture, request: GenerationRequest) -> PictureRecord:
    """Return the record of `picture`, made by `request`."""
    return PictureRecord(
        version=__version__, seed=picture.seed, request=request.for_metadata(), checkpoint_id=picture.checkpoint_id
    )


def write_picture_without_metadata(path: Path, picture: Picture, *, new: bool = False) -> None:
    """Write the pixels of `picture` to `path` like `write_picture`, and nothing else: no record, no prompt, no software
    name. The watermark, if any, is part of the pixels. Raises like `write_picture`."""
    _write(path, picture, None, new=new)


def _write(path: Path, picture: Picture, record: str | None, *, new: bool = False) -> None:
    kind = written_format(path)
    if kind is None:
        raise OutputError(
            f"{path.name!r} does not end in a picture format.", next_step=f"End it in {listed(WRITTEN_ENDINGS)}."
        )

    def write_image(temporary: Path) -> None:
        _save(Image.fromarray(picture.pixels, "RGB"), temporary, kind, record)

    try:
        if new:
            write_exclusively(path, write_image)
        else:
            with atomic_file(path) as temporary:
                write_image(temporary)
    except FileNameTakenError:
        raise
    except Exception as problem:  # encoders raise ValueError and others for unsupported content
        raise OutputError(
            f"The picture could not be written to {path}.",
            why=describe_error(problem),
            next_step="Choose another folder, or free space, and save it again.",
        ) from problem


def _save(image: Image.Image, path: Path, kind: PictureFormat, record: str | None) -> None:
    options: dict[str, Any] = dict(kind.options)
    if record is not None and kind.name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(METADATA_KEY, record)
    elif record is not None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[_EXIF_USER_COMMENT] = b"UNICODE\0" + record.encode("utf-16-be")
        if kind.name != "JPEG" or len(exif.tobytes()) <= _MAX_JPEG_EXIF:  # the picture matters more than its record
            options["exif"] = exif
    image.save(path, kind.name, **options)


def read_record(path: Path) -> PictureRecord | None:
    """Return the record of the picture at `path`, or None if the file has none.

    Raises PictureError for an unusable record: damaged, too long, or with values out of range; OSError if the file
    cannot be read. The pixels are not decoded.
    """
    with open_regular(path) as file:
        text = _read_record_text(file)
    if not text:
        return None
    if len(text) > _MAX_TEXT:
        raise _record_error(path, f"Its record has more than {_MAX_TEXT} characters.")
    try:
        return decode_record(text)
    except Exception as problem:
        raise _record_error(path, describe_error(problem)) from problem


def _read_record_text(file: BinaryIO) -> str:
    """Return the text of the record; empty if there is none, or none can be found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=[kind for kind in _READABLE_FORMATS if kind in Image.OPEN]) as image:
                return str((image.info.get(METADATA_KEY) if image.format == "PNG" else _from_exif(image)) or "")
        except Exception:  # any Pillow error: opening the picture reports it
            return ""


def _record_error(path: Path, why: str) -> PictureError:
    return PictureError(
        f"How {display_text(path.name)} was made cannot be taken over.",
        why=display_text(why, 300),
        next_step="The picture itself can be used; set what you need by hand.",
    )


def encode_record(record: PictureRecord) -> str:
    """Encode the record as JSON. Names that are not valid text have invalid characters replaced; paths are kept
    exactly."""
    return msgspec.json.encode(_replace_unencodable_in(msgspec.to_builtins(record, enc_hook=_encode))).decode()


def decode_record(text: str) -> PictureRecord:
    """Decode a record from JSON; raises MsgspecError, RequestError or RecursionError for an invalid one."""
    return msgspec.json.decode(text, type=PictureRecord, dec_hook=_decode)


def _replace_unencodable_in(value: Any) -> Any:
    match value:
        case str():
            return replace_unencodable(value)
        case dict():
            return {key: _replace_unencodable_in(one) for key, one in value.items()}
        case list() | tuple():
            return [_replace_unencodable_in(one) for one in value]
    return value


def _from_exif(image: Image.Image) -> str | None:
    comment = image.getexif().get_ifd(0x8769).get(_EXIF_USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        text = comment[8:].decode("utf-16-be", errors="replace")
        return text if text.startswith(_RECORD_PREFIX) else None  # cameras and users write comments there too
    return None


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return path_to_text(value)
    raise TypeError(f"{type(value)} has no place in a record")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return text_to_path(value)
    raise TypeError(f"{kind} has no place in a record")
