"""A worker for one job: the application's side starts it and waits, the worker's side does the job and exits."""

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
"""Bytes at the end of standard error that are searched for the last line."""
_MAX_CAUSE = 300
"""Maximum length of a library's error message, in characters."""

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event of the running job."""

    event: Any


@dataclass(frozen=True, slots=True)
class JobResult:
    """The return value of the finished job."""

    value: Any


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The error that the job ended with."""

    error: SdxlDesktopError


JobMessage = JobEvent | JobResult | JobFailed


class CancelToken(Protocol):
    """Tells whether the user has cancelled; `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWorker:
    """The application's side of one kind of job, and its errors.

    `host` is the program argument that starts the worker, with the variables from `environment()`. `cancelled()` is
    raised if the user cancelled, `died(why)` if the process ended without a result; `why` is a sentence.
    """

    host: str
    cancelled_error: Callable[[], SdxlDesktopError]
    died_error: Callable[[str], SdxlDesktopError]
    environment: Callable[[], Mapping[str, str]] = offline_environment


def run_job(worker: JobWorker, job: object, emit: Callable[[Any], None], cancel: CancelToken) -> Any:
    """Run `job` in a worker process and return its result. Blocks until it is done.

    `emit` is called with the job's events, on this thread. The process is killed when `cancel` is set, and in any case
    before this returns. Raises the job's error, `worker.cancelled()`, `worker.died()`, WorkerStartError, and what
    `emit` raises.
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
            raise worker.cancelled_error()
        if isinstance(last, JobFailed):
            raise last.error
        raise worker.died_error(last.why or exit_reason(process.exit_code, _last_line(stderr)))


def _last_message(
    process: WorkerProcess, emit: Callable[[Any], None], cancel: CancelToken
) -> JobResult | JobFailed | WorkerEnded | None:
    """Emit events until the last message and return it without waiting for the process to exit; None after a
    cancel."""
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
    """The worker's side of one kind of job.

    `work` runs a job of type `job`, emits events and returns the result. The job ends with `failed(cause)` if a library
    raised an error, where `cause` is a sentence, and with `out_of_memory(job)` if there was not enough memory or the
    process used more than `memory_limit(job)` bytes (None: no limit).
    """

    job: type[J]
    work: Callable[[J, Callable[[Any], None]], Any]
    failed_error: Callable[[str], SdxlDesktopError]
    out_of_memory_error: Callable[[J], SdxlDesktopError]
    memory_limit: Callable[[J], int | None] = _unlimited

    def run(self, job: J, send: Callable[[JobMessage], None]) -> int:
        """Run `job` and send its messages; returns the exit code. Catches all exceptions of libraries."""
        try:
            value = self.work(job, lambda event: send(JobEvent(event)))
        except SdxlDesktopError as problem:
            send(JobFailed(problem))
            return 1
        except Exception as problem:
            log.exception("The job failed unexpectedly")
            send(
                JobFailed(
                    self.out_of_memory_error(job) if is_out_of_memory(problem) else self.failed_error(_cause(problem))
                )
            )
            return 1
        send(JobResult(value))
        return 0

    def serve(self) -> NoReturn:
        """Run this process as a worker for one job; never returns."""
        application = worker_main.connect(log_level=logging.ERROR)
        job: J = application.receive(self.job)
        application.listen(lambda message: None, ())  # only to exit when the application does
        limit = self.memory_limit(job)
        if limit is not None:
            memory.exit_above_limit(limit, lambda: application.send(JobFailed(self.out_of_memory_error(job))))
        os._exit(self.run(job, application.send))  # the system frees what libraries hold, faster than a normal exit


def _cause(problem: Exception) -> str:
    """Return a sentence like "ValueError: the first line of the message."."""
    lines = str(problem).splitlines()
    return f"{type(problem).__name__}: {lines[0][:_MAX_CAUSE] if lines else ''}".rstrip(": ").rstrip(".") + "."
