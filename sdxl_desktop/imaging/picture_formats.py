"""The picture formats that are read and written: one table for decoder, writer, file dialogs, and what a drop is taken
for."""

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
    """A format as Pillow calls it, and how the names of its files end; `several`: a file may hold more than one
    picture that people would miss. `plugin` is the package beside Pillow that reads it.

    One that is written, too, has in `written` the endings under which it is, the usual one first, and in `options` what
    Pillow's encoder is given.
    """

    name: str
    suffixes: tuple[str, ...]
    is_multi_frame: bool = False
    plugin: str = ""
    written: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As people write it."""
        return {"WEBP": "WebP", "JPEG2000": "JPEG 2000"}.get(self.name, self.name)


# What Pillow also knows but a picture never needs is left out: EPS runs a program, and rarely used decoders are
# where the holes are. JPEG XL is left out because the one plugin that is kept up decodes a whole file before it says
# how large it is, and has a licence that this application cannot be shipped with.
_ALL_FORMATS = (
    PictureFormat("PNG", (".png", ".apng"), is_multi_frame=True, written=(".png",)),
    PictureFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        written=(".jpg", ".jpeg"),
        options={"quality": 95, "subsampling": 0},
    ),
    PictureFormat("MPO", (".mpo",)),
    PictureFormat("WEBP", (".webp",), is_multi_frame=True, written=(".webp",), options={"quality": 95, "method": 4}),
    PictureFormat("HEIF", (".heic", ".heif", ".hif"), plugin="pillow_heif"),
    PictureFormat("AVIF", (".avif",), is_multi_frame=True),
    PictureFormat("TIFF", (".tif", ".tiff"), is_multi_frame=True),
    PictureFormat("GIF", (".gif",), is_multi_frame=True),
    PictureFormat("BMP", (".bmp",)),
    PictureFormat("DIB", (".dib",)),
    PictureFormat("JPEG2000", (".jp2", ".j2k", ".jpx")),
    PictureFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    PictureFormat("TGA", (".tga",)),
    PictureFormat("ICO", (".ico",)),
    PictureFormat("ICNS", (".icns",)),
    PictureFormat("PSD", (".psd",)),
    PictureFormat("QOI", (".qoi",)),
    PictureFormat("PCX", (".pcx",)),
    PictureFormat("DDS", (".dds",)),
)


WRITTEN = tuple(each for each in _ALL_FORMATS if each.written)
"""Those that pictures are written in, the usual one first."""
WRITTEN_ENDINGS = tuple(ending for each in WRITTEN for ending in each.written)

MASK_ENDINGS = (".png",)
"""Masks are written in PNG alone, which loses nothing."""


def written_format(file: Path) -> PictureFormat | None:
    """The format that a picture is written in to `file`, by its ending; None for any other ending."""
    return next((each for each in WRITTEN if file.suffix.lower() in each.written), None)


def listed(endings: Iterable[str]) -> str:
    """Such as ".png, .jpg or .webp"."""
    *others, last = endings
    return f"{', '.join(others)} or {last}" if others else last


ALL_FILES = "All files (*)"


def dialog_filter(title: str, endings: Iterable[str]) -> str:
    """One choice of a file dialog, as Qt writes it: "JPEG (*.jpg *.jpeg)"."""
    return f"{title} ({' '.join(f'*{ending}' for ending in endings)})"


@lru_cache(maxsize=1)
def readable_formats() -> tuple[PictureFormat, ...]:
    """Those that can be read here: some depend on how Pillow was built, others on a plugin that may be missing."""
    Image.init()
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return tuple(each for each in _ALL_FORMATS if each.name in Image.OPEN)


@lru_cache(maxsize=1)
def picture_suffixes() -> tuple[str, ...]:
    """How the names of picture files end that can be opened; known without loading any decoder's plugin."""
    Image.init()
    offered = (
        each
        for each in _ALL_FORMATS
        if (find_spec(each.plugin) is not None if each.plugin else each.name in Image.OPEN)
    )
    return tuple(ending for each in offered for ending in each.suffixes)


def mask_filter() -> str:
    """What a file dialog offers for a mask: every picture can be one."""
    return f"{dialog_filter('Masks', MASK_ENDINGS)};;{dialog_filter('Pictures', picture_suffixes())};;{ALL_FILES}"


_WEAK = frozenset({"DIB", "PCX", "ICO", "TGA"})
"""Formats whose files begin with so little of their own that other files begin so, too: their names tell them."""


def picture_begins(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes is a picture that can be read here."""
    for each in readable_formats():
        accepts = Image.OPEN[each.name][1]
        if each.name not in _WEAK and accepts is not None and accepts(prefix) is True:
            return True
    return False
