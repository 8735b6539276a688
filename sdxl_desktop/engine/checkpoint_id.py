"""A name for what a checkpoint draws, wherever its folder lies and whatever it is called."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sdxl_desktop.engine.compile_key import content_id

VERSION = "1"
"""Of the way in which contents are named; names of different versions cannot be compared."""


def checkpoint_id(folder: Path) -> str:
    """The content of the UNet in the checkpoint's `folder`, with the version of its name; "" where there is none."""
    unet = folder / "unet"
    try:
        states = tuple((state.st_size, state.st_mtime_ns) for state in (file.stat() for file in sorted(unet.iterdir())))
        return _named(unet, states)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _named(unet: Path, _: tuple[tuple[int, int], ...]) -> str:
    return f"{VERSION}:{content_id(unet)}"


def comparable(one: str, other: str) -> bool:
    """Whether equal names mean equal contents, and different ones different contents."""
    return bool(one and other) and one.partition(":")[0] == other.partition(":")[0]
