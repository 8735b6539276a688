"""The worker that downloads: does one `DownloadJob`, and is the only process that uses the network.

Being killed costs nothing: the next one goes on with the next byte.
"""

from __future__ import annotations

from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.files import Listing
from sdxl_desktop.library.hub.job import DownloadJob, DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.places import Places
from sdxl_desktop.library.hub.retry import Caller, RetryPolicy
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the download process; returns only by ending it."""
    HOST.serve()


def _work(job: DownloadJob, emit: Emit) -> Listing | int:
    return _list(job, emit) if job.listing is None else _download(job, job.listing, emit)


def _list(job: DownloadJob, emit: Emit) -> Listing:
    from sdxl_desktop.library.hub.listing import ask  # the whole of the hub's library

    emit(DownloadProgress(phase=DownloadPhase.ASKING))

    def waiting(seconds: float, why: str) -> None:
        emit(DownloadProgress(phase=DownloadPhase.WAITING, seconds=seconds, why=why))

    caller = Caller(job.token, job.token_from, RetryPolicy(tries=4, first_wait=job.first_wait))  # offline is told soon
    return ask(job.address, caller, waiting, openvino=job.openvino)


def _download(job: DownloadJob, listing: Listing, emit: Emit) -> int:
    from sdxl_desktop.library.hub.fetching import fetch

    assert job.destination is not None
    places = Places(listing, job.address, job.destination)
    caller = Caller(job.token, job.token_from, RetryPolicy(first_wait=job.first_wait))
    return fetch(places, caller, emit, reserve=job.reserve)


def _failed(cause: str) -> HubError:
    return HubError(
        "The download failed in a way that was not foreseen.",
        why=cause,
        next_step="Start it again; what is there is kept.",
    )


def _out_of_memory(job: DownloadJob) -> HubError:
    return HubError(
        "The download ended for want of memory.",
        why="There was not enough memory.",
        next_step="Close other programs and start it again; what is there is kept.",
    )


HOST = JobHost(job=DownloadJob, work=_work, failed=_failed, out_of_memory=_out_of_memory)
