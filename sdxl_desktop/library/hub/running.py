"""Lists and downloads by a worker, which is ended when the person pauses."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core import program
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.errors import DownloadStoppedError, HubError
from sdxl_desktop.library.hub.files import Layout, Listing
from sdxl_desktop.library.hub.job import DownloadJob, Emit
from sdxl_desktop.library.hub.places import Places, read_record
from sdxl_desktop.library.hub.tokens import Token, find_token
from sdxl_desktop.workers.jobs import JobWorker, run_job

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@dataclass(frozen=True, slots=True)
class Line:
    """How the hub is talked to: the person's `token`, bytes of disk to leave free (`reserve`), and the shortest pause
    in seconds before something is tried again."""

    token: Token
    reserve: int = 10**9
    first_wait: float = 1.0

    @classmethod
    def usual(cls) -> Line:
        """With the token that is kept; may ask the person to unlock the keyring."""
        return cls(find_token())


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`folder` has the files; `path` is what to import: that folder, or the one file in it. `received` bytes came over
    the line this time."""

    folder: Path
    listing: Listing
    received: int

    @property
    def path(self) -> Path:
        if self.listing.layout is Layout.SINGLE_FILE:
            return self.folder / Path(self.listing.files[0].path).name
        return self.folder


def look(
    address: Address,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    openvino: bool = False,
    line: Line | None = None,
) -> Listing:
    """Ask the hub what `address` holds, and which files of it are needed (`openvino`: those for OpenVINO where there
    are both). Blocks; raises HubError, DownloadStoppedError after a cancel."""
    line = line or Line.usual()
    job = DownloadJob(
        address=address,
        openvino=openvino,
        token=line.token.value,
        token_from=line.token.where,
        first_wait=line.first_wait,
    )
    found: Listing = run_job(_WORKER, job, emit, cancel or threading.Event())
    return found


def download(
    address: Address,
    listing: Listing,
    destination: Path,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    line: Line | None = None,
) -> Downloaded:
    """Bring what `listing`, got from `look`, names into the new folder `destination`.

    Blocks for as long as it takes; `emit` is called on this thread. `cancel` is polled and ends it at once; to pause is
    to cancel, to resume is to call this again, with the same destination or one beside it: verified files and parts of
    files are kept, as they are after a kill. Raises CheckpointError for a destination that is taken, and HubError as
    AccessError, NotThereError, BusyHubError, ConnectionLostError, DiskFullError, DamagedDownloadError or
    DownloadStoppedError.
    """
    if destination.exists():
        if read_record(destination) == listing:
            return Downloaded(destination, listing, 0)
        raise CheckpointError(
            f"There is something called {destination.name} already.", next_step="Give another name, or remove it first."
        )
    line = line or Line.usual()
    job = DownloadJob(
        address=address,
        listing=listing,
        destination=destination.absolute(),
        token=line.token.value,
        token_from=line.token.where,
        reserve=line.reserve,
        first_wait=line.first_wait,
    )
    received: int = run_job(_WORKER, job, emit, cancel or threading.Event())
    return Downloaded(destination, listing, received)


def kept_bytes(address: Address, listing: Listing, destination: Path) -> int:
    """Bytes that an unfinished download left behind, and that need not come again."""
    return Places(listing, address, destination).kept_bytes()


def _environment() -> dict[str, str]:
    """This process's, but online: the application keeps its libraries off the network, and a download is what the
    person asked for. HF_ENDPOINT and the proxies' variables pass through; the token travels with the job."""
    settled = {name: value for name, value in program.environment().items() if name not in _OFFLINE}
    return {**settled, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def _cancelled() -> DownloadStoppedError:
    return DownloadStoppedError("The download was stopped.", next_step="Start it again to go on where it was.")


def _died(why: str) -> HubError:
    return HubError(
        "The download ended before it was done.", why=why, next_step="Start it again; what is there is kept."
    )


_WORKER = JobWorker(host=program.DOWNLOAD_HOST, cancelled=_cancelled, died=_died, environment=_environment)
