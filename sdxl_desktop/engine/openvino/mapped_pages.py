"""Returns pages of memory-mapped weight files to the system once they were copied.

OpenVINO maps blobs and graphs, and copies their content to the device's own layout when a part first runs. The mapped
pages are then hardly used, but count as this process's memory until the system runs short: 3.4 GB for an 8-bit SDXL.
Only shared read-only mappings are trimmed: their pages are read again from the file on demand, with the same content.

OpenVINO unmaps files during inferences, and whatever is mapped at their addresses next cannot be read again: weights
would become zeros. So pages are trimmed only between two inferences.
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
"""Bytes of mapped files that may be resident before they are trimmed."""
MIN_TRIM_INTERVAL_SECONDS, CHECK_SECONDS = 0.5, 0.05
_MADV_DONTNEED = 4
_SUFFIXES = (".blob", ".bin")
_READ_ONLY_SHARED = "r--s"


class MappedPageTrimmer:
    """Trims mapped weights whenever more than `TRIM_THRESHOLD_BYTES` of them have become resident.

    Within a run each interval is twice the previous one: on devices that use the mapped pages directly, pages become
    resident again at once, and trimming would be useless. `resident` returns the resident bytes of files.
    """

    def __init__(self, resident: Callable[[], int]) -> None:
        self._resident = resident
        self._next, self._wait = 0.0, MIN_TRIM_INTERVAL_SECONDS
        self._resident_after_trim = 0

    def reset(self) -> None:
        """Start a new run, which may have loaded other weights."""
        self._next, self._wait = 0.0, MIN_TRIM_INTERVAL_SECONDS

    def trim_if_needed(self) -> None:
        """Trim mapped pages if worthwhile; as `trim_mapped_pages`, only while no native code runs in this process."""
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
    """Return the pages of mapped weights to the system. Return the bytes of the mappings, resident or not. Linux only.

    Call it only while no inference or compilation runs in this process and nothing is unmapped.
    """
    if sys.platform != "linux":
        return 0
    total = 0
    with suppress(OSError, AttributeError), _gc_disabled():
        advise = ctypes.PyDLL(None).madvise  # PyDLL holds the GIL, so that no other thread unmaps anything
        for begin, end in weight_mappings(Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")):
            if advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED) == 0:
                total += end - begin
    return total


@contextmanager
def _gc_disabled() -> Iterator[None]:
    """Disable garbage collection, which in another thread might unmap a file."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def weight_mappings(table: str) -> list[tuple[int, int]]:
    """Return (begin, end) of each weight mapping in `table`, the content of /proc/self/maps."""
    found = []
    for line in table.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] == _READ_ONLY_SHARED and fields[5].endswith(_SUFFIXES):
            begin, end = (int(address, 16) for address in fields[0].split("-"))
            found.append((begin, end))
    return found
