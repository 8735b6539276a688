"""Cache folders that are written atomically, even if the writing process is killed; their files have checksums."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sdxl_desktop.core.checksum_file import append_checksum, read_with_checksum
from sdxl_desktop.core.file_hashes import FileHashCache, hash_file

_MANIFEST = "whole.json"
_WRITING_PREFIX = ".writing"


def is_complete(folder: Path) -> bool:
    """Whether all files exist with the sizes in the manifest, which is written last."""
    try:
        return all((folder / name).stat().st_size == size for name, (size, _) in _read_manifest(folder).items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def is_intact(folder: Path, hashes: FileHashCache) -> bool:
    """Whether every file still has its hash in the manifest. Files are read unless `hashes` has them cached."""
    try:
        return all(hashes.get(folder / name) == content for name, (_, content) in _read_manifest(folder).items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _read_manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Return size and hash of each file by name. Raises OSError, ValueError, or other errors for a foreign manifest."""
    manifest = json.loads(read_with_checksum(folder / _MANIFEST))
    return {name: (size, content) for name, (size, content) in manifest["files"].items()}


@contextmanager
def write_folder_atomically(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder and rename it to `target` if the body ends without an error.

    Raises OSError if that fails, unless another process was faster: equal names have equal content.
    """
    writing = target.parent / f"{_WRITING_PREFIX}-{os.getpid()}-{uuid.uuid4().hex}"
    remove_incomplete(target.parent)
    try:
        writing.mkdir(parents=True)
        yield writing
        written = {
            file.relative_to(writing).as_posix(): (file.stat().st_size, hash_file(file)) for file in list_files(writing)
        }
        for file in list_files(writing):
            _fsync(file)
        (writing / _MANIFEST).write_bytes(append_checksum(json.dumps({"files": written}).encode()))
        if target.exists() and not is_complete(target):
            remove(target)
        try:
            writing.rename(target)
        except OSError:
            if not is_complete(target):
                raise
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def _fsync(file: Path) -> None:
    """Flush `file` to disk, so that a power cut cannot lose data that the manifest's hash covers."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())


def remove_incomplete(cache: Path) -> None:
    """Delete incomplete folders in `cache`, except those that a running process is writing."""
    for folder in list_folders(cache):
        owner = folder.name.split("-")[1] if folder.name.startswith(f"{_WRITING_PREFIX}-") else ""
        being_written = owner.isdigit() and psutil.pid_exists(int(owner))
        if not being_written and not is_complete(folder):
            shutil.rmtree(folder, ignore_errors=True)


def list_folders(cache: Path) -> list[Path]:
    """Return the folders in `cache`, complete or not."""
    return [entry for entry in cache.iterdir() if entry.is_dir()] if cache.is_dir() else []


def list_files(folder: Path) -> list[Path]:
    """Return all files in `folder`, recursively."""
    return [file for file in folder.rglob("*") if file.is_file()]


def remove(folder: Path) -> None:
    """Delete `folder`, manifest first, so that an interrupted removal leaves nothing that looks complete."""
    (folder / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def touch(folder: Path) -> None:
    """Set the last use of `folder` to now."""
    try:
        os.utime(folder / _MANIFEST)
    except OSError:
        return  # a read-only cache works as well


def last_used(folder: Path) -> float:
    """Return when `folder` was last used, in seconds as from `time.time`."""
    return (folder / _MANIFEST).stat().st_mtime
