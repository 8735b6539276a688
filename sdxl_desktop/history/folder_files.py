"""Finds the picture files in a folder and its subfolders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sdxl_desktop.history.file_identity import FileStamp, stamp_of
from sdxl_desktop.imaging.picture_formats import WRITTEN_ENDINGS

DRAFTS_FOLDER = "drafts"
"""Subfolder of the pictures folder for finished drafts, which are not results; kept so that the pictures made from them
can be repeated."""
MAX_FOLDERS = 5000
"""Maximum number of folders that are searched and watched."""


def never_cancel() -> None:
    """Never cancel."""


def picture_files(folder: Path, check: Callable[[], None] = never_cancel) -> dict[str, FileStamp]:
    """Return the paths of the picture files in `folder` and below, of the formats that the application writes. Hidden
    files and folders, links and empty files are left out, and whatever cannot be read. `check` is called for each
    folder and may raise to cancel."""
    found: dict[str, FileStamp] = {}
    for each in folders_in(folder):
        check()
        found.update(_files_in(each))
    return found


def folders_in(folder: Path) -> Iterator[Path]:
    """Yield `folder`, if it exists, and the folders below except the drafts', at most MAX_FOLDERS."""
    waiting = [folder] if folder.is_dir() else []
    count = 0
    while waiting and count < MAX_FOLDERS:
        current = waiting.pop()
        count += 1
        yield current
        try:
            with os.scandir(current) as entries:
                below = [
                    each.path
                    for each in entries
                    if not each.name.startswith(".") and each.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue
        waiting += [path for each in sorted(below, reverse=True) if (path := Path(each)) != folder / DRAFTS_FOLDER]


def _files_in(folder: Path) -> Iterator[tuple[str, FileStamp]]:
    try:
        with os.scandir(folder) as entries:
            for each in entries:
                if each.name.startswith(".") or not each.name.lower().endswith(WRITTEN_ENDINGS):
                    continue
                try:
                    if each.is_file(follow_symlinks=False):
                        status = os.stat(each.path) if os.name == "nt" else each.stat(follow_symlinks=False)
                        if status.st_size:
                            yield each.path, stamp_of(status)
                except OSError:
                    continue
    except OSError:
        return
