"""List and download in a worker process, which is terminated when the user pauses."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core import child_program
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.hub.access_token import AccessToken, find_token
from sdxl_desktop.library.hub.download_job import DownloadJob, Emit
from sdxl_desktop.library.hub.download_paths import DownloadPaths, read_download_record
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_errors import DownloadCancelledError, HubError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing
from sdxl_desktop.workers.jobs import JobWorker, run_job

_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@dataclass(frozen=True, slots=True)
class HubConnection:
    """Connection settings: the user's `token`, bytes of disk to leave free (`reserved_bytes`), and the shortest pause
    before a retry, in seconds (`initial_delay`)."""

    token: AccessToken
    reserved_bytes: int = 10**9
    initial_delay: float = 1.0

    @classmethod
    def default(cls) -> HubConnection:
        """Use the stored token; may ask the user to unlock the keyring."""
        return cls(find_token())


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`folder` has the files; `path` is what to import: that folder, or the single file in it. `received_bytes` were
    downloaded by this call."""

    folder: Path
    listing: HubListing
    received_bytes: int

    @property
    def path(self) -> Path:
        if self.listing.layout is DownloadLayout.SINGLE_FILE:
            return self.folder / Path(self.listing.files[0].path).name
        return self.folder


def list_hub_files(
    address: HubAddress,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    openvino: bool = False,
    connection: HubConnection | None = None,
) -> HubListing:
    """List the files at `address` that are needed (`openvino`: those for OpenVINO if there are both). Blocks; raises
    HubError, DownloadCancelledError after a cancel."""
    connection = connection or HubConnection.default()
    job = DownloadJob(
        address=address,
        openvino=openvino,
        token=connection.token.value,
        token_from=connection.token.source,
        first_wait=connection.initial_delay,
    )
    found: HubListing = run_job(_WORKER, job, emit, cancel or threading.Event())
    return found


def download(
    address: HubAddress,
    listing: HubListing,
    destination: Path,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    connection: HubConnection | None = None,
) -> Downloaded:
    """Download `listing`, returned by `list_hub_files`, into the new folder `destination`.

    Blocks until done; `emit` is called on this thread. `cancel` is polled and stops it at once; to pause, cancel; to
    resume, call this again with the same destination or one next to it: verified and partial files are kept, also after
    a kill. Raises CheckpointError if the destination exists, and HubError as AccessError, HubNotFoundError,
    RateLimitedError, ConnectionLostError, DiskFullError, ChecksumMismatchError or DownloadCancelledError.
    """
    if destination.exists():
        if read_download_record(destination) == listing:
            return Downloaded(destination, listing, 0)
        raise CheckpointError(
            f"There is something called {destination.name} already.", next_step="Give another name, or remove it first."
        )
    connection = connection or HubConnection.default()
    job = DownloadJob(
        address=address,
        listing=listing,
        destination=destination.absolute(),
        token=connection.token.value,
        token_from=connection.token.source,
        reserve=connection.reserved_bytes,
        first_wait=connection.initial_delay,
    )
    received: int = run_job(_WORKER, job, emit, cancel or threading.Event())
    return Downloaded(destination, listing, received)


def count_unfinished_bytes(address: HubAddress, listing: HubListing, destination: Path) -> int:
    """Return the bytes of an unfinished download that need not be downloaded again."""
    return DownloadPaths(listing, address, destination).downloaded_bytes()


def _child_environment() -> dict[str, str]:
    """This process's environment, but online: the application keeps its libraries off the network, and the user asked
    for this download. HF_ENDPOINT and proxy variables are passed on; the token is part of the job."""
    settled = {
        name: value for name, value in child_program.child_environment().items() if name not in _OFFLINE_VARIABLES
    }
    return {**settled, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def _cancelled() -> DownloadCancelledError:
    return DownloadCancelledError("The download was stopped.", next_step="Start it again to go on where it was.")


def _crashed_error(why: str) -> HubError:
    return HubError(
        "The download ended before it was done.", why=why, next_step="Start it again; what is there is kept."
    )


_WORKER = JobWorker(
    host=child_program.DOWNLOAD_HOST,
    cancelled_error=_cancelled,
    died_error=_crashed_error,
    environment=_child_environment,
)
