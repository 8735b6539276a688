"""Folders in a cache that are there whole or not at all, whatever process is killed while it writes them."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_MANIFEST = "whole.json"
_WRITING = ".writing"


def is_whole(folder: Path) -> bool:
    """Whether everything that was written is there, by the sizes in the manifest, which is written last."""
    try:
        sizes = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["sizes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def written_whole(kept: Path) -> Iterator[Path]:
    """Yields an empty folder beside `kept` to write in, and moves it to `kept` when the body ends without an error.

    Raises OSError when that fails; not where another process was faster, since equal names have equal content.
    """
    writing = kept.parent / f"{_WRITING}-{os.getpid()}-{uuid.uuid4().hex}"
    sweep(kept.parent)
    try:
        writing.mkdir(parents=True)
        yield writing
        sizes = {str(file.relative_to(writing)): file.stat().st_size for file in files(writing)}
        (writing / _MANIFEST).write_text(json.dumps({"sizes": sizes}), encoding="utf-8")
        if kept.exists() and not is_whole(kept):
            remove(kept)
        try:
            writing.rename(kept)
        except OSError:
            if not is_whole(kept):
                raise
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def sweep(cache: Path) -> None:
    """Throw away what killed processes left in `cache`: folders of processes that are gone, and those not whole."""
    for folder in folders(cache):
        owner = folder.name.split("-")[1] if folder.name.startswith(f"{_WRITING}-") else ""
        being_written = owner.isdigit() and psutil.pid_exists(int(owner))
        if not being_written and not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)


def folders(cache: Path) -> list[Path]:
    """What is in `cache`, finished or not."""
    return [entry for entry in cache.iterdir() if entry.is_dir()] if cache.is_dir() else []


def files(folder: Path) -> list[Path]:
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
