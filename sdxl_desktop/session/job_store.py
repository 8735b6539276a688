"""The unfinished imports and quantizations to be resumed at the next start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from sdxl_desktop.core.state_file import read_state, update_state
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, JobSpec, QuantizationJobSpec
from sdxl_desktop.session.library_state import ImportJobSpec, LibraryState, without_name

QUANTIZATIONS_FILE = "quantizations.json"
"""Stored next to the library state file."""
_QUANTIZATION_SPECS = tuple[QuantizationJobSpec, ...]


@dataclass(frozen=True, slots=True)
class JobStore:
    """Stores import specs in `library`, and quantization specs in a file next to it. Comparisons are not stored: a
    partial one is useless. Methods that change a file raise SettingsError if it cannot be written."""

    library: LibraryState

    @property
    def file(self) -> Path:
        return self.library.file.with_name(QUANTIZATIONS_FILE)

    def saved_jobs(self) -> tuple[JobSpec, ...]:
        """Return the unfinished jobs; a file that cannot be read counts as empty."""
        return (*self.library.jobs(), *self._read())

    def save(self, job: JobSpec) -> None:
        """Store the job for the next start, until `remove`."""
        match job:
            case ImportJobSpec():
                self.library.save_job(job)
            case QuantizationJobSpec():
                self._change(lambda notes: (*without_name(notes, job.name), job))
            case ComparisonJobSpec():
                pass
            case _:
                assert_never(job)

    def remove(self, job: JobSpec) -> None:
        """Remove a finished or abandoned job."""
        match job:
            case ImportJobSpec():
                self.library.remove_job(job.name)
            case QuantizationJobSpec():
                self._change(lambda notes: without_name(notes, job.name))
            case ComparisonJobSpec():
                pass
            case _:
                assert_never(job)

    def _read(self) -> tuple[QuantizationJobSpec, ...]:
        return read_state(self.file, _QUANTIZATION_SPECS, ())

    def _change(self, change: Callable[[tuple[QuantizationJobSpec, ...]], tuple[QuantizationJobSpec, ...]]) -> None:
        update_state(self.file, _QUANTIZATION_SPECS, (), change, "The unfinished quantizations could not be saved.")
