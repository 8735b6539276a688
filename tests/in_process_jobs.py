"""Runs jobs in the test's own process, which has already imported what they need, instead of in a worker."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from sdxl_desktop.workers import protocol
from sdxl_desktop.workers.jobs import JobEvent, JobFailed, JobHost, JobMessage, JobResult
from tests.garbage import without_garbage_collections


def pickle_round_trip(message: Any) -> Any:
    """Return `message` as the other end of a pipe would receive it."""
    return protocol.read(io.BytesIO(protocol.pack(message)))


def run_job_in_process(host: JobHost[Any], job: Any, emit: Callable[[Any], None]) -> Any:
    """Return the job's result or raise its error, as `run_job` does; `emit` receives its events."""
    last: list[JobMessage] = []
    raised: list[BaseException] = []

    def send(message: JobMessage) -> None:
        arrived: JobMessage = pickle_round_trip(message)
        if not isinstance(arrived, JobEvent):
            last.append(arrived)
            return
        try:
            emit(arrived.event)
        except BaseException as problem:
            raised.append(problem)
            raise

    with without_garbage_collections():
        host.run(pickle_round_trip(job), send)
    for problem in raised:
        raise problem
    if isinstance(last[-1], JobFailed):
        raise last[-1].error
    assert isinstance(last[-1], JobResult)
    return last[-1].value
