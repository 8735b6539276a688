"""How much memory of its own another process takes at its highest."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psutil

from sdxl_desktop.workers.memory import own_memory

_SECONDS_BETWEEN = 0.02


class MemoryWatch:
    """Within it, the memory of the process `pid()` is looked at fifty times a second.

    `peak` is the most there ever was, `peak_at_work` the most while `working` was set; both in bytes.
    """

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self.peak = self.peak_at_work = 0
        self.working = False
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN):
            pid = self._pid()
            if pid is None:
                continue
            with contextlib.suppress(psutil.Error):
                now = own_memory(psutil.Process(pid))
                self.peak = max(self.peak, now)
                if self.working:
                    self.peak_at_work = max(self.peak_at_work, now)
