"""Throws away what an unfinished job has on the disk: parts of files that came, parts that were converted."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.convert.plan import plan_import
from sdxl_desktop.library.convert.running import discard as discard_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub import places
from sdxl_desktop.library.hub.arrival import destination
from sdxl_desktop.library.hub.files import Layout
from sdxl_desktop.library.scan import Library


def throw_away(name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
    """Forget the job that was to make the checkpoint `name` with `weights` from the file or folder `source`, or (None)
    from a download. `source` itself is not touched. What cannot be removed stays."""
    if source is not None:
        _discard_conversion(source, weights, library)
        return
    try:
        folder = destination(library.own, name)
    except SdxlDesktopError:  # no download can have this name
        return
    for note in places.unfinished(folder.parent):
        if _belongs(Path(note.destination).name, name):
            places.discard(note)
    finished = [found for found in _inside(folder.parent) if _belongs(found.name, name)]
    for found in finished:
        _discard_conversion(_in_download(found), weights, library)
        shutil.rmtree(found, ignore_errors=True)


def _belongs(download: str, name: str) -> bool:
    """Whether the download called so is of the job that makes `name`: its own, or of the checkpoint it goes with."""
    return download == name or download.startswith(f"{name}+")


def _inside(folder: Path) -> list[Path]:
    return [found for found in folder.iterdir() if found.is_dir()] if folder.is_dir() else []


def _in_download(folder: Path) -> Path:
    """What of a finished download is converted: the folder, or the one file in it."""
    listing = places.read_record(folder)
    if listing is not None and listing.layout is Layout.SINGLE_FILE:
        return folder / Path(listing.files[0].path).name
    return folder


def _discard_conversion(path: Path, weights: WeightFormat | None, library: Library) -> None:
    try:
        discard_import(plan_import(path, library.own), weights)
    except (SdxlDesktopError, OSError):  # the source is gone or has changed: nothing can be found by it
        return
