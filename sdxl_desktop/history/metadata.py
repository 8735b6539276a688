"""A picture file that says how it was made, written whole or not at all, and read back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from PIL import Image, PngImagePlugin

from sdxl_desktop import __version__
from sdxl_desktop.core.checks import within
from sdxl_desktop.core.errors import OutputError, PictureError, named
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.foreign_text import encodable, shown
from sdxl_desktop.core.new_file import NameTakenError, write_new
from sdxl_desktop.core.path_text import path_of_text, text_of_path
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.whole_file import whole_file
from sdxl_desktop.imaging.formats import WRITTEN, WRITTEN_ENDINGS, PictureFormat, listed, written_format

KEY = "sdxl-desktop"
_EXIF_USER_COMMENT = 0x9286
_MAX_JPEG_EXIF = 65_533  # bytes in one JPEG segment
_READ = (*(each.name for each in WRITTEN), "MPO")
"""What `write_picture` writes; a phone's JPEG is an MPO."""
_BEGINNING = '{"version"'
_MAX_TEXT = 2**20
"""Characters of a record; the longest prompts stay far below."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into the file: the application's version, the picture's own seed, and the whole request, in
    which names stand for paths (in records of earlier versions the paths themselves). `checkpoint_id` names the
    content of the checkpoint ("" where that was not known)."""

    version: str
    seed: int
    request: GenerationRequest
    checkpoint_id: str = ""

    def __post_init__(self) -> None:
        within("The seed", self.seed, 0, MAX_SEED)


def write_picture(path: Path, picture: Picture, request: GenerationRequest, *, new: bool = False) -> None:
    """Write `picture` to `path` by its suffix, one of `WRITTEN_ENDINGS`, with its record; raises OutputError.

    The file appears whole: it is written beside its place and moved there. A `new` one never takes the place of
    another: then NameTakenError is raised.
    """
    _write(path, picture, encode_record(record_of(picture, request)), new=new)


def record_of(picture: Picture, request: GenerationRequest) -> Record:
    """How `picture` was made by `request`."""
    return Record(
        version=__version__, seed=picture.seed, request=request.recorded(), checkpoint_id=picture.checkpoint_id
    )


def write_plain(path: Path, picture: Picture, *, new: bool = False) -> None:
    """Write the pixels of `picture` to `path` like `write_picture`, and nothing else: no record, no prompt, no name of
    any software. The watermark, if it has one, is part of the pixels. Raises like `write_picture`."""
    _write(path, picture, None, new=new)


def _write(path: Path, picture: Picture, record: str | None, *, new: bool = False) -> None:
    kind = written_format(path)
    if kind is None:
        raise OutputError(
            f"{path.name!r} does not end in a picture format.", next_step=f"End it in {listed(WRITTEN_ENDINGS)}."
        )

    def save(beside: Path) -> None:
        _save(Image.fromarray(picture.pixels, "RGB"), beside, kind, record)

    try:
        if new:
            write_new(path, save)
        else:
            with whole_file(path) as beside:
                save(beside)
    except NameTakenError:
        raise
    except Exception as problem:  # encoders raise ValueError and others for what a format cannot hold
        raise OutputError(
            f"The picture could not be written to {path}.",
            why=named(problem),
            next_step="Choose another folder, or free space, and save it again.",
        ) from problem


def _save(image: Image.Image, path: Path, kind: PictureFormat, record: str | None) -> None:
    options: dict[str, Any] = dict(kind.options)
    if record is not None and kind.name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(KEY, record)
    elif record is not None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[_EXIF_USER_COMMENT] = b"UNICODE\0" + record.encode("utf-16-be")
        if kind.name != "JPEG" or len(exif.tobytes()) <= _MAX_JPEG_EXIF:  # the picture matters more than its record
            options["exif"] = exif
    image.save(path, kind.name, **options)


def read_record(path: Path) -> Record | None:
    """How the picture at `path` was made, or None when the file does not say.

    Raises PictureError when it says it in a way that cannot be used: damaged, endless, or values out of range; OSError
    when the file cannot be read. The pixels are not decoded.
    """
    with open_regular(path) as file:
        text = _said(file)
    if not text:
        return None
    if len(text) > _MAX_TEXT:
        raise _unusable(path, f"Its record has more than {_MAX_TEXT} characters.")
    try:
        return decode_record(text)
    except Exception as problem:
        raise _unusable(path, named(problem)) from problem


def _said(file: BinaryIO) -> str:
    """The text that says how a picture was made; empty where there is none, or none can be found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=[kind for kind in _READ if kind in Image.OPEN]) as image:
                return str((image.info.get(KEY) if image.format == "PNG" else _from_exif(image)) or "")
        except Exception:  # whatever Pillow raises: who opens the picture is told what is wrong with it
            return ""


def _unusable(path: Path, why: str) -> PictureError:
    return PictureError(
        f"How {shown(path.name)} was made cannot be taken over.",
        why=shown(why, 300),
        next_step="The picture itself can be used; set what you need by hand.",
    )


def encode_record(record: Record) -> str:
    """The record as JSON. Names that are no text have what is none replaced; paths are kept exactly."""
    return msgspec.json.encode(_encodable(msgspec.to_builtins(record, enc_hook=_encode))).decode()


def decode_record(text: str) -> Record:
    """The record from JSON; raises MsgspecError, RequestError or RecursionError for what is none."""
    return msgspec.json.decode(text, type=Record, dec_hook=_decode)


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return encodable(value)
        case dict():
            return {key: _encodable(one) for key, one in value.items()}
        case list() | tuple():
            return [_encodable(one) for one in value]
    return value


def _from_exif(image: Image.Image) -> str | None:
    comment = image.getexif().get_ifd(0x8769).get(_EXIF_USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        text = comment[8:].decode("utf-16-be", errors="replace")
        return text if text.startswith(_BEGINNING) else None  # comments of cameras and people stand there too
    return None


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return text_of_path(value)
    raise TypeError(f"{type(value)} has no place in a record")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return path_of_text(value)
    raise TypeError(f"{kind} has no place in a record")
