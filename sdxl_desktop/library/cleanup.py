"""Delete what an unfinished import job left on disk: partial downloads and converted parts."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.run_import import discard_import as discard_import
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub import download_paths
from sdxl_desktop.library.hub.install import download_destination
from sdxl_desktop.library.hub.remote_files import DownloadLayout
from sdxl_desktop.library.scan import Library


def discard_job_files(name: str, source: Path | None, weight_format: WeightFormat | None, library: Library) -> None:
    """Delete the files of the job that was making the checkpoint `name` with `weight_format` from the file or folder
    `source`, or (None) from a download. `source` itself is not touched. Files that cannot be removed stay."""
    if source is not None:
        _discard_conversion_files(source, weight_format, library)
        return
    try:
        folder = download_destination(library.user_folder, name)
    except SdxlDesktopError:  # not a valid download name
        return
    for note in download_paths.unfinished_downloads(folder.parent):
        if _belongs_to_job(Path(note.destination).name, name):
            download_paths.discard_download(note)
    finished = [found for found in _subfolders(folder.parent) if _belongs_to_job(found.name, name)]
    for found in finished:
        _discard_conversion_files(_download_source(found), weight_format, library)
        shutil.rmtree(found, ignore_errors=True)


def _belongs_to_job(download: str, name: str) -> bool:
    """Whether the download folder `download` belongs to the job that makes `name`: its own or its base model's."""
    return download == name or download.startswith(f"{name}+")


def _subfolders(folder: Path) -> list[Path]:
    return [found for found in folder.iterdir() if found.is_dir()] if folder.is_dir() else []


def _download_source(folder: Path) -> Path:
    """Return the path to convert from a finished download: the folder, or the single file in it."""
    listing = download_paths.read_download_record(folder)
    if listing is not None and listing.layout is DownloadLayout.SINGLE_FILE:
        return folder / Path(listing.files[0].path).name
    return folder


def _discard_conversion_files(path: Path, weights: WeightFormat | None, library: Library) -> None:
    try:
        discard_import(plan_import(path, library.user_folder), weights)
    except (SdxlDesktopError, OSError):  # the source is gone or changed: its files cannot be identified
        return
