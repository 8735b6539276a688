"""A computing child that does next to nothing: what its job says."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import CheckpointError, EngineError, SdxlDesktopError
from sdxl_desktop.library.children import words
from sdxl_desktop.library.children.computing import Computing, Emit
from sdxl_desktop.library.children.words import JobProgress

LATER = 60.0
"""Seconds, much longer than a test waits."""


class Stage(StrEnum):
    WORKING = "working"


@dataclass(frozen=True, slots=True)
class Job:
    what: str
    memory_limit: int = 10**12

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, line: bytes) -> Job:
        return cls(**json.loads(line))


def _work(job: Job, emit: Emit) -> None:
    emit(JobProgress(stage=Stage.WORKING, part="é", done=os.getpid()))
    match job.what:
        case "chatter":
            print("a library prints", flush=True)
            os.write(1, b"native code prints\n")
        case "explain":
            raise CheckpointError("It is not one.", why="Look at it.", next_step="Take another.")
        case "fail":
            raise ValueError("first line\nsecond line")
        case "run out":
            raise MemoryError
        case "hoard":
            hoard = bytearray(os.urandom(2**20) * 100)
            time.sleep(LATER)
            del hoard
        case "die":
            print("old words\nlast words", file=sys.stderr, flush=True)
            os._exit(3)
        case "wait":
            time.sleep(LATER)
    emit(JobProgress(stage=Stage.WORKING, fraction=1.0))


HOST = Computing(
    read=Job.read,
    work=_work,
    too_much=lambda job: EngineError("Too much.", why=f"{job.memory_limit}."),
    failed=lambda cause: EngineError("Failed.", why=cause),
)


def read_line(line: bytes) -> JobProgress[Stage] | SdxlDesktopError | words.Done:
    def progress(said: dict[str, Any]) -> JobProgress[Stage]:
        return JobProgress(**{**said, "stage": Stage(said["stage"])})

    return words.read(line, progress, words.errors_of(errors), SdxlDesktopError)


if __name__ == "__main__":
    HOST.serve()
