"""What a new checkpoint has room for, in memory, on the disk and among the names."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdxl_desktop.library.checkpoint_names import RULE, is_name
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.bringing import Bringing

RESERVE = 5 * 10**8
"""Bytes of disk that are always left free."""


@dataclass(frozen=True, slots=True)
class Room:
    """What this computer has free now, in bytes, and the library's folder `home`, and the names that are `taken` by
    what is coming in."""

    memory: int
    disk: int
    home: Path
    taken: frozenset[str] = frozenset()


def room_now(library: Library, bringing: Bringing) -> Room:
    """What there is where `library` puts what is made."""
    home = library.own
    there = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    return Room(
        memory=psutil.virtual_memory().available,
        disk=shutil.disk_usage(there).free,
        home=home,
        taken=frozenset(job.note.name for job in bringing.jobs if job.is_active),
    )


def name_problem(name: str, room: Room) -> str:
    """Why a checkpoint in `room` cannot be called so, "" where it can."""
    if not is_name(name):
        return f"The name becomes a folder's. {RULE}"
    if name in room.taken:
        return f"{name} is coming in already: give another name."
    if (room.home / name).exists():
        return f"There is a checkpoint called {name} already: give another name."
    return ""
