"""Lists and downloads by a process of its own: starts it, hears it, and ends it when the person pauses."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sdxl_desktop.core import program
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.children import kill_on
from sdxl_desktop.library.hub import events
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.errors import DownloadStoppedError, HubError
from sdxl_desktop.library.hub.events import Done, DownloadProgress, Listed, Problem
from sdxl_desktop.library.hub.files import Layout, Listing
from sdxl_desktop.library.hub.job import Job
from sdxl_desktop.library.hub.places import Places, read_record
from sdxl_desktop.library.hub.tokens import Token, find_token

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
_TAIL = 2000
Emit = Callable[[DownloadProgress], None]


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
    job = Job(
        address=address,
        openvino=openvino,
        token=line.token.value,
        token_from=line.token.where,
        first_wait=line.first_wait,
    )
    last = _converse(job, emit, cancel or threading.Event())
    assert isinstance(last, Listed)
    return last.listing


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
    job = Job(
        address=address,
        listing=listing,
        destination=str(destination.absolute()),
        token=line.token.value,
        token_from=line.token.where,
        reserve=line.reserve,
        first_wait=line.first_wait,
    )
    last = _converse(job, emit, cancel or threading.Event())
    assert isinstance(last, Done)
    return Downloaded(destination, listing, last.received)


def kept_bytes(address: Address, listing: Listing, destination: Path) -> int:
    """Bytes that an unfinished download left behind, and that need not come again."""
    return Places(listing, address, destination).kept_bytes()


def _environment() -> dict[str, str]:
    """This process's, but online: the application keeps its libraries off the network, and a download is what the
    person asked for. HF_ENDPOINT and the proxies' variables pass through."""
    settled = {name: value for name, value in program.environment().items() if name not in _OFFLINE}
    return {**settled, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _converse(job: Job, emit: Emit, cancel: threading.Event) -> Listed | Done:
    """Start the process, pass its progress on until it ends, kill it on a cancel; raises what it says went wrong."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            program.command(program.DOWNLOAD_HOST),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        over = threading.Event()
        watch = threading.Thread(target=kill_on, args=(cancel, over, process), daemon=True, name="cancel")
        watch.start()
        last: events.Event | None = None
        try:
            with process.stdout:
                with contextlib.suppress(OSError):  # it is gone already: what follows says why
                    process.stdin.write(msgspec.json.encode(job) + b"\n")
                    process.stdin.flush()
                for said in process.stdout:
                    last = events.read_line(said) if said.endswith(b"\n") else None  # else it was killed in mid-word
                    if isinstance(last, DownloadProgress):
                        emit(last)
        finally:
            over.set()
            watch.join()
            process.kill()
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
        if isinstance(last, Listed | Done):
            return last
        if cancel.is_set():
            raise DownloadStoppedError("The download was stopped.", next_step="Start it again to go on where it was.")
        if isinstance(last, Problem):
            raise last.error()
        log.seek(0)
        raise _died(process.returncode, log.read()[-_TAIL:].decode(errors="replace"))


def _died(code: int, said: str) -> HubError:
    tail = said.strip().splitlines()[-1] if said.strip() else ""
    return HubError(
        "The download ended before it was done.",
        why=f"Its process ended with exit code {code}. {tail}".strip(),
        next_step="Start it again; what is there is kept.",
    )
