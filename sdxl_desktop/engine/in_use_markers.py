"""Marks by which every process sees which folders a running one holds; a mark counts only while its process lives."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

import psutil

_PREFIX = ".in-use-"
_CLOCK_SLACK = 120.0
"""Seconds by which two readings of one process's start may differ when the clock was set in between."""


def create_marker(folder: Path) -> Path:
    """Mark `folder`, which must be there, as in use; returns the mark. Raises OSError when it cannot be written.

    Marks of processes that are gone are taken away.
    """
    for entry in folder.iterdir():
        if entry.name.startswith(_PREFIX) and not is_owner_alive(entry.name):
            entry.unlink(missing_ok=True)
    made = folder / f"{_PREFIX}{os.getpid()}-{_own_start_time()}-{uuid.uuid4().hex[:8]}"
    made.touch()
    return made


def is_in_use(folder: Path, ignored_marker: Path | None = None) -> bool:
    """Whether a process that lives has marked `folder`, with another mark than `besides`."""
    try:
        marks = [entry for entry in folder.iterdir() if entry.name.startswith(_PREFIX) and entry != ignored_marker]
        return any(is_owner_alive(entry.name) for entry in marks)
    except OSError:
        return False


def is_owner_alive(marker_name: str) -> bool:
    """Whether the process that made the mark of this name still runs. Its number alone would not tell: they recur."""
    try:
        number, start = marker_name.removeprefix(_PREFIX).split("-")[:2]
        return bool(abs(psutil.Process(int(number)).create_time() - int(start)) < _CLOCK_SLACK)
    except (ValueError, OverflowError, psutil.NoSuchProcess):
        return False
    except psutil.Error:
        return True  # it is there, and not ours to look at


@cache
def _own_start_time() -> int:
    return int(psutil.Process().create_time())
