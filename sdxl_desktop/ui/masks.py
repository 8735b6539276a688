"""Writes a mask as a picture of its own."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.core.whole_file import whole_file


def write_mask(path: Path, mask: Bytes) -> None:
    """Write uint8 [H, W] as a grey PNG, whole or not at all; raises OutputError."""
    try:
        with whole_file(path) as beside:
            Image.fromarray(mask, "L").save(beside, "PNG")
    except OSError as problem:
        raise OutputError(
            f"The mask could not be written to {path}.",
            why=f"{problem.strerror or problem}.",
            next_step="Choose another folder, or free space.",
        ) from problem
