"""The engine's memory limit, current use and peak use."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

SYSTEM_RESERVE_BYTES = 3 << 30
"""Bytes reserved for the system and other programs, on machines with enough memory."""
MIN_MEMORY_SHARE = 0.6
"""Minimum share of the machine's memory for the engine, if the reserve would leave less."""
MIN_DECODE_BYTES = 256 << 20
"""Minimum bytes for a decode."""
_HEADROOM_FACTOR = 1.5
SAMPLE_SECONDS = 0.05
_CLEAR_REFS_FILE, _STATUS_FILE = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def default_budget() -> int:
    """Return the default limit in bytes: the machine's memory less a reserve."""
    total = int(psutil.virtual_memory().total)
    return max(total - SYSTEM_RESERVE_BYTES, int(MIN_MEMORY_SHARE * total))


class MemoryBudget:
    """Memory limit of this process in bytes. The available memory is also limited by the machine's free memory."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = default_budget() if limit is None else limit

    def available_bytes(self) -> int:
        """Return the bytes still available; negative if the limit is exceeded."""
        return min(self.limit - private_bytes(), int(psutil.virtual_memory().available))

    def decode_budget(self, full_decode_bytes: int, weight_bytes: int = 0) -> int | None:
        """Return the bytes a decode may take, at least `MIN_DECODE_BYTES`; None if `full_decode_bytes` fits with
        headroom. `weight_bytes` are those that the decoder's weights will still take when it runs."""
        left = self.available_bytes() - weight_bytes
        return None if left > _HEADROOM_FACTOR * full_decode_bytes else max(left, MIN_DECODE_BYTES)

    def has_room_for(self, wanted: int) -> bool:
        return wanted <= self.available_bytes()


def private_bytes() -> int:
    """Return the resident bytes of this process without those mapped from files."""
    state = _process(os.getpid()).memory_info()
    return int(state.rss) - int(getattr(state, "shared", 0))


def resident_file_bytes() -> int:
    """Return the resident bytes of mapped files, programs included; 0 if the system does not report them."""
    return int(getattr(_process(os.getpid()).memory_info(), "shared", 0))


@cache
def _process(number: int) -> psutil.Process:
    """Cached: creating the object takes twenty times as long as a query."""
    return psutil.Process(number)


class PeakMemory:
    """The peak memory use of this process, including mapped files: read from the system if it keeps a peak that can be
    reset (Linux), else sampled periodically."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stopped = threading.Event()

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Measure the peak while the body runs."""
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
    """Reset the system's peak counter of this process, which all its users share. Return whether that is possible."""
    try:
        _CLEAR_REFS_FILE.write_text("5", encoding="ascii")
        return _system_peak() > 0
    except OSError:
        return False


def _system_peak() -> int:
    """Return the peak in bytes; 0 if the system does not report it."""
    for line in _STATUS_FILE.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
