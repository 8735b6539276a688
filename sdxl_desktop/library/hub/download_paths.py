"""Where the files of an unfinished download are stored, and which of them exist already."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.library.hub.file_selection import relative_path
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.remote_files import HubListing, RemoteFile

T = TypeVar("T")
WORK_FOLDER_NAME = ".downloading"
COMPLETE_FOLDER, PARTIAL_FOLDER = "whole", "partial"
_UNFINISHED_FILE = "wanted.json"
_MAX_RECORD_BYTES = 2**24
RECORD_FILE = "download.json"
"""In a finished download: the listing, which records its source and the hashes of its files."""


@dataclass(frozen=True, slots=True)
class DownloadPaths:
    """Paths for the download of `listing` to `destination`, a folder that does not exist yet."""

    listing: HubListing
    address: HubAddress
    destination: Path

    @property
    def work_folder(self) -> Path:
        """The same for the same files of the same commit, whatever the destination is called."""
        digest = hashlib.sha256(f"{self.listing.repo} {self.listing.commit}".encode())
        for file in self.listing.files:
            digest.update(f"\n{file.path} {file.content_hash}".encode())
        return self.destination.parent / WORK_FOLDER_NAME / digest.hexdigest()[:20]

    def complete_path(self, file: RemoteFile) -> Path:
        return self.work_folder / COMPLETE_FOLDER / relative_path(file, self.listing.layout, self.address)

    def partial_path(self, file: RemoteFile) -> Path:
        return self.work_folder / PARTIAL_FOLDER / f"{file.content_hash[:40]}-{file.size}"

    def is_complete(self, file: RemoteFile) -> bool:
        whole = self.complete_path(file)
        return whole.is_file() and whole.stat().st_size == file.size

    def downloaded_bytes(self) -> int:
        """Bytes that need not be downloaded again."""
        return sum(file.size if self.is_complete(file) else self._partial_bytes(file) for file in self.listing.files)

    def _partial_bytes(self, file: RemoteFile) -> int:
        partial = self.partial_path(file)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0


class UnfinishedDownload(msgspec.Struct, frozen=True):
    """A download that was paused, stopped or killed; to resume, call `download` with these values."""

    address: HubAddress
    listing: HubListing
    destination: str
    kept: int = 0


def write_unfinished_record(paths: DownloadPaths) -> None:
    """Record the running download, so that the application can offer to resume it at its next start."""
    note = UnfinishedDownload(paths.address, paths.listing, str(paths.destination))
    (paths.work_folder / _UNFINISHED_FILE).write_bytes(msgspec.json.encode(note))


def unfinished_downloads(folder: Path) -> tuple[UnfinishedDownload, ...]:
    """Return the unfinished downloads into `folder`, with the `kept` bytes of each."""
    found = []
    for file in sorted((folder / WORK_FOLDER_NAME).glob(f"*/{_UNFINISHED_FILE}")):
        try:
            note = _read(file, UnfinishedDownload)
        except (OSError, ValueError, RecursionError):  # killed while it was written, or running in another process
            continue
        if Path(note.destination).parent.resolve() != folder.resolve():  # belongs to another library
            continue
        places = DownloadPaths(note.listing, note.address, Path(note.destination))
        found.append(msgspec.structs.replace(note, kept=places.downloaded_bytes()))
    return tuple(found)


def discard_download(download: UnfinishedDownload) -> None:
    """Delete the files of an unfinished download."""
    shutil.rmtree(
        DownloadPaths(download.listing, download.address, Path(download.destination)).work_folder, ignore_errors=True
    )


def read_download_record(folder: Path) -> HubListing | None:
    """Return the listing that was downloaded into `folder`; None if the folder was not downloaded."""
    try:
        return _read(folder / RECORD_FILE, HubListing)
    except (OSError, ValueError, RecursionError):
        return None


def _read(file: Path, kind: type[T]) -> T:
    with open_regular(file) as stream:
        return msgspec.json.decode(stream.read(_MAX_RECORD_BYTES), type=kind)
