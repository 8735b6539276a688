"""Write masks to disk: as a separate picture, or as the alpha channel of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.errors import OutputError, RequestError, describe_error
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.picture_formats import MASK_ENDINGS, listed
from sdxl_desktop.imaging.picture_reading import MASK_IN_ALPHA

_NOTE = "The alpha is a mask: what is transparent is to be drawn anew. The colours under it are the picture's."


def write_mask(mask: UInt8Array, path: Path) -> None:
    """Write `mask` (uint8 [H, W]) atomically as a greyscale PNG, which `read_mask` reads. Raises OutputError."""
    _write("The mask", Image.fromarray(mask, "L"), path, PngImagePlugin.PngInfo())


def write_mask_as_alpha(picture: UInt8Array, mask: UInt8Array, path: Path) -> None:
    """Write `picture` (uint8 [H, W, 3]) as a PNG that is transparent where `mask` (uint8 [H, W]) wants new pixels.

    The colours under the mask are preserved and the file is marked so: `open_picture` returns the exact picture,
    `mask_from_alpha` and `read_mask` the exact mask. The write is atomic. Raises OutputError, or RequestError if the
    sizes differ.
    """
    if picture.shape != (*mask.shape, 3):
        raise RequestError("The mask does not have the picture's size.", next_step="Give a mask of exactly that size.")
    info = PngImagePlugin.PngInfo()
    info.add_text(MASK_IN_ALPHA, _NOTE)
    _write("The picture with its mask", Image.fromarray(np.dstack([picture, 255 - mask]), "RGBA"), path, info)


def _write(what: str, image: Image.Image, path: Path, info: PngImagePlugin.PngInfo) -> None:
    if path.suffix.lower() not in MASK_ENDINGS:
        endings = listed(MASK_ENDINGS)
        raise OutputError(f"{path.name!r} does not end in {endings}.", next_step=f"End it in {endings}.")
    try:
        with atomic_file(path) as temporary:
            image.save(temporary, "PNG", pnginfo=info)
    except Exception as problem:  # encoders raise more than OSError for unsupported content
        raise OutputError(
            f"{what} could not be written to {path}.",
            why=describe_error(problem),
            next_step="Choose another folder, or free space.",
        ) from problem
