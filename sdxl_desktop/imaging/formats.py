"""The picture formats that are read: one table for the decoder, the file dialog and what a drop is taken for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from PIL import Image


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A format as Pillow calls it, and how the names of its files end; `several`: a file may hold more than one
    picture that people would miss. `plugin` is the package beside Pillow that reads it."""

    name: str
    endings: tuple[str, ...]
    several: bool = False
    plugin: str = ""


# What Pillow also knows but a picture never needs is left out: EPS runs a program, and rarely used decoders are
# where the holes are. JPEG XL is left out because the one plugin that is kept up decodes a whole file before it says
# how large it is, and has a licence that this application cannot be shipped with.
_ALL = (
    PictureFormat("PNG", (".png", ".apng"), several=True),
    PictureFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif")),
    PictureFormat("MPO", (".mpo",)),
    PictureFormat("WEBP", (".webp",), several=True),
    PictureFormat("HEIF", (".heic", ".heif", ".hif"), plugin="pillow_heif"),
    PictureFormat("AVIF", (".avif",), several=True),
    PictureFormat("TIFF", (".tif", ".tiff"), several=True),
    PictureFormat("GIF", (".gif",), several=True),
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


@lru_cache(maxsize=1)
def readable() -> tuple[PictureFormat, ...]:
    """Those that can be read here: some depend on how Pillow was built, others on a plugin that may be missing."""
    Image.init()
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return tuple(each for each in _ALL if each.name in Image.OPEN)


@lru_cache(maxsize=1)
def picture_endings() -> tuple[str, ...]:
    """How the names of picture files end that can be opened; known without loading any decoder's plugin."""
    Image.init()
    offered = (
        each for each in _ALL if (find_spec(each.plugin) is not None if each.plugin else each.name in Image.OPEN)
    )
    return tuple(ending for each in offered for ending in each.endings)


_WEAK = frozenset({"DIB", "PCX", "ICO", "TGA"})
"""Formats whose files begin with so little of their own that other files begin so, too: their names tell them."""


def picture_begins(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes is a picture that can be read here."""
    for each in readable():
        accepts = Image.OPEN[each.name][1]
        if each.name not in _WEAK and accepts is not None and accepts(prefix) is True:
            return True
    return False
