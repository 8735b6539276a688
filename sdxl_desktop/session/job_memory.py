"""Which jobs are gone on with at the next start: what was being brought, and what was being made smaller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from sdxl_desktop.core.state_file import change_state, read_state
from sdxl_desktop.session.library_memory import JobNote, LibraryMemory, without
from sdxl_desktop.session.tasks import ComparisonNote, Note, QuantizationNote

FILE = "quantizations.json"
"""Beside the library's memory."""
_NOTES = tuple[QuantizationNote, ...]


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
                self._change(lambda notes: (*without(notes, job.name), job))
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
                self._change(lambda notes: without(notes, job.name))
            case ComparisonNote():
                pass
            case _:
                assert_never(job)

    def _read(self) -> tuple[QuantizationNote, ...]:
        return read_state(self.file, _NOTES, ())

    def _change(self, change: Callable[[tuple[QuantizationNote, ...]], tuple[QuantizationNote, ...]]) -> None:
        change_state(self.file, _NOTES, (), change, "What is being made smaller could not be noted.")
