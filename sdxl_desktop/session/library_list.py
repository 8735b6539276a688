"""The list of a user's checkpoints: installed ones, and those formerly installed and now missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.inventory import InstalledCheckpoint, list_installed_checkpoints
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_state import LibraryState


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryItem:
    """One row: `installed` is None if the checkpoint in `folder` is missing. `last_used` in seconds since 1970, 0 if
    never."""

    folder: Path
    title: str
    installed: InstalledCheckpoint | None
    last_used: float = 0.0

    @property
    def is_missing(self) -> bool:
        return self.installed is None

    @property
    def is_usable(self) -> bool:
        return self.installed is not None and self.installed.checkpoint is not None


def list_library(library: Library, state: LibraryState) -> tuple[LibraryItem, ...]:
    """Return the user's own, the shipped, then the missing checkpoints. Raises CheckpointError for unreadable
    folders."""
    try:
        found = list_installed_checkpoints(library)
    except OSError as problem:
        raise CheckpointError(
            "The checkpoints folder cannot be read.",
            why=f"{problem.strerror or problem}.",
            next_step="Make it readable, or choose another folder in the settings.",
        ) from problem
    present = [
        LibraryItem(folder=held.folder, title=held.title, installed=held, last_used=state.last_used(held.folder))
        for held in found
    ]
    return (*present, *_missing(library, state, {held.name for held in found}))


def _missing(library: Library, state: LibraryState, installed_names: set[str]) -> tuple[LibraryItem, ...]:
    """Return the known checkpoints that are missing; damaged ones are not missing."""
    folders = [
        (library.user_folder / about.name, about.title)
        for about in library.missing_checkpoints()
        if about.name not in installed_names
    ]
    return tuple(
        LibraryItem(folder=folder, title=title or folder.name, installed=None, last_used=state.last_used(folder))
        for folder, title in folders
    )
