"""The thumbnails kept on disk: made at the first look at a picture, and made again when its file changes."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.thumbnails import read_thumbnail

KEPT_SIDES = (256, 512)
"""The sides in pixels that are kept, as in the freedesktop.org thumbnail specification ("large" and "x-large")."""
MAX_BYTES = 2 * 2**30
"""The size that `prune` leaves at most: 50,000 thumbnails of 256 pixels take 1 GB."""
_QUALITY = 88
_SUFFIX = ".jpg"


@dataclass(frozen=True, slots=True)
class ThumbnailFiles:
    """Thumbnails in `folder`, named by the hash of the picture's path, its time of change and its size in bytes, so a
    changed picture never shows its old thumbnail. Whatever cannot be read or written there is made anew: the folder may
    be deleted at any time."""

    folder: Path

    def read(self, file: Path, side: int) -> UInt8Array:
        """Return the thumbnail of `file` with at most `side` pixels a side, uint8 [h, w, 3].

        Raises FileNotFoundError if there is no such picture, OSError if it cannot be asked for, and PictureError if it
        cannot be read.
        """
        stat = file.stat()
        kept_side = next((kept for kept in KEPT_SIDES if kept >= side), None)
        if kept_side is None:
            return read_thumbnail(file, side)
        kept = self._kept_file(file, stat, kept_side)
        thumbnail = _read_kept(kept)
        if thumbnail is None:
            thumbnail = read_thumbnail(file, kept_side)
            _write_kept(kept, thumbnail)
        return _shrink(thumbnail, side)

    def _kept_file(self, file: Path, stat: os.stat_result, side: int) -> Path:
        identity = os.fsencode(file.absolute()) + f"\0{stat.st_mtime_ns}\0{stat.st_size}".encode()
        name = hashlib.sha256(identity).hexdigest()[:40]
        return self.folder / str(side) / name[:2] / f"{name[2:]}{_SUFFIX}"

    def prune(self, max_bytes: int = MAX_BYTES) -> int:
        """Delete the thumbnails made first until at most `max_bytes` are left; return how many were deleted."""
        found: list[tuple[int, int, Path]] = []
        for kept in self.folder.glob(f"*/*/*{_SUFFIX}"):
            with suppress(OSError):
                stat = kept.stat()
                found.append((stat.st_mtime_ns, stat.st_size, kept))
        excess = sum(size for _, size, _ in found) - max_bytes
        deleted = 0
        for _, size, kept in sorted(found):
            if excess <= 0:
                break
            with suppress(OSError):
                kept.unlink()
                excess -= size
                deleted += 1
        return deleted


def _read_kept(kept: Path) -> UInt8Array | None:
    try:
        with Image.open(kept, formats=["JPEG"]) as image:
            if max(image.size) > max(KEPT_SIDES):
                return None
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # none yet, or damaged
        return None


def _write_kept(kept: Path, thumbnail: UInt8Array) -> None:
    """Keep the thumbnail; on a full or read-only disk it is made again the next time."""
    with suppress(OSError), atomic_file(kept) as temporary:
        Image.fromarray(thumbnail, "RGB").save(temporary, "JPEG", quality=_QUALITY)


def _shrink(thumbnail: UInt8Array, side: int) -> UInt8Array:
    if max(thumbnail.shape[:2]) <= side:
        return thumbnail
    image = Image.fromarray(thumbnail, "RGB")
    image.thumbnail((side, side), Image.Resampling.BOX if side * 2 == max(image.size) else Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)
