"""How much memory the engine may take, how much it takes and took at most."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

RESERVE = 3 << 30
"""Bytes that are left to the system and to other programs, on machines that have enough."""
LEAST_SHARE = 0.6
"""Of the machine's memory, that the engine may take where the reserve would leave less."""
LEAST_TO_DECODE = 256 << 20
"""Bytes that a decode is given in any case."""
_TO_SPARE = 1.5
LOOK_SECONDS = 0.05
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def default_budget() -> int:
    """Bytes: what the machine has, less a reserve."""
    total = int(psutil.virtual_memory().total)
    return max(total - RESERVE, int(LEAST_SHARE * total))


class Budget:
    """Bytes that this process may take, of which at most so many are free as the machine has free now."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = default_budget() if limit is None else limit

    def left(self) -> int:
        """Bytes that may be taken yet; negative when there are too many already."""
        return min(self.limit - taken(), int(psutil.virtual_memory().available))

    def for_decoding(self, whole: int, beside: int = 0) -> int | None:
        """Bytes that a decode may take, at least a few; None where the `whole` it might take fits with room left.
        `beside` are those that the decoder's own weights will take when it runs."""
        left = self.left() - beside
        return None if left > _TO_SPARE * whole else max(left, LEAST_TO_DECODE)

    def has_room_for(self, wanted: int) -> bool:
        return wanted <= self.left()


def taken() -> int:
    """Bytes that this process has in memory, without what it merely has mapped from files."""
    state = _process(os.getpid()).memory_info()
    return int(state.rss) - int(getattr(state, "shared", 0))


def files_resident() -> int:
    """Bytes of files that this process has in memory, programs included; 0 where the system does not tell."""
    return int(getattr(_process(os.getpid()).memory_info(), "shared", 0))


@cache
def _process(number: int) -> psutil.Process:
    """Finding one out takes twenty times as long as asking it."""
    return psutil.Process(number)


class Peak:
    """How much memory this process takes at most, mapped files included: asked of the system where it keeps count and
    can be told to begin anew (Linux), else looked at every now and then."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Of what is taken while the body runs."""
        if _count_peak_anew():
            try:
                yield
            finally:
                self.bytes = _counted_peak()
            return
        self._look()
        watcher = threading.Thread(target=self._watch, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()
            self._look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        self.bytes = max(self.bytes, int(_process(os.getpid()).memory_info().rss))


def _count_peak_anew() -> bool:
    """Whether the system counts this process's peak from now on; for the whole process, not for each who asks."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
        return _counted_peak() > 0
    except OSError:
        return False


def _counted_peak() -> int:
    """Bytes; 0 where the system does not tell."""
    for line in _STATUS.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
