"""Where the files of a download lie while it is unfinished, and what of them is there already."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.choosing import relative_path
from sdxl_desktop.library.hub.files import Listing, RemoteFile

T = TypeVar("T")
HIDDEN = ".downloading"
WHOLE, PARTIAL = "whole", "partial"
_WANTED = "wanted.json"
_LONGEST_NOTE = 2**24
RECORD = "download.json"
"""In a finished download: the listing, so that one knows whence it came and which hashes its files have."""


@dataclass(frozen=True, slots=True)
class Places:
    """Of the download of `listing` to `destination`, a folder that is not there yet."""

    listing: Listing
    address: Address
    destination: Path

    @property
    def work(self) -> Path:
        """The same for the same files of the same commit, whatever the destination is called."""
        digest = hashlib.sha256(f"{self.listing.repo} {self.listing.commit}".encode())
        for file in self.listing.files:
            digest.update(f"\n{file.path} {file.content}".encode())
        return self.destination.parent / HIDDEN / digest.hexdigest()[:20]

    def whole(self, file: RemoteFile) -> Path:
        return self.work / WHOLE / relative_path(file, self.listing.layout, self.address)

    def partial(self, file: RemoteFile) -> Path:
        return self.work / PARTIAL / f"{file.content[:40]}-{file.size}"

    def has_whole(self, file: RemoteFile) -> bool:
        whole = self.whole(file)
        return whole.is_file() and whole.stat().st_size == file.size

    def kept_bytes(self) -> int:
        """Bytes that need not come again."""
        return sum(file.size if self.has_whole(file) else self._partial_bytes(file) for file in self.listing.files)

    def _partial_bytes(self, file: RemoteFile) -> int:
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0


class Unfinished(msgspec.Struct, frozen=True):
    """A download that was paused, stopped or killed; to go on, call `download` with these."""

    address: Address
    listing: Listing
    destination: str
    kept: int = 0


def note_wanted(places: Places) -> None:
    """Leave behind what is being downloaded, so that the next start of the application can offer to go on."""
    note = Unfinished(places.address, places.listing, str(places.destination))
    (places.work / _WANTED).write_bytes(msgspec.json.encode(note))


def unfinished(folder: Path) -> tuple[Unfinished, ...]:
    """The downloads into `folder` that are not finished, with the bytes that are `kept` of each."""
    found = []
    for file in sorted((folder / HIDDEN).glob(f"*/{_WANTED}")):
        try:
            note = _read(file, Unfinished)
        except (OSError, ValueError, RecursionError):  # killed while it was written, or going on elsewhere
            continue
        if Path(note.destination).parent.resolve() != folder.resolve():  # not one of this library's
            continue
        places = Places(note.listing, note.address, Path(note.destination))
        found.append(msgspec.structs.replace(note, kept=places.kept_bytes()))
    return tuple(found)


def discard(note: Unfinished) -> None:
    """Throw away what is there of an unfinished download."""
    shutil.rmtree(Places(note.listing, note.address, Path(note.destination)).work, ignore_errors=True)


def read_record(folder: Path) -> Listing | None:
    """What was downloaded into `folder`; None for a folder that was not downloaded."""
    try:
        return _read(folder / RECORD, Listing)
    except (OSError, ValueError, RecursionError):
        return None


def _read(file: Path, kind: type[T]) -> T:
    with open_regular(file) as stream:
        return msgspec.json.decode(stream.read(_LONGEST_NOTE), type=kind)
