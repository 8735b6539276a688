"""The download worker: runs one `DownloadJob`; the only process that uses the network.

If it is killed, the next run resumes at the next byte.
"""

from __future__ import annotations

from sdxl_desktop.library.hub.download_job import DownloadJob, DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.download_paths import DownloadPaths
from sdxl_desktop.library.hub.hub_errors import HubError
from sdxl_desktop.library.hub.remote_files import HubListing
from sdxl_desktop.library.hub.retry import HubCredentials, RetryPolicy
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the worker process; returns only when it ends."""
    HOST.serve()


def _work(job: DownloadJob, emit: Emit) -> HubListing | int:
    return _list_files(job, emit) if job.listing is None else _download(job, job.listing, emit)


def _list_files(job: DownloadJob, emit: Emit) -> HubListing:
    from sdxl_desktop.library.hub.repo_listing import list_repo  # imports huggingface_hub

    emit(DownloadProgress(phase=DownloadPhase.ASKING))

    def waiting(seconds: float, why: str) -> None:
        emit(DownloadProgress(phase=DownloadPhase.WAITING, seconds=seconds, why=why))

    caller = HubCredentials(
        job.token, job.token_from, RetryPolicy(tries=4, first_wait=job.first_wait)
    )  # fail fast when offline
    return list_repo(job.address, caller, waiting, openvino=job.openvino)


def _download(job: DownloadJob, listing: HubListing, emit: Emit) -> int:
    from sdxl_desktop.library.hub.downloader import download_files

    assert job.destination is not None
    places = DownloadPaths(listing, job.address, job.destination)
    caller = HubCredentials(job.token, job.token_from, RetryPolicy(first_wait=job.first_wait))
    return download_files(places, caller, emit, reserved_bytes=job.reserve)


def _failed(cause: str) -> HubError:
    return HubError(
        "The download failed unexpectedly.",
        why=cause,
        next_step="Start it again; what is there is kept.",
    )


def _out_of_memory(job: DownloadJob) -> HubError:
    return HubError(
        "The download ran out of memory.",
        why="There was not enough memory.",
        next_step="Close other programs and start it again; what is there is kept.",
    )


HOST = JobHost(job=DownloadJob, work=_work, failed_error=_failed, out_of_memory_error=_out_of_memory)
