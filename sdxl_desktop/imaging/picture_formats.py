"""Table of the picture formats that are read and written, for the decoder, writer, file dialogs, and drop detection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A format by Pillow's name, its file suffixes and its MIME types; `is_multi_frame`: a file may hold more than one
    picture that users would miss. `plugin` is the package besides Pillow that reads it.

    For a format that is also written, `written` has the suffixes, the default one first, and `options` the arguments of
    Pillow's encoder.
    """

    name: str
    suffixes: tuple[str, ...]
    mime_types: tuple[str, ...] = ()
    is_multi_frame: bool = False
    plugin: str = ""
    written: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The display name."""
        return {"WEBP": "WebP", "JPEG2000": "JPEG 2000"}.get(self.name, self.name)


PNG_MIME_TYPE = "image/png"

# Pillow's other formats are left out: EPS runs a program, and rarely used decoders are where the
# vulnerabilities are. JPEG XL is left out because the only maintained plugin decodes a whole file before it
# reports the size, and its licence is incompatible with distributing this application.
_ALL_FORMATS = (
    PictureFormat("PNG", (".png", ".apng"), (PNG_MIME_TYPE, "image/apng"), is_multi_frame=True, written=(".png",)),
    PictureFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("image/jpeg",),
        written=(".jpg", ".jpeg"),
        options={"quality": 95, "subsampling": 0},
    ),
    PictureFormat("MPO", (".mpo",)),
    PictureFormat(
        "WEBP",
        (".webp",),
        ("image/webp",),
        is_multi_frame=True,
        written=(".webp",),
        options={"quality": 95, "method": 4},
    ),
    PictureFormat("HEIF", (".heic", ".heif", ".hif"), ("image/heic", "image/heif"), plugin="pillow_heif"),
    PictureFormat("AVIF", (".avif",), ("image/avif",), is_multi_frame=True),
    PictureFormat("TIFF", (".tif", ".tiff"), ("image/tiff",), is_multi_frame=True),
    PictureFormat("GIF", (".gif",), ("image/gif",), is_multi_frame=True),
    PictureFormat("BMP", (".bmp",), ("image/bmp",)),
    PictureFormat("DIB", (".dib",)),
    PictureFormat("JPEG2000", (".jp2", ".j2k", ".jpx"), ("image/jp2", "image/jpx")),
    PictureFormat(
        "PPM",
        (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        ("image/x-portable-pixmap", "image/x-portable-graymap", "image/x-portable-bitmap", "image/x-portable-anymap"),
    ),
    PictureFormat("TGA", (".tga",), ("image/x-tga",)),
    PictureFormat("ICO", (".ico",), ("image/vnd.microsoft.icon",)),
    PictureFormat("ICNS", (".icns",), ("image/x-icns",)),
    PictureFormat("PSD", (".psd",), ("image/vnd.adobe.photoshop",)),
    PictureFormat("QOI", (".qoi",), ("image/qoi",)),
    PictureFormat("PCX", (".pcx",), ("image/vnd.zbrush.pcx",)),
    PictureFormat("DDS", (".dds",), ("image/x-dds",)),
)


WRITTEN = tuple(each for each in _ALL_FORMATS if each.written)
"""The formats that pictures are written in, the default one first."""
WRITTEN_ENDINGS = tuple(ending for each in WRITTEN for ending in each.written)

LOSSLESS_ENDINGS = (".png",)
"""Suffixes of the written formats that keep every pixel."""
MASK_ENDINGS = LOSSLESS_ENDINGS


def written_format(file: Path) -> PictureFormat | None:
    """Return the format in which a picture is written to `file`, by its suffix; None for any other suffix."""
    return next((each for each in WRITTEN if file.suffix.lower() in each.written), None)


def listed(endings: Iterable[str]) -> str:
    """Join suffixes as in ".png, .jpg or .webp"."""
    *others, last = endings
    return f"{', '.join(others)} or {last}" if others else last


ALL_FILES = "All files (*)"


def dialog_filter(title: str, endings: Iterable[str]) -> str:
    """Return one file dialog filter in Qt's syntax: "JPEG (*.jpg *.jpeg)"."""
    return f"{title} ({' '.join(f'*{ending}' for ending in endings)})"


@lru_cache(maxsize=1)
def readable_formats() -> tuple[PictureFormat, ...]:
    """Return the formats that can be read here: some depend on Pillow's build, others on a plugin that may be
    missing."""
    Image.init()
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return tuple(each for each in _ALL_FORMATS if each.name in Image.OPEN)


@lru_cache(maxsize=1)
def _offered_formats() -> tuple[PictureFormat, ...]:
    """Return the formats that can be read here, without loading any decoder plugin."""
    Image.init()
    return tuple(
        each
        for each in _ALL_FORMATS
        if (find_spec(each.plugin) is not None if each.plugin else each.name in Image.OPEN)
    )


@lru_cache(maxsize=1)
def picture_suffixes() -> tuple[str, ...]:
    """Return the suffixes of picture files that can be opened."""
    return tuple(ending for each in _offered_formats() for ending in each.suffixes)


@lru_cache(maxsize=1)
def picture_mime_types() -> tuple[str, ...]:
    """Return the MIME types of pictures that can be opened."""
    return tuple(kind for each in _offered_formats() for kind in each.mime_types)


def mask_filter() -> str:
    """Return the file dialog filter for a mask: every picture can be one."""
    return f"{dialog_filter('Masks', MASK_ENDINGS)};;{dialog_filter('Pictures', picture_suffixes())};;{ALL_FILES}"


_WEAK = frozenset({"DIB", "PCX", "ICO", "TGA"})
"""Formats with so short a signature that other files match it; these are identified by suffix."""


def picture_begins(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes is a picture that can be read here."""
    for each in readable_formats():
        accepts = Image.OPEN[each.name][1]
        if each.name not in _WEAK and accepts is not None and accepts(prefix) is True:
            return True
    return False
