"""A process's private memory, current and peak, and exiting a worker that exceeds its limit."""

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
    """Return the default memory limit of a worker in bytes: the available memory less 512 MiB, but at least 512 MiB."""
    return max(_SPARE, int(psutil.virtual_memory().available) - _SPARE)


def process_memory(process: psutil.Process) -> int:
    """Return the process's private bytes: resident without file mappings. Raises psutil.Error if it has ended."""
    if sys.platform == "linux":
        about = process.memory_info()
        return int(about.rss - about.shared)
    return int(process.memory_full_info().uss)


def exit_above_limit(limit: int, tell: Callable[[], None]) -> None:
    """Watch this process's memory: above `limit` bytes, call `tell` and exit, before the computer starts to swap."""
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
    """Context manager that samples the memory of the process `pid()` fifty times a second.

    `peak` is the maximum, `peak_while_working` the maximum while `is_working` was set; both in bytes.
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
