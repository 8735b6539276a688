"""Install a finished download: ready-made OpenVINO parts are moved to the library, everything else must be imported."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.catalogue import CatalogueEntry
from sdxl_desktop.library.checkpoint_names import check_name, check_name_unused
from sdxl_desktop.library.convert.build_folder import write_json
from sdxl_desktop.library.hub.hub_connection import Downloaded
from sdxl_desktop.library.hub.hub_errors import disk_error
from sdxl_desktop.library.hub.remote_files import DownloadLayout
from sdxl_desktop.library.scan import read_checkpoint

DOWNLOADS_FOLDER = ".downloads"
"""In the user's checkpoints folder, so on the disk they chose; the library ignores it."""


def download_destination(library_folder: Path, name: str) -> Path:
    """Return the download folder called `name` for a library in `library_folder`. Raises CheckpointError for an invalid
    name."""
    check_name(name)
    return library_folder / DOWNLOADS_FOLDER / name


def is_ready_to_use(downloaded: Downloaded) -> bool:
    """Whether it is usable without conversion; otherwise it must be imported."""
    return downloaded.listing.layout is DownloadLayout.OPENVINO


def install_download(
    downloaded: Downloaded, library_folder: Path, entry: CatalogueEntry | None = None, name: str = ""
) -> Checkpoint:
    """Move ready-made parts from `downloaded.folder` into `library_folder` as `name` (default: the folder's name), with
    the settings recommended in the catalogue's `entry`. Raises CheckpointError if they are unusable; the files then
    stay where they are."""
    name = name or downloaded.folder.name
    check_name_unused(name, library_folder)
    card = downloaded.folder / "checkpoint.json"
    try:
        if entry is not None and entry.recommended is not None and not card.exists():
            card.write_bytes(msgspec.json.format(msgspec.json.encode(entry.checkpoint_json()), indent=2) + b"\n")
        if entry is not None and entry.recommended is not None and entry.recommended.timestep_spacing is not None:
            _set_timestep_spacing(
                downloaded.folder / "scheduler" / "scheduler_config.json", entry.recommended.timestep_spacing
            )
        read_checkpoint(downloaded.folder)
        downloaded.folder.rename(library_folder / name)
    except OSError as problem:
        raise disk_error(problem, str(library_folder)) from problem
    return read_checkpoint(library_folder / name)


def _set_timestep_spacing(file: Path, spacing: str) -> None:
    """Set the spacing that a distilled checkpoint needs, even if its converter did not record it."""
    config = read_json_or_empty(file)
    if config and config.get("timestep_spacing") != spacing:
        write_json(file, {**config, "timestep_spacing": spacing})
