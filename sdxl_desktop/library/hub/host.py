"""The download's own process: takes one job from its standard input, does it, tells how it goes in lines of JSON.

It ends as soon as the application is gone or kills it, which costs nothing: the next one goes on with the next byte.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import msgspec

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.hub import events
from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.events import Done, DownloadProgress, Event, Listed, Problem, Stage
from sdxl_desktop.library.hub.job import Job
from sdxl_desktop.library.hub.patience import Caller, Patience
from sdxl_desktop.library.hub.places import Places


def do(job: Job, out: BinaryIO) -> int:
    """Do `job`, telling on `out`; returns the exit code. The last net under everything that libraries raise."""

    def emit(event: Event) -> None:
        out.write(events.line(event))
        out.flush()

    try:
        emit(_list(job, emit) if job.listing is None else _download(job, emit))
    except SdxlDesktopError as problem:
        emit(Problem.of(problem))
        return 1
    except Exception as problem:
        logging.getLogger(__name__).exception("The download failed unexpectedly")
        words = " ".join(str(problem).split())[:300]
        emit(
            Problem.of(
                HubError(
                    "The download failed in a way that was not foreseen.",
                    why=f"{type(problem).__name__}: {words}.",
                    next_step="Start it again; what is there is kept.",
                )
            )
        )
        return 1
    return 0


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
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches it too; what becomes of it, the application says
    out = _private_output()
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_the_application, daemon=True, name="application").start()
    code = do(job, out)
    out.flush()
    os._exit(code)


def _private_output() -> BinaryIO:
    """What was standard output, where no library can print any more."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb")


def _end_with_the_application() -> None:
    sys.stdin.buffer.read()  # returns when the pipe is closed, whatever the reason
    os._exit(0)
