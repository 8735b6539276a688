"""How much memory the engine may take, how much it takes and took at most."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

SYSTEM_RESERVE_BYTES = 3 << 30
"""Bytes that are left to the system and to other programs, on machines that have enough."""
MIN_MEMORY_SHARE = 0.6
"""Of the machine's memory, that the engine may take where the reserve would leave less."""
MIN_DECODE_BYTES = 256 << 20
"""Bytes that a decode is given in any case."""
_HEADROOM_FACTOR = 1.5
SAMPLE_SECONDS = 0.05
_CLEAR_REFS_FILE, _STATUS_FILE = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def default_budget() -> int:
    """Bytes: what the machine has, less a reserve."""
    total = int(psutil.virtual_memory().total)
    return max(total - SYSTEM_RESERVE_BYTES, int(MIN_MEMORY_SHARE * total))


class MemoryBudget:
    """Bytes that this process may take, of which at most so many are free as the machine has free now."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = default_budget() if limit is None else limit

    def available_bytes(self) -> int:
        """Bytes that may be taken yet; negative when there are too many already."""
        return min(self.limit - private_bytes(), int(psutil.virtual_memory().available))

    def decode_budget(self, full_decode_bytes: int, weight_bytes: int = 0) -> int | None:
        """Bytes that a decode may take, at least a few; None where the `whole` it might take fits with room left.
        `beside` are those that the decoder's own weights will take when it runs."""
        left = self.available_bytes() - weight_bytes
        return None if left > _HEADROOM_FACTOR * full_decode_bytes else max(left, MIN_DECODE_BYTES)

    def has_room_for(self, wanted: int) -> bool:
        return wanted <= self.available_bytes()


def private_bytes() -> int:
    """Bytes that this process has in memory, without what it merely has mapped from files."""
    state = _process(os.getpid()).memory_info()
    return int(state.rss) - int(getattr(state, "shared", 0))


def resident_file_bytes() -> int:
    """Bytes of files that this process has in memory, programs included; 0 where the system does not tell."""
    return int(getattr(_process(os.getpid()).memory_info(), "shared", 0))


@cache
def _process(number: int) -> psutil.Process:
    """Finding one out takes twenty times as long as asking it."""
    return psutil.Process(number)


class PeakMemory:
    """How much memory this process takes at most, mapped files included: asked of the system where it keeps count and
    can be told to begin anew (Linux), else looked at every now and then."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stopped = threading.Event()

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Of what is taken while the body runs."""
        if _reset_system_peak():
            try:
                yield
            finally:
                self.bytes = _system_peak()
            return
        self._sample()
        watcher = threading.Thread(target=self._sample_until_stopped, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._stopped.set()
            watcher.join()
            self._sample()

    def _sample_until_stopped(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self.bytes = max(self.bytes, int(_process(os.getpid()).memory_info().rss))


def _reset_system_peak() -> bool:
    """Whether the system counts this process's peak from now on; for the whole process, not for each who asks."""
    try:
        _CLEAR_REFS_FILE.write_text("5", encoding="ascii")
        return _system_peak() > 0
    except OSError:
        return False


def _system_peak() -> int:
    """Bytes; 0 where the system does not tell."""
    for line in _STATUS_FILE.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
