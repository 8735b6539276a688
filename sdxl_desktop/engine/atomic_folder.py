"""Folders in a cache that are there whole or not at all, whatever process is killed while it writes them; their files
have checksums."""

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
    """Whether everything that was written is there, by the sizes in the manifest, which is written last."""
    try:
        return all((folder / name).stat().st_size == size for name, (size, _) in _read_manifest(folder).items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def is_intact(folder: Path, hashes: FileHashCache) -> bool:
    """Whether every byte is as it was written. Files are read for that, but for those that `hashes` remembers."""
    try:
        return all(hashes.get(folder / name) == content for name, (_, content) in _read_manifest(folder).items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _read_manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and hash of each file by its name. Raises OSError, ValueError and what a foreign manifest raises."""
    manifest = json.loads(read_with_checksum(folder / _MANIFEST))
    return {name: (size, content) for name, (size, content) in manifest["files"].items()}


@contextmanager
def write_folder_atomically(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside `kept` to write in, and moves it to `kept` when the body ends without an error.

    Raises OSError when that fails; not where another process was faster, since equal names have equal content.
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
    """Wait until it is written, so that what a power cut takes is never what the hash was taken of."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())


def remove_incomplete(cache: Path) -> None:
    """Throw away what killed processes left in `cache`: folders of processes that are gone, and those not whole."""
    for folder in list_folders(cache):
        owner = folder.name.split("-")[1] if folder.name.startswith(f"{_WRITING_PREFIX}-") else ""
        being_written = owner.isdigit() and psutil.pid_exists(int(owner))
        if not being_written and not is_complete(folder):
            shutil.rmtree(folder, ignore_errors=True)


def list_folders(cache: Path) -> list[Path]:
    """What is in `cache`, finished or not."""
    return [entry for entry in cache.iterdir() if entry.is_dir()] if cache.is_dir() else []


def list_files(folder: Path) -> list[Path]:
    """Every file in `folder` and below."""
    return [file for file in folder.rglob("*") if file.is_file()]


def remove(folder: Path) -> None:
    """Make `folder` untrusted first, so that being killed half way through leaves nothing that looks whole."""
    (folder / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def touch(folder: Path) -> None:
    """Note that `folder` is used now."""
    try:
        os.utime(folder / _MANIFEST)
    except OSError:
        return  # a cache that cannot be written serves as well


def last_used(folder: Path) -> float:
    """When `folder` was used last; seconds as `time.time` gives them."""
    return (folder / _MANIFEST).stat().st_mtime
