"""The download's own process: takes one job from its standard input, does it, tells how it goes in lines of JSON.

It ends as soon as the application is gone or kills it, which costs nothing: the next one goes on with the next byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec

from sdxl_desktop.library.children import child
from sdxl_desktop.library.hub import events
from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.events import Done, DownloadProgress, Event, Listed, Problem, Stage
from sdxl_desktop.library.hub.job import Job
from sdxl_desktop.library.hub.patience import Caller, Patience
from sdxl_desktop.library.hub.places import Places


def do(job: Job, out: BinaryIO) -> int:
    """Do `job`, telling on `out`; returns the exit code."""

    def emit(event: Event) -> None:
        child.say(events.line(event), out)

    def work() -> None:
        emit(_list(job, emit) if job.listing is None else _download(job, emit))

    return child.caught(work, lambda problem: emit(Problem.of(problem)), _unexpected)


def _unexpected(problem: Exception) -> HubError:
    words = " ".join(str(problem).split())[:300]
    return HubError(
        "The download failed in a way that was not foreseen.",
        why=f"{type(problem).__name__}: {words}.",
        next_step="Start it again; what is there is kept.",
    )


def _list(job: Job, emit: events.Emit) -> Listed:
    from sdxl_desktop.library.hub.listing import ask  # the whole of the hub's library

    emit(DownloadProgress(stage=Stage.ASKING))

    def waiting(seconds: float, why: str) -> None:
        emit(DownloadProgress(stage=Stage.WAITING, seconds=seconds, why=why))

    caller = Caller(job.token, job.token_from, Patience(tries=4, first_wait=job.first_wait))  # offline is told soon
    return Listed(ask(job.address, caller, waiting, openvino=job.openvino))


def _download(job: Job, emit: events.Emit) -> Done:
    from sdxl_desktop.library.hub.fetching import fetch

    assert job.listing is not None
    places = Places(job.listing, job.address, Path(job.destination))
    caller = Caller(job.token, job.token_from, Patience(first_wait=job.first_wait))
    return Done(fetch(places, caller, emit, reserve=job.reserve))


def main() -> int:
    """Run the download process; returns only by ending it."""
    line, out = child.begin()
    child.end(do(msgspec.json.decode(line, type=Job), out), out)
