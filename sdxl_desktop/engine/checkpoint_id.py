"""An identifier of a checkpoint's content, independent of the path and name of its folder."""

from __future__ import annotations

from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.compile_key import cached_content_id, content_id

ID_VERSION = "2"
"""Version of the identifier scheme; identifiers of different versions cannot be compared."""


def checkpoint_id(folder: Path, hashes: FileHashCache) -> str:
    """Return the content id of the UNet in checkpoint `folder`, prefixed with `ID_VERSION`; "" if there is no UNet.

    The first call reads the weights; `hashes` caches the result."""
    try:
        return f"{ID_VERSION}:{content_id(folder / Part.UNET, hashes)}"
    except OSError:
        return ""


def cached_checkpoint_id(folder: Path, hashes: FileHashCache) -> str:
    """Like `checkpoint_id`, but from the cache only; "" if the weights would have to be read."""
    try:
        known = cached_content_id(folder / Part.UNET, hashes)
    except OSError:
        return ""
    return "" if known is None else f"{ID_VERSION}:{known}"


def is_comparable(one: str, other: str) -> bool:
    """Whether both identifiers exist and have the same version, so that comparing them compares the contents."""
    return bool(one and other) and one.partition(":")[0] == other.partition(":")[0]
