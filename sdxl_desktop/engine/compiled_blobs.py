"""What compiling left in a folder, and its checksums: a file that is not as it was compiled is never loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.engine.compile_cache_entries import BLOB_INFO_FILE


def list_blobs(folder: Path) -> list[Path]:
    """The files that a device's plugin wrote into `folder`; what is the store's own is left out."""
    own = (".", BLOB_INFO_FILE)
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(own))


def blob_checksums(folder: Path, hashes: FileHashCache) -> dict[str, str]:
    """The hash of each blob by its name. Raises OSError."""
    return {file.name: hashes.get(file) for file in list_blobs(folder)}


def remove_damaged_blobs(folder: Path, expected_checksums: Mapping[str, str], hashes: FileHashCache) -> None:
    """Remove every blob whose hash is not the `known` one. Raises OSError.

    Each is read whole, once in a process for as long as it does not change: loading a damaged one gives other pictures
    or ends the process. Removed, never written to: another process may have it mapped.
    """
    for file in list_blobs(folder):
        if expected_checksums.get(file.name) != hashes.get(file):
            file.unlink(missing_ok=True)


def remove_all_blobs(folder: Path) -> None:
    """Remove every blob, so that the part is compiled anew. Raises OSError."""
    for file in list_blobs(folder):
        file.unlink(missing_ok=True)
