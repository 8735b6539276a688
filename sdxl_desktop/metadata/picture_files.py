"""Picture files with a metadata record, written atomically and read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image, PngImagePlugin

from sdxl_desktop import __version__
from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.errors import OutputError, PictureError, describe_error
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.exclusive_write import FileNameTakenError, write_exclusively
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.imaging.picture_formats import WRITTEN_ENDINGS, PictureFormat, listed, written_format
from sdxl_desktop.metadata.digital_source import digital_source_packet
from sdxl_desktop.metadata.parameters_writer import parameters_text
from sdxl_desktop.metadata.picture_texts import (
    EXIF_IFD,
    MAKER_NOTE,
    USER_COMMENT,
    XMP_KEY,
    PictureTexts,
    read_picture_texts,
)
from sdxl_desktop.metadata.weight_files import UNKNOWN_FILES, WeightFiles

METADATA_KEY = "sdxl-desktop"
PARAMETERS_KEY = "parameters"
"""PNG's key of the text that other programs read."""
_MAKER_NOTE_PREFIX = f"{METADATA_KEY}\0".encode()
_MAX_JPEG_EXIF = 65_533  # bytes in one JPEG segment
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


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is written beside the pixels: our record as JSON, the text for other programs, the XMP packet or b""."""

    record: str
    parameters: str
    xmp: bytes


def write_picture(
    path: Path, picture: Picture, request: GenerationRequest, *, new: bool = False, files: WeightFiles = UNKNOWN_FILES
) -> None:
    """Write `picture` to `path` by its suffix, one of `WRITTEN_ENDINGS`, with its record; raises OutputError.

    Other programs read the text `parameters` beside it, which names the weights by `files`. The write is atomic: to a
    temporary file in the same folder, then renamed. A `new` file never replaces another: FileNameTakenError is raised
    instead.
    """
    declared = request.output.declare_source
    texts = _Texts(
        encode_record(create_record(picture, request)),
        replace_unencodable(parameters_text(request, picture.seed, files)).replace("\0", "\ufffd"),
        digital_source_packet(is_edit=request.edit is not None) if declared else b"",
    )
    _write(path, picture, texts, new=new)


def create_record(picture: Picture, request: GenerationRequest) -> PictureRecord:
    """Return the record of `picture`, made by `request`."""
    return PictureRecord(
        version=__version__, seed=picture.seed, request=request.for_metadata(), checkpoint_id=picture.checkpoint_id
    )


def write_picture_without_metadata(path: Path, picture: Picture, *, new: bool = False) -> None:
    """Write the pixels of `picture` to `path` like `write_picture`, and nothing else: no record, no prompt, no software
    name. The watermark, if any, is part of the pixels. Raises like `write_picture`."""
    _write(path, picture, None, new=new)


def _write(path: Path, picture: Picture, texts: _Texts | None, *, new: bool = False) -> None:
    kind = written_format(path)
    if kind is None:
        raise OutputError(
            f"{path.name!r} does not end in a picture format.", next_step=f"End it in {listed(WRITTEN_ENDINGS)}."
        )

    def write_image(temporary: Path) -> None:
        _save(Image.fromarray(picture.pixels, "RGB"), temporary, kind, texts)

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


def _save(image: Image.Image, path: Path, kind: PictureFormat, texts: _Texts | None) -> None:
    options: dict[str, Any] = dict(kind.options)
    if texts is not None and kind.name == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_itxt(METADATA_KEY, texts.record)
        info.add_text(PARAMETERS_KEY, texts.parameters)  # iTXt if it is not Latin-1
        if texts.xmp:
            info.add_itxt(XMP_KEY, texts.xmp.decode())
    elif texts is not None:
        exif = _exif(texts, _MAX_JPEG_EXIF if kind.name == "JPEG" else None)
        options |= {"exif": exif} if exif is not None else {}
        options |= {"xmp": texts.xmp} if texts.xmp else {}
    image.save(path, kind.name, **options)


def _exif(texts: _Texts, limit: int | None) -> Image.Exif | None:
    """Return both texts as EXIF, without that for other programs if both are larger than `limit` bytes; None if the
    record alone is: the picture matters more."""
    note = _MAKER_NOTE_PREFIX + texts.record.encode()
    for parameters in (texts.parameters, None):
        exif = Image.Exif()
        inner = exif.get_ifd(EXIF_IFD)
        inner[MAKER_NOTE] = note
        if parameters is not None:
            inner[USER_COMMENT] = b"UNICODE\0" + parameters.encode("utf-16-be")
        if limit is None or len(exif.tobytes()) <= limit:
            return exif
    return None


def read_record(path: Path) -> PictureRecord | None:
    """Return the record of the picture at `path`, or None if the file has none.

    Raises PictureError for an unusable record: damaged, too long, or with values out of range; OSError if the file
    cannot be read. The pixels are not decoded.
    """
    return record_in(path, read_picture_texts(path))


def record_in(path: Path, found: PictureTexts) -> PictureRecord | None:
    """Return the record in the texts `found` of the picture at `path`; raises PictureError as `read_record`."""
    text = _record_text(found)
    if not text:
        return None
    if len(text) > _MAX_TEXT:
        raise unusable_record_error(path, f"Its record has more than {_MAX_TEXT} characters.")
    try:
        return decode_record(text)
    except Exception as problem:
        raise unusable_record_error(path, describe_error(problem)) from problem


def _record_text(found: PictureTexts) -> str:
    """Return the JSON of our record, "" if there is none. Earlier versions wrote it as the EXIF user comment."""
    if METADATA_KEY in found.texts:
        return found.texts[METADATA_KEY]
    if found.maker_note.startswith(_MAKER_NOTE_PREFIX):
        return found.maker_note.removeprefix(_MAKER_NOTE_PREFIX).decode("utf-8", "replace")
    return found.user_comment if found.user_comment.startswith(_RECORD_PREFIX) else ""


def unusable_record_error(path: Path, why: str) -> PictureError:
    """Return the error for a picture whose record cannot be used; `why` is a sentence."""
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


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return path_to_text(value)
    raise TypeError(f"{type(value)} has no place in a record")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return text_to_path(value)
    raise TypeError(f"{kind} has no place in a record")
