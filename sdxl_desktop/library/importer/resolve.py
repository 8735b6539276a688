"""Resolve a source that the user entered and query the hub; works offline if everything is downloaded already."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.download_paths import read_download_record, unfinished_downloads
from sdxl_desktop.library.hub.hub_address import HubAddress, looks_like_address
from sdxl_desktop.library.hub.hub_connection import HubConnection, count_unfinished_bytes, list_hub_files
from sdxl_desktop.library.hub.hub_errors import ConnectionLostError
from sdxl_desktop.library.hub.install import download_destination
from sdxl_desktop.library.hub.remote_files import HubListing


@dataclass(frozen=True, slots=True)
class HubResolver:
    """Queries the hub for the library in `library_folder`; `emit` receives progress, `cancel` stops it."""

    library_folder: Path
    emit: Callable[[DownloadProgress], None]
    cancel: threading.Event | None
    connection: HubConnection

    def list_files(self, address: HubAddress, download_name: str, *, openvino: bool = False) -> HubListing:
        """Return the files at `address`. Without a connection, uses the listing of an earlier download called
        `download_name`, which may be complete. Raises HubError."""
        try:
            return list_hub_files(address, self.emit, self.cancel, openvino=openvino, connection=self.connection)
        except ConnectionLostError:
            listing = self._cached_listing(address, download_name)
            if listing is None:
                raise
            return listing

    def _cached_listing(self, address: HubAddress, name: str) -> HubListing | None:
        folder = download_destination(self.library_folder, name)
        listing = read_download_record(folder)
        if listing is not None and listing.repo == address.repo:
            return listing
        notes = unfinished_downloads(folder.parent)
        return next((note.listing for note in notes if note.address == address), None)


def local_path(source: str | Path) -> Path | None:
    """Return the local file or folder that `source` means; None if it can only mean a catalogue or hub id."""
    if isinstance(source, Path):
        return source
    plain = source.strip().strip("\"'").strip()
    if plain.startswith("file:"):
        return Path(url2pathname(urlsplit(plain).path))
    path = expand_path(plain)
    if plain and path.exists():
        return path
    if catalogue.find_entry(plain) is not None or looks_like_address(plain):
        return None
    is_path = path.is_absolute() or plain.startswith((".", "~")) or "\\" in plain
    return path if is_path else None


def pick_download_folder(library_folder: Path, name: str, listing: HubListing) -> Path:
    """Return the download folder for `listing`, new or existing: `name`, or the next variant without other files."""
    folder = download_destination(library_folder, name)
    candidates = (folder if number == 1 else folder.with_name(f"{name}-{number}") for number in range(1, 1000))
    return next(folder for folder in candidates if not folder.exists() or read_download_record(folder) == listing)


def count_downloaded_bytes(address: HubAddress, listing: HubListing, folder: Path) -> int:
    """Return how many bytes of `listing`, to be downloaded to `folder`, exist already: all, or those of an unfinished
    download."""
    return listing.bytes if folder.exists() else count_unfinished_bytes(address, listing, folder)
