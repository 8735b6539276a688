"""What compiling left in a folder, and its checksums: a file that is not as it was compiled is never loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.engine.compiled_entries import CARD


def blobs(folder: Path) -> list[Path]:
    """The files that a device's plugin wrote into `folder`; what is the store's own is left out."""
    own = (".", CARD)
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(own))


def sums(folder: Path, hashes: FileHashes) -> dict[str, str]:
    """The hash of each blob by its name. Raises OSError."""
    return {file.name: hashes.of(file) for file in blobs(folder)}


def remove_damaged(folder: Path, known: Mapping[str, str], hashes: FileHashes) -> None:
    """Remove every blob whose hash is not the `known` one. Raises OSError.

    Each is read whole, once in a process for as long as it does not change: loading a damaged one gives other pictures
    or ends the process. Removed, never written to: another process may have it mapped.
    """
    for file in blobs(folder):
        if known.get(file.name) != hashes.of(file):
            file.unlink(missing_ok=True)


def remove_all(folder: Path) -> None:
    """Remove every blob, so that the part is compiled anew. Raises OSError."""
    for file in blobs(folder):
        file.unlink(missing_ok=True)
