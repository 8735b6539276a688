"""What a person has, as a list: what lies in the library, and what lay there once and is missing now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.holdings import Holding, holdings
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_memory import LibraryMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One line: `holding` is None where the checkpoint in `folder` is missing. `last_used` in seconds since 1970, 0 for
    never."""

    folder: Path
    title: str
    holding: Holding | None
    last_used: float = 0.0

    @property
    def missing(self) -> bool:
        return self.holding is None

    @property
    def usable(self) -> bool:
        return self.holding is not None and self.holding.checkpoint is not None


def shelf(library: Library, memory: LibraryMemory) -> tuple[Shelved, ...]:
    """The person's own, the shipped, then the missing. Raises CheckpointError where a folder cannot be read."""
    try:
        found = holdings(library)
    except OSError as problem:
        raise CheckpointError(
            "The checkpoints folder cannot be read.",
            why=f"{problem.strerror or problem}.",
            next_step="Make it readable, or choose another folder in the settings.",
        ) from problem
    present = [
        Shelved(folder=held.folder, title=held.title, holding=held, last_used=memory.last_used(held.folder))
        for held in found
    ]
    return (*present, *_missing(library, memory, {held.name for held in found}))


def _missing(library: Library, memory: LibraryMemory, there: set[str]) -> tuple[Shelved, ...]:
    """Those that the library remembers; one that is damaged is there all the same."""
    folders = [(library.own / about.name, about.title) for about in library.missing() if about.name not in there]
    return tuple(
        Shelved(folder=folder, title=title or folder.name, holding=None, last_used=memory.last_used(folder))
        for folder, title in folders
    )
