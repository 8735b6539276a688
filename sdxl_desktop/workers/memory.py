"""How much memory of its own a process takes, now and at most, and the end of a worker that takes more than it may."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil

from sdxl_desktop.core.out_of_memory import OUT_OF_MEMORY_EXIT_CODE

_SPARE = 512 * 2**20
_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.02


def default_memory_limit() -> int:
    """Bytes that a worker may take when nobody says how many: what is free, less half a gigabyte, and at least that."""
    return max(_SPARE, int(psutil.virtual_memory().available) - _SPARE)


def process_memory(process: psutil.Process) -> int:
    """Bytes that are the process's own: resident, less what merely mirrors files. Raises psutil.Error if it is gone."""
    if sys.platform == "linux":
        about = process.memory_info()
        return int(about.rss - about.shared)
    return int(process.memory_full_info().uss)


def exit_above_limit(limit: int, tell: Callable[[], None]) -> None:
    """Have this process watched: when its own memory passes `limit` bytes it calls `tell` and ends, before the computer
    starts to swap."""
    threading.Thread(target=_watch, args=(limit, tell), daemon=True, name="memory").start()


def _watch(limit: int, tell: Callable[[], None]) -> None:
    process = psutil.Process()
    while process_memory(process) <= limit:
        time.sleep(_POLL_SECONDS)
    try:
        tell()
    finally:
        os._exit(OUT_OF_MEMORY_EXIT_CODE)


class MemoryWatch:
    """Within it, the memory of the process `pid()` is looked at fifty times a second.

    `peak` is the most there ever was, `peak_at_work` the most while `working` was set; both in bytes.
    """

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self.peak = self.peak_while_working = 0
        self.is_working = False
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_SECONDS):
            pid = self._pid()
            if pid is None:
                continue
            with contextlib.suppress(psutil.Error):
                now = process_memory(psutil.Process(pid))
                self.peak = max(self.peak, now)
                if self.is_working:
                    self.peak_while_working = max(self.peak_while_working, now)
