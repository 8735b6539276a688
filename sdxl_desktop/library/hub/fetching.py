"""Downloads everything that a listing names into one folder, which appears whole or not at all. For the own process.

What is unfinished lies beside that folder in `.downloading`, by the content it will have: `whole` holds files that were
verified, `partial` those that are not finished. Whoever comes next goes on there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator

import filelock
import msgspec
from huggingface_hub import hf_hub_url

from sdxl_desktop.library.hub.address import endpoint
from sdxl_desktop.library.hub.client import HubClient
from sdxl_desktop.library.hub.errors import DiskFullError, HubError, disk_problem
from sdxl_desktop.library.hub.files import RemoteFile
from sdxl_desktop.library.hub.job import DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.places import PARTIAL, RECORD, WHOLE, Places, note_wanted
from sdxl_desktop.library.hub.retry import Caller, Persistence
from sdxl_desktop.library.hub.transfer import Transfer

_SECONDS_BETWEEN_REPORTS = 0.1
_RATE_SECONDS = 5.0
_LOCK_SECONDS = 1.0


class DownloadReporter:
    """Counts bytes and reports them, at most ten times a second."""

    def __init__(self, emit: Emit, total: int) -> None:
        self._emit, self._total = emit, total
        self._done, self._file = 0, ""
        self._reported_at = 0.0
        self._window: list[tuple[float, int]] = []

    def begin(self, phase: DownloadPhase, file: str = "", *, seconds: float = 0.0, why: str = "") -> None:
        self._file = file or self._file
        self._report(phase, seconds=seconds, why=why)

    def found(self, count: int) -> None:
        """Bytes that were there already, or (below zero) that are thrown away."""
        self._done += count
        if time.monotonic() - self._reported_at >= _SECONDS_BETWEEN_REPORTS:
            self._report(DownloadPhase.CHECKING)

    def bytes(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if count > 0 and now - self._reported_at < _SECONDS_BETWEEN_REPORTS and self._done < self._total:
            return
        self._window = [(at, done) for at, done in self._window if now - at < _RATE_SECONDS and done <= self._done]
        self._window.append((now, self._done))
        self._report(DownloadPhase.DOWNLOADING)

    def _rate(self) -> float | None:
        if len(self._window) < 2 or self._window[-1][0] - self._window[0][0] < 0.3:
            return None
        (start, before), (end, after) = self._window[0], self._window[-1]
        return (after - before) / (end - start)

    def _report(self, phase: DownloadPhase, *, seconds: float = 0.0, why: str = "") -> None:
        self._reported_at = time.monotonic()
        rate = self._rate() if phase is DownloadPhase.DOWNLOADING else None
        self._emit(
            DownloadProgress(
                phase=phase,
                file=self._file,
                done=self._done,
                total=self._total,
                bytes_per_second=rate,
                seconds=seconds,
                why=why,
            )
        )


def fetch(places: Places, caller: Caller, emit: Emit, *, reserve: int) -> int:
    """Bring all files of `places.listing` to `places.destination`; returns the bytes that came over the line.

    `reserve` bytes of the disk are left free. Raises HubError; what came is kept.
    """
    reporter = DownloadReporter(emit, places.listing.bytes)
    with _alone(places):
        reporter.begin(DownloadPhase.CHECKING)
        _check_room(places, reserve)
        note_wanted(places)
        with HubClient(caller.token) as client:
            received = sum(_bring(file, places, caller, client, reporter) for file in places.listing.files)
        reporter.begin(DownloadPhase.FINISHING)
        _finish(places)
    shutil.rmtree(places.work, ignore_errors=True)
    with contextlib.suppress(OSError):  # others may be at work there
        places.work.parent.rmdir()
    return received


def _bring(file: RemoteFile, places: Places, caller: Caller, client: HubClient, reporter: DownloadReporter) -> int:
    """The bytes that came over the line for `file`, which is whole then."""
    whole = places.whole(file)
    if places.has_whole(file):  # verified before it got this name
        reporter.found(file.size)
        return 0
    reporter.begin(DownloadPhase.DOWNLOADING, file.path)

    def waiting(seconds: float, why: str) -> None:
        reporter.begin(DownloadPhase.WAITING, seconds=seconds, why=why)

    repo, partial = places.listing.repo, places.partial(file)
    url = hf_hub_url(repo, file.path, revision=places.listing.commit, endpoint=endpoint())
    transfer = Transfer(url, client, file, partial, on_found=reporter.found, on_bytes=reporter.bytes)
    transfer.fetch(Persistence(caller, repo, waiting, file.path))
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(whole)
    except OSError as problem:
        raise disk_problem(problem, str(places.work)) from problem
    return transfer.received


def _check_room(places: Places, reserve: int) -> None:
    """Raise DiskFullError unless what is still missing fits, with `reserve` bytes to spare."""
    missing = places.listing.bytes - places.kept_bytes()
    free = shutil.disk_usage(places.work).free
    if free < missing + reserve:
        raise DiskFullError(
            "There is not enough room on the disk for this download.",
            why=f"It still needs {missing / 1e9:.1f} GB and {reserve / 1e9:.1f} GB to spare, and {free / 1e9:.1f} GB "
            f"are free where {places.destination.parent} lies.",
            next_step="Make room, or choose another folder for checkpoints in the settings.",
        )


def _finish(places: Places) -> None:
    """Write the record and move the whole folder to its place."""
    whole = places.work / WHOLE
    try:
        with (whole / RECORD).open("wb") as record:
            record.write(msgspec.json.format(msgspec.json.encode(places.listing), indent=2) + b"\n")
            record.flush()
            os.fsync(record.fileno())
        if places.destination.exists():
            raise HubError(
                f"{places.destination.name} has come into being meanwhile.",
                why=f"There is something at {places.destination} now.",
                next_step="Give another name; nothing needs to be downloaded again.",
            )
        whole.rename(places.destination)
        shutil.rmtree(places.work / PARTIAL, ignore_errors=True)
    except OSError as problem:
        raise disk_problem(problem, str(places.destination)) from problem


@contextlib.contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Hold the work's folder. A killed holder's lock is gone with it."""
    try:
        places.work.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(places.work / "lock", timeout=_LOCK_SECONDS)
        lock.acquire()
    except filelock.Timeout as problem:
        raise HubError(
            "This is being downloaded already.",
            why="Another window or terminal is at it.",
            next_step="Wait for that one, or stop it first.",
        ) from problem
    except OSError as problem:
        raise disk_problem(problem, str(places.work)) from problem
    try:
        yield
    finally:
        lock.release()
