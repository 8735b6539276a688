"""A name for what a checkpoint draws, wherever its folder lies and whatever it is called."""

from __future__ import annotations

from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.compile_key import cached_content_id, content_id

ID_VERSION = "2"
"""Of the way in which contents are named; names of different versions cannot be compared."""


def checkpoint_id(folder: Path, hashes: FileHashCache) -> str:
    """The content of the UNet in the checkpoint's `folder`, with the version of its name; "" where there is none. The
    first time its weights are read, which `hashes` remembers."""
    try:
        return f"{ID_VERSION}:{content_id(folder / Part.UNET, hashes)}"
    except OSError:
        return ""


def cached_checkpoint_id(folder: Path, hashes: FileHashCache) -> str:
    """As `checkpoint_id` where that takes no time; "" where the weights would have to be read."""
    try:
        known = cached_content_id(folder / Part.UNET, hashes)
    except OSError:
        return ""
    return "" if known is None else f"{ID_VERSION}:{known}"


def is_comparable(one: str, other: str) -> bool:
    """Whether equal names mean equal contents, and different ones different contents."""
    return bool(one and other) and one.partition(":")[0] == other.partition(":")[0]
