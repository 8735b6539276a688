"""Out-of-memory handling: recognises the exceptions, reports them uniformly, and ends a process that would hang."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from sdxl_desktop.core.errors import EngineError

OUT_OF_MEMORY_EXIT_CODE = 77
"""Exit code of a process that ended because it ran out of memory."""

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_START = 8
_MESSAGE_PARTS = (
    "bad_alloc",
    "can't alloc",
    "failed to alloc",
    "cannot allocate",
    "could not allocate",
    "out of memory",
    "out_of_host_memory",
    "out_of_resources",
    "mem_object_allocation_failure",
    "failed to map segment",
    "not enough memory",
    "resource temporarily unavailable",  # a thread that cannot be started
    "can't start new thread",
)
_SENTENCE = (
    b"There was not enough memory. Close other programs, draw a smaller picture, or choose a smaller checkpoint.\n"
)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether `problem` was caused by lack of memory, by its type or the messages of OpenVINO, its devices and the
    system."""
    words = str(problem).lower()
    return isinstance(problem, MemoryError) or any(each in words for each in _MESSAGE_PARTS)


def out_of_memory_error(doing: str) -> EngineError:
    """Return the error to report; `doing` completes "It ran out while …"."""
    return EngineError(
        "There was not enough memory.",
        why=f"It ran out while {doing}.",
        next_step="Close other programs, draw a smaller picture, or choose a checkpoint with smaller weights (int8).",
    )


def exit_when_out_of_memory(*, print_message: bool = False) -> None:
    """From now on, end the process with `OUT_OF_MEMORY_EXIT_CODE` if it would hang for lack of memory; with
    `print_message` it prints a message first.

    Python's `Thread.start` waits forever for a thread that has no memory for its first call. A thread that is already
    running watches for this.
    """
    threading.Thread(target=_watch, args=(print_message,), name="shortage", daemon=True).start()


def _watch(print_message: bool) -> None:
    starting = 0
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        with suppress(MemoryError):
            starting = starting + 1 if _some_thread_is_starting() else 0
        if starting * _SECONDS_BETWEEN_LOOKS >= _SECONDS_TO_START:
            if print_message:
                os.write(2, _SENTENCE)
            os._exit(OUT_OF_MEMORY_EXIT_CODE)


def _some_thread_is_starting() -> bool:
    for frame in sys._current_frames().values():
        caller: FrameType | None = frame
        while caller is not None:
            if caller.f_code is threading.Thread.start.__code__:
                return True
            caller = caller.f_back
    return False
