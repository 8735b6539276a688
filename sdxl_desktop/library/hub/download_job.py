"""The input of a download worker and the progress that it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.remote_files import HubListing


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """List the files at `address` or, if a `listing` is given, download it to the folder `destination`. The result is
    the `HubListing` or the number of bytes downloaded.

    The secret `token` is passed here, since other processes can read command lines and environments. `reserve` bytes
    stay free on the disk; `first_wait` is the shortest pause before a retry, in seconds.
    """

    address: HubAddress
    listing: HubListing | None = None
    destination: Path | None = None
    openvino: bool = False
    token: str = field(default="", repr=False)
    token_from: str = ""
    reserve: int = 10**9
    first_wait: float = 1.0


class DownloadPhase(StrEnum):
    """The phases of a download; the values are shown to users."""

    ASKING = "asking the hub"
    CHECKING = "checking what is there"
    DOWNLOADING = "downloading"
    WAITING = "waiting"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """`done` of `total` bytes of all files are on disk; `file` is being downloaded. `done` decreases only if a file was
    corrupt and is downloaded again.

    While WAITING, `seconds` is the length of the pause and `why` the reason. `bytes_per_second` is the current rate,
    None while unknown.
    """

    phase: DownloadPhase
    file: str = ""
    done: int = 0
    total: int = 0
    bytes_per_second: float | None = None
    seconds: float = 0.0
    why: str = ""

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 0.0


Emit = Callable[[DownloadProgress], None]
