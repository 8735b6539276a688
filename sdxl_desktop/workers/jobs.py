"""A worker that does one job: the application's side starts it and waits, the worker's side does the job and ends."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, NoReturn, Protocol, TypeVar

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.out_of_memory import is_out_of_memory
from sdxl_desktop.workers import memory, worker_main
from sdxl_desktop.workers.process import WorkerEnded, WorkerProcess, exit_reason, offline_environment

log = logging.getLogger(__name__)

_LOG_END = 2000
"""Bytes of standard error that the last line is looked for in."""
_MAX_CAUSE = 300
"""Characters of what a library said."""

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What the job tells while it runs."""

    event: Any


@dataclass(frozen=True, slots=True)
class JobResult:
    """The job is done: what it returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job ended in an error."""

    error: SdxlDesktopError


JobMessage = JobEvent | JobResult | JobFailed


class CancelToken(Protocol):
    """Says whether the person has asked to stop; `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWorker:
    """One kind of job as the application sees it, and how it ends badly.

    `host` is the program's argument that starts its worker, with what `environment()` gives. `cancelled()` is raised
    where the person stopped it, `died(why)` where the process ended without a result; `why` is a sentence.
    """

    host: str
    cancelled: Callable[[], SdxlDesktopError]
    died: Callable[[str], SdxlDesktopError]
    environment: Callable[[], Mapping[str, str]] = offline_environment


def run_job(worker: JobWorker, job: object, emit: Callable[[Any], None], cancel: CancelToken) -> Any:
    """Do `job` in a process of its own and return its result. Blocks for as long as it takes.

    `emit` is called with what the job tells, on this thread. The process is killed when `cancel` is set, and whatever
    happens here. Raises the error that the job ended in, what `worker` has for one that was cancelled or died,
    WorkerStartError, and what `emit` raises.
    """
    with tempfile.TemporaryFile() as stderr:
        process = WorkerProcess(worker.host, JobMessage, stderr=stderr, environment=worker.environment())
        try:
            process.send(job)
            last = _last_message(process, emit, cancel)
            if isinstance(last, WorkerEnded):
                process.end_after(last)
        finally:
            process.end()
        if isinstance(last, JobResult):
            return last.value
        if last is None or cancel.is_set():
            raise worker.cancelled()
        if isinstance(last, JobFailed):
            raise last.error
        raise worker.died(last.why or exit_reason(process.exit_code, _last_line(stderr)))


def _last_message(
    process: WorkerProcess, emit: Callable[[Any], None], cancel: CancelToken
) -> JobResult | JobFailed | WorkerEnded | None:
    """Pass events on until the last message, which is returned without waiting for the end of the process; None after
    a cancel."""
    while not cancel.is_set():
        message: JobMessage | WorkerEnded | None = process.receive()
        if isinstance(message, JobEvent):
            emit(message.event)
        elif message is not None:
            return message
    return None


def _last_line(stderr: BinaryIO) -> str:
    stderr.seek(0)
    lines = stderr.read()[-_LOG_END:].decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _unlimited(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHost(Generic[J]):
    """One kind of job as its worker does it.

    `work` does a job of the type `job`, tells how it goes and returns the result. The job ends in `failed(cause)` where
    a library raised something, which `cause` says in a sentence, and in `out_of_memory(job)` where there was not enough
    memory, or where the process took more than `memory_limit(job)` bytes of it (None: no limit).
    """

    job: type[J]
    work: Callable[[J, Callable[[Any], None]], Any]
    failed: Callable[[str], SdxlDesktopError]
    out_of_memory: Callable[[J], SdxlDesktopError]
    memory_limit: Callable[[J], int | None] = _unlimited

    def do(self, job: J, send: Callable[[JobMessage], None]) -> int:
        """Do `job`, sending all that it tells; returns the exit code. Catches everything that libraries raise."""
        try:
            value = self.work(job, lambda event: send(JobEvent(event)))
        except SdxlDesktopError as problem:
            send(JobFailed(problem))
            return 1
        except Exception as problem:
            log.exception("The job failed unexpectedly")
            send(JobFailed(self.out_of_memory(job) if is_out_of_memory(problem) else self.failed(_cause(problem))))
            return 1
        send(JobResult(value))
        return 0

    def serve(self) -> NoReturn:
        """Be such a worker, from the first moment of this process to its last."""
        application = worker_main.connect(log_level=logging.ERROR)
        job: J = application.receive(self.job)
        application.listen(lambda message: None, ())  # only to end with the application
        limit = self.memory_limit(job)
        if limit is not None:
            memory.exit_above_limit(limit, lambda: application.send(JobFailed(self.out_of_memory(job))))
        os._exit(self.do(job, application.send))  # the system lets go of what libraries hold, not piece by piece


def _cause(problem: Exception) -> str:
    """ "ValueError: the first line of what it says."."""
    lines = str(problem).splitlines()
    return f"{type(problem).__name__}: {lines[0][:_MAX_CAUSE] if lines else ''}".rstrip(": ").rstrip(".") + "."
