"""Marker files that show which folders a running process uses; a marker is valid only while its process runs."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

import psutil

_PREFIX = ".in-use-"
_CLOCK_SLACK = 120.0
"""Seconds by which two readings of a process's start time may differ if the clock was set in between."""


def create_marker(folder: Path) -> Path:
    """Mark `folder`, which must exist, as in use; returns the marker. Raises OSError if it cannot be written.

    Markers of processes that have ended are removed.
    """
    for entry in folder.iterdir():
        if entry.name.startswith(_PREFIX) and not is_owner_alive(entry.name):
            entry.unlink(missing_ok=True)
    made = folder / f"{_PREFIX}{os.getpid()}-{_own_start_time()}-{uuid.uuid4().hex[:8]}"
    made.touch()
    return made


def is_in_use(folder: Path, ignored_marker: Path | None = None) -> bool:
    """Whether a running process has a marker in `folder` other than `ignored_marker`."""
    try:
        markers = [entry for entry in folder.iterdir() if entry.name.startswith(_PREFIX) and entry != ignored_marker]
        return any(is_owner_alive(entry.name) for entry in markers)
    except OSError:
        return False


def is_owner_alive(marker_name: str) -> bool:
    """Whether the process that created the marker still runs. The start time is compared because pids are reused."""
    try:
        number, start = marker_name.removeprefix(_PREFIX).split("-")[:2]
        return bool(abs(psutil.Process(int(number)).create_time() - int(start)) < _CLOCK_SLACK)
    except (ValueError, OverflowError, psutil.NoSuchProcess):
        return False
    except psutil.Error:
        return True  # it exists, but access is denied


@cache
def _own_start_time() -> int:
    return int(psutil.Process().create_time())
