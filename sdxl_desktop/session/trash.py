"""Brings files back from the system's trash. (Qt moves them there.)"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import OutputError, describe_error
from sdxl_desktop.core.exclusive_write import first_free_name


@dataclass(frozen=True, slots=True)
class TrashedFile:
    """A deleted file: where it was, and where it is in the trash (None: the system does not say)."""

    original: Path
    trashed: Path | None

    def restore(self) -> Path:
        """Move the file back and return where it is: under another name if another file has its own now. Raises
        OutputError if that is impossible."""
        if self.trashed is None:
            raise OutputError(
                f"{self.original.name} could not be brought back.",
                why="The system does not say where in its trash the file is.",
                next_step="Restore it from the trash in the file manager.",
            )
        try:
            self.original.parent.mkdir(parents=True, exist_ok=True)
            place = first_free_name(self.original)
            shutil.move(self.trashed, place)
        except (OSError, shutil.Error) as problem:
            raise OutputError(
                f"{self.original.name} could not be brought back.",
                why=describe_error(problem),
                next_step="Restore it from the trash in the file manager.",
            ) from problem
        self._remove_info()
        return place

    def _remove_info(self) -> None:
        """Remove the note that freedesktop.org's trash keeps about the file."""
        assert self.trashed is not None
        folder = self.trashed.parent
        if folder.name == "files":
            with suppress(OSError):
                (folder.parent / "info" / f"{self.trashed.name}.trashinfo").unlink()
