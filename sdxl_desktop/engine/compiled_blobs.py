"""The blobs in a compile cache folder and their checksums: a blob whose checksum differs is never loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.engine.compile_cache_entries import BLOB_INFO_FILE


def list_blobs(folder: Path) -> list[Path]:
    """Return the files that a device plugin wrote into `folder`, without the cache's own files."""
    own = (".", BLOB_INFO_FILE)
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(own))


def blob_checksums(folder: Path, hashes: FileHashCache) -> dict[str, str]:
    """Return the hash of each blob by name. Raises OSError."""
    return {file.name: hashes.get(file) for file in list_blobs(folder)}


def remove_damaged_blobs(folder: Path, expected_checksums: Mapping[str, str], hashes: FileHashCache) -> None:
    """Remove every blob whose hash is not in `expected_checksums`. Raises OSError.

    Each blob is read completely, once per process while it is unchanged: loading a damaged one gives wrong pictures or
    crashes the process. Blobs are removed, never overwritten: another process may have them memory-mapped.
    """
    for file in list_blobs(folder):
        if expected_checksums.get(file.name) != hashes.get(file):
            file.unlink(missing_ok=True)


def remove_all_blobs(folder: Path) -> None:
    """Remove every blob, so that the part is recompiled. Raises OSError."""
    for file in list_blobs(folder):
        file.unlink(missing_ok=True)
