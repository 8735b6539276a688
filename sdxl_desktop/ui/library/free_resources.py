"""The memory, disk space and names that are free for a new checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdxl_desktop.library.checkpoint_names import RULE, is_valid_name
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_jobs import LibraryJobQueue

DISK_RESERVE = 5 * 10**8
"""Bytes of disk that are always left free."""


@dataclass(frozen=True, slots=True)
class FreeResources:
    """The bytes of memory and disk that are free now, the library's user folder `library_folder`, and the names
    reserved by active jobs, `reserved_names`."""

    memory_bytes: int
    disk_bytes: int
    library_folder: Path
    reserved_names: frozenset[str] = frozenset()


def measure_free_resources(library: Library, jobs: LibraryJobQueue) -> FreeResources:
    """Return the resources free in the folder where `library` puts new checkpoints."""
    home = library.user_folder
    existing_folder = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    return FreeResources(
        memory_bytes=psutil.virtual_memory().available,
        disk_bytes=shutil.disk_usage(existing_folder).free,
        library_folder=home,
        reserved_names=frozenset(job.spec.name for job in jobs.jobs if job.is_active),
    )


def name_problem(name: str, resources: FreeResources) -> str:
    """Return why a new checkpoint cannot have this name, "" if it can."""
    if not is_valid_name(name):
        return f"The name becomes a folder's. {RULE}"
    if name in resources.reserved_names:
        return f"{name} is already being added: give another name."
    if (resources.library_folder / name).exists():
        return f"There is a checkpoint called {name} already: give another name."
    return ""
