"""What a new checkpoint has room for, in memory, on the disk and among the names."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdxl_desktop.library.checkpoint_names import RULE, is_name
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_jobs import LibraryJobQueue

DISK_RESERVE = 5 * 10**8
"""Bytes of disk that are always left free."""


@dataclass(frozen=True, slots=True)
class FreeResources:
    """What this computer has free now, in bytes, and the library's folder `home`, and the names that are `taken` by
    what is coming in."""

    memory_bytes: int
    disk_bytes: int
    library_folder: Path
    reserved_names: frozenset[str] = frozenset()


def measure_free_resources(library: Library, jobs: LibraryJobQueue) -> FreeResources:
    """What there is where `library` puts what is made."""
    home = library.user_folder
    existing_folder = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    return FreeResources(
        memory_bytes=psutil.virtual_memory().available,
        disk_bytes=shutil.disk_usage(existing_folder).free,
        library_folder=home,
        reserved_names=frozenset(job.spec.name for job in jobs.jobs if job.is_active),
    )


def name_problem(name: str, resources: FreeResources) -> str:
    """Why a checkpoint in `room` cannot be called so, "" where it can."""
    if not is_name(name):
        return f"The name becomes a folder's. {RULE}"
    if name in resources.reserved_names:
        return f"{name} is coming in already: give another name."
    if (resources.library_folder / name).exists():
        return f"There is a checkpoint called {name} already: give another name."
    return ""
