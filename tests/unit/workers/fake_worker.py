"""A minimal worker that does what its job says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.errors import CheckpointError, EngineError
from sdxl_desktop.workers.jobs import JobHost
from sdxl_desktop.workers.progress import JobProgress

LATER = 60.0
"""Seconds, much longer than a test waits."""


class FakePhase(StrEnum):
    WORKING = "working"


@dataclass(frozen=True, slots=True)
class FakeJob:
    what: str
    memory_limit: int = 10**12


def _work(job: FakeJob, emit: Callable[[JobProgress[FakePhase]], None]) -> str:
    emit(JobProgress(phase=FakePhase.WORKING, part="é", done=os.getpid()))
    match job.what:
        case "chatter":
            print("a library prints", flush=True)
            os.write(1, b"native code prints\n")
            assert sys.stdin.read() == "", "a library that reads hears nothing of what is sent"
        case "explain":
            raise CheckpointError("It is not one.", why="Look at it.", next_step="Take another.")
        case "fail":
            raise ValueError("first line\nsecond line")
        case "run out":
            raise MemoryError
        case "run out natively":
            raise RuntimeError("[CPU] could not allocate 12 bytes")
        case "hoard":
            hoard = bytearray(os.urandom(2**20) * 100)
            time.sleep(LATER)
            del hoard
        case "die":
            print("old words\nlast words", file=sys.stderr, flush=True)
            os._exit(3)
        case "wait":
            time.sleep(LATER)
    emit(JobProgress(phase=FakePhase.WORKING, fraction=1.0))
    return f"did {job.what}"


HOST = JobHost(
    job=FakeJob,
    work=_work,
    failed_error=lambda cause: EngineError("Failed.", why=cause),
    out_of_memory_error=lambda job: EngineError("Too much.", why=f"{job.memory_limit}."),
    memory_limit=lambda job: job.memory_limit,
)
