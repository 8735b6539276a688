"""Pages of weight files that are mapped into memory, given back to the system once they were copied from.

OpenVINO maps blobs and graphs and copies what is in them into the device's own layout when a part first runs. The
mapped pages are then hardly looked at again, yet count as this process's memory until the system runs short: for an
8-bit SDXL 3.4 GB. Only mappings that are shared and can only be read are touched: what is given back there is read
again from the file when it is wanted, with the same content.

OpenVINO lets go of mappings in the middle of inferences, and what comes to lie at their addresses next cannot be read
again from anywhere: weights would turn to zeros. So pages are given back between two inferences or not at all.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TRIM_THRESHOLD_BYTES = 192 << 20
"""Bytes of mapped files that may stay resident without being given back."""
MIN_TRIM_INTERVAL_SECONDS, CHECK_SECONDS = 0.5, 0.05
_MADV_DONTNEED = 4
_SUFFIXES = (".blob", ".bin")
_READ_ONLY_SHARED = "r--s"


class MappedPageTrimmer:
    """Keeps mapped weights thin: gives them back whenever more of them have become resident than
    `TRIM_THRESHOLD_BYTES`.

    Within a run each time waits twice as long as the one before: where a device works on the mapped pages themselves
    they come back at once, and giving them back would go on for nothing. `resident` tells the bytes of files that
    are in memory.
    """

    def __init__(self, resident: Callable[[], int]) -> None:
        self._resident = resident
        self._next, self._wait = 0.0, MIN_TRIM_INTERVAL_SECONDS
        self._resident_after_trim = 0

    def reset(self) -> None:
        """Another run, which may have brought other weights."""
        self._next, self._wait = 0.0, MIN_TRIM_INTERVAL_SECONDS

    def trim_if_needed(self) -> None:
        """Give back what is worth it; as `trim_mapped_pages`, only while no native code is at work in this process."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + CHECK_SECONDS
        if self._resident() <= self._resident_after_trim + TRIM_THRESHOLD_BYTES:
            return
        trim_mapped_pages()
        self._resident_after_trim = self._resident()
        self._next, self._wait = now + self._wait, self._wait * 2


def trim_mapped_pages() -> int:
    """Give the pages of mapped weights back; the bytes of the mappings, resident or not. Nothing but on Linux.

    Only while no inference runs in this process, nothing is compiled and nobody lets go of a mapping.
    """
    if sys.platform != "linux":
        return 0
    total = 0
    with suppress(OSError, AttributeError), _gc_disabled():
        advise = ctypes.PyDLL(None).madvise  # holds the interpreter, so that no other thread lets go of anything
        for begin, end in weight_mappings(Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")):
            if advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED) == 0:
                total += end - begin
    return total


@contextmanager
def _gc_disabled() -> Iterator[None]:
    """Another thread's garbage collection might let go of a mapping."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def weight_mappings(table: str) -> list[tuple[int, int]]:
    """(begin, end) of each mapping of weights, of the system's table of this process."""
    found = []
    for line in table.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] == _READ_ONLY_SHARED and fields[5].endswith(_SUFFIXES):
            begin, end = (int(address, 16) for address in fields[0].split("-"))
            found.append((begin, end))
    return found
