"""Understands what was typed and asks the hub about it; goes on offline where everything is here already."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sdxl_desktop.core.paths import expanded
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.hub.address import Address, looks_like_address
from sdxl_desktop.library.hub.arrival import destination
from sdxl_desktop.library.hub.errors import ConnectionLostError
from sdxl_desktop.library.hub.files import Listing
from sdxl_desktop.library.hub.job import DownloadProgress
from sdxl_desktop.library.hub.places import read_record, unfinished
from sdxl_desktop.library.hub.running import Line, kept_bytes, look


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks on behalf of the library in `home`; `emit` hears of it, `cancel` ends it."""

    home: Path
    emit: Callable[[DownloadProgress], None]
    cancel: threading.Event | None
    line: Line

    def what(self, address: Address, name: str, *, openvino: bool = False) -> Listing:
        """What the hub has at `address`. Without a connection, what an earlier download called `name` is of: all of it
        may be here. Raises HubError."""
        try:
            return look(address, self.emit, self.cancel, openvino=openvino, line=self.line)
        except ConnectionLostError:
            listing = self._known(address, name)
            if listing is None:
                raise
            return listing

    def _known(self, address: Address, name: str) -> Listing | None:
        folder = destination(self.home, name)
        listing = read_record(folder)
        if listing is not None and listing.repo == address.repo:
            return listing
        notes = unfinished(folder.parent)
        return next((note.listing for note in notes if note.address == address), None)


def path_of(what: str | Path) -> Path | None:
    """The file or folder that `what` means; None where it can only be meant for the catalogue or the hub."""
    if isinstance(what, Path):
        return what
    plain = what.strip().strip("\"'").strip()
    if plain.startswith("file:"):
        return Path(url2pathname(urlsplit(plain).path))
    path = expanded(plain)
    if plain and path.exists():
        return path
    if catalogue.find(plain) is not None or looks_like_address(plain):
        return None
    is_path = path.is_absolute() or plain.startswith((".", "~")) or "\\" in plain
    return path if is_path else None


def free_folder(home: Path, name: str, listing: Listing) -> Path:
    """Where the download of `listing` goes, or went: a folder called `name`, or the next that has no other files."""
    folder = destination(home, name)
    candidates = (folder if number == 1 else folder.with_name(f"{name}-{number}") for number in range(1, 1000))
    return next(folder for folder in candidates if not folder.exists() or read_record(folder) == listing)


def bytes_here(address: Address, listing: Listing, folder: Path) -> int:
    """Bytes of `listing`, to be downloaded to `folder`, that are here already: all of them, or those of an unfinished
    download."""
    return listing.bytes if folder.exists() else kept_bytes(address, listing, folder)
