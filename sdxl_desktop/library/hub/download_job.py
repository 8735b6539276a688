"""A download as a job of a worker: what it is given, and the progress that it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.remote_files import HubListing


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """List what `address` holds or, where a `listing` is given, download that to the folder `destination`. The result
    is the `HubListing`, or how many bytes came over the line.

    The secret `token` travels here, since command lines and environments can be read by others. `reserve` in bytes is
    left free on the disk, `first_wait` in seconds is the shortest pause before something is tried again.
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
    """What is being done; the words are shown to people."""

    ASKING = "asking the hub"
    CHECKING = "checking what is there"
    DOWNLOADING = "downloading"
    WAITING = "waiting"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """`done` of `total` bytes of all files are on the disk, `file` is at work. `done` falls only where a file turned
    out wrong and is fetched again.

    While WAITING, `seconds` is how long, and `why` says for what. `bytes_per_second` is the present rate, None while
    it is not known.
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
