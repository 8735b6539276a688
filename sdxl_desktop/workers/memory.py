"""How much memory of its own a process takes, and the end of a worker that takes more than it may."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import psutil

from sdxl_desktop.core.shortage import EXIT_CODE

_SPARE = 512 * 2**20
_POLL_SECONDS = 0.1


def usual_limit() -> int:
    """Bytes that a worker may take when nobody says how many: what is free, less half a gigabyte, and at least that."""
    return max(_SPARE, int(psutil.virtual_memory().available) - _SPARE)


def own_memory(process: psutil.Process) -> int:
    """Bytes that are the process's own: resident, less what merely mirrors files. Raises psutil.Error if it is gone."""
    if sys.platform == "linux":
        about = process.memory_info()
        return int(about.rss - about.shared)
    return int(process.memory_full_info().uss)


def end_above(limit: int, tell: Callable[[], None]) -> None:
    """Have this process watched: when its own memory passes `limit` bytes it calls `tell` and ends, before the computer
    starts to swap."""
    threading.Thread(target=_watch, args=(limit, tell), daemon=True, name="memory").start()


def _watch(limit: int, tell: Callable[[], None]) -> None:
    process = psutil.Process()
    while own_memory(process) <= limit:
        time.sleep(_POLL_SECONDS)
    try:
        tell()
    finally:
        os._exit(EXIT_CODE)
