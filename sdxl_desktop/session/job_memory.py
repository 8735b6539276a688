"""Which jobs are gone on with at the next start: what was being brought, and what was being made smaller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import msgspec

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.whole_file import write_whole
from sdxl_desktop.session.library_memory import JobNote, LibraryMemory
from sdxl_desktop.session.tasks import ComparisonNote, Note, QuantizationNote

FILE = "quantizations.json"
"""Beside the library's memory."""
_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class JobMemory:
    """Notes of what is brought are in `library`, those of quantizations in a file beside it. Comparisons are not kept:
    half of one is worth nothing. What changes a file raises SettingsError when it cannot be written."""

    library: LibraryMemory

    @property
    def file(self) -> Path:
        return self.library.file.with_name(FILE)

    def notes(self) -> tuple[Note, ...]:
        """What is not finished; a file that cannot be read counts as empty."""
        return (*self.library.jobs(), *self._read())

    def note(self, job: Note) -> None:
        """It is to be gone on with, unless `drop` comes first."""
        match job:
            case JobNote():
                self.library.note_job(job)
            case QuantizationNote():
                self._write((*_without(self._read(), job.name), job))
            case ComparisonNote():
                pass
            case _:
                assert_never(job)

    def drop(self, job: Note) -> None:
        """It is done, or given up."""
        match job:
            case JobNote():
                self.library.drop_job(job.name)
            case QuantizationNote():
                self._write(_without(self._read(), job.name))
            case ComparisonNote():
                pass
            case _:
                assert_never(job)

    def _read(self) -> tuple[QuantizationNote, ...]:
        try:
            if self.file.stat().st_size <= _MAX_BYTES:
                return tuple(msgspec.json.decode(self.file.read_bytes(), type=list[QuantizationNote]))
        except (OSError, msgspec.MsgspecError, RecursionError):
            pass
        return ()

    def _write(self, notes: tuple[QuantizationNote, ...]) -> None:
        if notes == self._read():
            return
        try:
            write_whole(self.file, msgspec.json.format(msgspec.json.encode(notes), indent=2) + b"\n")
        except OSError as problem:
            raise SettingsError(
                "What is being made smaller could not be noted.",
                why=f"{problem.strerror or problem}.",
                next_step=f"Make {self.file.parent} writable.",
            ) from problem


def _without(notes: Iterable[QuantizationNote], name: str) -> tuple[QuantizationNote, ...]:
    return tuple(note for note in notes if note.name != name)
