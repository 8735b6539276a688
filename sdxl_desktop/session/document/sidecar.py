"""Members of a recovery file stored next to it, each in a separate file that is written once and never changed.

Autosave runs every few seconds, but pictures and latents rarely change. They are stored uncompressed, because
compressing a large photograph takes seconds; only the mask and the manifest are rewritten each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.private_files import make_private_folder
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.manifest import SidecarEntry
from sdxl_desktop.session.document.project_encoder import LatentsMember, digest_of

SIDECAR_SUFFIX = ".kept"
_SIDECAR_NAME = re.compile(r"[\w-]{1,80}\.(pixels|latents)")


@dataclass(frozen=True, slots=True)
class SidecarFolder:
    """The folder of these files."""

    folder: Path

    def put_pixels(self, pixels: UInt8Array, key: str) -> SidecarEntry:
        """Store pixels, uint8 [H, W, 3] or [H, W], under their `pixel_key`, unless present; raises OSError."""
        name = f"{key}.pixels"
        self._write(name, np.ascontiguousarray(pixels).reshape(-1).data)
        return SidecarEntry(name, list(pixels.shape), key.split("-")[0])

    def put_latents(self, member: LatentsMember) -> SidecarEntry:
        """Store latents; raises OSError."""
        content = member.encode()
        digest = _digest(content)
        name = f"{digest}.latents"
        self._write(name, content)
        return SidecarEntry(name, [len(content)], digest)

    def has(self, entry: SidecarEntry) -> bool:
        """Whether the file of an entry exists."""
        return (self.folder / entry.file).exists()

    def _write(self, name: str, content: bytes | memoryview) -> None:
        path = self.folder / name
        if path.exists():
            return
        make_private_folder(self.folder, restrict_existing=True)
        with atomic_file(path, private=True) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def pixels(self, entry: SidecarEntry) -> UInt8Array:
        """Return the pixels of an entry, uint8 of its shape, [H, W, 3] or [H, W]; raises ValueError if the digest
        differs, OSError if the file is missing."""
        found = np.frombuffer(self._read(entry), np.uint8).reshape(entry.shape)
        if digest_of(found) != entry.digest:
            raise ValueError(f"{entry.file} is damaged")
        return found

    def content(self, entry: SidecarEntry) -> bytes:
        """Return the bytes of an entry; raises like `pixels`."""
        found = self._read(entry)
        if _digest(found) != entry.digest:
            raise ValueError(f"{entry.file} is damaged")
        return found

    def _read(self, entry: SidecarEntry) -> bytes:
        if not _SIDECAR_NAME.fullmatch(entry.file):
            raise ValueError(f"a part is called {entry.file[:60]!r}")
        path = self.folder / entry.file
        if path.stat().st_size != math.prod(entry.shape):
            raise ValueError(f"{entry.file} is cut short")
        return path.read_bytes()

    def remove_unused(self, used: Iterable[str]) -> None:
        """Remove the files not in `used`, including unfinished ones. Files that cannot be removed stay."""
        keep: Collection[str] = set(used)
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name not in keep:
                    with contextlib.suppress(OSError):
                        path.unlink()

    def remove(self) -> None:
        """Remove the folder. Files that cannot be removed stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
