"""Pages of weight files that are mapped into memory, given back to the system once they were copied from.

OpenVINO maps blobs and graphs and copies what is in them into the device's own layout when a part first runs. The
mapped pages are then hardly looked at again, yet count as this process's memory until the system runs short: for an
8-bit SDXL 3.4 GB. Only mappings that are shared and can only be read are touched: what is given back there is read
again from the file when it is wanted, with the same content.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

_DONTNEED = 4
_SUFFIXES = (".blob", ".bin")
_READ_ONLY_SHARED = "r--s"


def give_back() -> int:
    """Give the pages of mapped weights back; the bytes of the mappings, resident or not. Nothing but on Linux.

    Only while nobody lets go of a mapping: its addresses could come to belong to something that cannot be read again.
    """
    if sys.platform != "linux":
        return 0
    total = 0
    with suppress(OSError, AttributeError):
        advise = ctypes.PyDLL(None).madvise  # holds the interpreter, so that no other thread lets go of anything
        for begin, end in _mappings(Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")):
            if advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _DONTNEED) == 0:
                total += end - begin
    return total


def _mappings(table: str) -> list[tuple[int, int]]:
    """(begin, end) of each mapping of weights, of the system's table of this process."""
    found = []
    for line in table.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] == _READ_ONLY_SHARED and fields[5].endswith(_SUFFIXES):
            begin, end = (int(address, 16) for address in fields[0].split("-"))
            found.append((begin, end))
    return found
