"""Download all files of a listing into one folder, which appears only when complete. Only for the worker process.

Unfinished files lie next to that folder in `.downloading`, named by their content: `whole` holds verified files,
`partial` unfinished ones. The next run resumes there.
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

from sdxl_desktop.library.hub.download_job import DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.download_paths import (
    COMPLETE_FOLDER,
    PARTIAL_FOLDER,
    RECORD_FILE,
    DownloadPaths,
    write_unfinished_record,
)
from sdxl_desktop.library.hub.file_transfer import FileTransfer
from sdxl_desktop.library.hub.hub_address import endpoint
from sdxl_desktop.library.hub.hub_client import HubClient
from sdxl_desktop.library.hub.hub_errors import DiskFullError, HubError, disk_error
from sdxl_desktop.library.hub.remote_files import RemoteFile
from sdxl_desktop.library.hub.retry import HubCredentials, Retrier

_SECONDS_BETWEEN_REPORTS = 0.1
_RATE_WINDOW = 5.0
_LOCK_TIMEOUT = 1.0


class DownloadReporter:
    """Counts bytes and reports them at most ten times a second."""

    def __init__(self, emit: Emit, total: int) -> None:
        self._emit, self._total = emit, total
        self._done, self._file = 0, ""
        self._reported_at = 0.0
        self._window: list[tuple[float, int]] = []

    def begin(self, phase: DownloadPhase, file: str = "", *, seconds: float = 0.0, why: str = "") -> None:
        self._file = file or self._file
        self._report(phase, seconds=seconds, why=why)

    def found(self, count: int) -> None:
        """Add bytes that existed already, or (negative) subtract discarded ones."""
        self._done += count
        if time.monotonic() - self._reported_at >= _SECONDS_BETWEEN_REPORTS:
            self._report(DownloadPhase.CHECKING)

    def bytes(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if count > 0 and now - self._reported_at < _SECONDS_BETWEEN_REPORTS and self._done < self._total:
            return
        self._window = [(at, done) for at, done in self._window if now - at < _RATE_WINDOW and done <= self._done]
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


def download_files(paths: DownloadPaths, credentials: HubCredentials, emit: Emit, *, reserved_bytes: int) -> int:
    """Download all files of `paths.listing` to `paths.destination`; returns the number of bytes downloaded.

    `reserved_bytes` of the disk stay free. Raises HubError; partial files are kept.
    """
    reporter = DownloadReporter(emit, paths.listing.bytes)
    with _work_folder_lock(paths):
        reporter.begin(DownloadPhase.CHECKING)
        _check_disk_space(paths, reserved_bytes)
        write_unfinished_record(paths)
        with HubClient(credentials.token) as client:
            received = sum(_download_file(file, paths, credentials, client, reporter) for file in paths.listing.files)
        reporter.begin(DownloadPhase.FINISHING)
        _move_into_place(paths)
    shutil.rmtree(paths.work_folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another process may be using it
        paths.work_folder.parent.rmdir()
    return received


def _download_file(
    file: RemoteFile, paths: DownloadPaths, credentials: HubCredentials, client: HubClient, reporter: DownloadReporter
) -> int:
    """Download `file` completely; returns the number of bytes downloaded."""
    whole = paths.complete_path(file)
    if paths.is_complete(file):  # it was verified before it got this name
        reporter.found(file.size)
        return 0
    reporter.begin(DownloadPhase.DOWNLOADING, file.path)

    def waiting(seconds: float, why: str) -> None:
        reporter.begin(DownloadPhase.WAITING, seconds=seconds, why=why)

    repo, partial = paths.listing.repo, paths.partial_path(file)
    url = hf_hub_url(repo, file.path, revision=paths.listing.commit, endpoint=endpoint())
    transfer = FileTransfer(url, client, file, partial, on_existing=reporter.found, on_bytes=reporter.bytes)
    transfer.run(Retrier(credentials, repo, waiting, file.path))
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(whole)
    except OSError as problem:
        raise disk_error(problem, str(paths.work_folder)) from problem
    return transfer.received_bytes


def _check_disk_space(paths: DownloadPaths, reserve: int) -> None:
    """Raise DiskFullError unless the missing bytes fit, with `reserve` bytes to spare."""
    missing = paths.listing.bytes - paths.downloaded_bytes()
    free = shutil.disk_usage(paths.work_folder).free
    if free < missing + reserve:
        raise DiskFullError(
            "There is not enough room on the disk for this download.",
            why=f"It still needs {missing / 1e9:.1f} GB and {reserve / 1e9:.1f} GB to spare, and {free / 1e9:.1f} GB "
            f"are free where {paths.destination.parent} lies.",
            next_step="Make room, or choose another folder for checkpoints in the settings.",
        )


def _move_into_place(paths: DownloadPaths) -> None:
    """Write the record and move the complete folder to its destination."""
    whole = paths.work_folder / COMPLETE_FOLDER
    try:
        with (whole / RECORD_FILE).open("wb") as record:
            record.write(msgspec.json.format(msgspec.json.encode(paths.listing), indent=2) + b"\n")
            record.flush()
            os.fsync(record.fileno())
        if paths.destination.exists():
            raise HubError(
                f"{paths.destination.name} has come into being meanwhile.",
                why=f"There is something at {paths.destination} now.",
                next_step="Give another name; nothing needs to be downloaded again.",
            )
        whole.rename(paths.destination)
        shutil.rmtree(paths.work_folder / PARTIAL_FOLDER, ignore_errors=True)
    except OSError as problem:
        raise disk_error(problem, str(paths.destination)) from problem


@contextlib.contextmanager
def _work_folder_lock(paths: DownloadPaths) -> Iterator[None]:
    """Hold the lock of the work folder. The lock of a killed process is released with it."""
    try:
        paths.work_folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(paths.work_folder / "lock", timeout=_LOCK_TIMEOUT)
        lock.acquire()
    except filelock.Timeout as problem:
        raise HubError(
            "This is being downloaded already.",
            why="Another window or terminal is at it.",
            next_step="Wait for that one, or stop it first.",
        ) from problem
    except OSError as problem:
        raise disk_error(problem, str(paths.work_folder)) from problem
    try:
        yield
    finally:
        lock.release()
