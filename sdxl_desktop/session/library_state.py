"""Persistent library state: when each checkpoint was used, unfinished jobs, what was dismissed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from sdxl_desktop.core.state_file import read_state, update_state

LIBRARY_STATE_FILE = "library.json"
"""In the application's data folder."""
_MAX_USED_ENTRIES = 500


class ImportJobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Enough to resume an unfinished import: `what` is resolved again and converted into `name` with `weights` (None
    for parts that are not converted)."""

    what: str
    name: str
    title: str
    weights: str | None = None
    openvino: bool = False
    keep_download: bool = False


class _LibraryStateFile(msgspec.Struct, kw_only=True):
    welcome_dismissed: bool = False
    used: dict[str, float] = {}
    jobs: list[ImportJobSpec] = []


@dataclass(frozen=True, slots=True)
class LibraryState:
    """One JSON file, read again on each access, so that several windows share it; keys of `used` are absolute folders.

    It is a convenience: a file that cannot be read counts as empty. Methods that change it raise SettingsError if it
    cannot be written.
    """

    file: Path

    @property
    def welcome_dismissed(self) -> bool:
        return self._read().welcome_dismissed

    def dismiss_welcome(self) -> None:
        """Stop offering checkpoints on the empty canvas."""
        self._change(lambda state: setattr(state, "welcome_dismissed", True))

    def last_used(self, folder: Path) -> float:
        """Return when the checkpoint in `folder` was last used, in seconds since 1970; 0 if never."""
        return self._read().used.get(_key(folder), 0.0)

    def record_use(self, folder: Path, when: float) -> None:
        """Record that the checkpoint in `folder` was used at `when` (seconds since 1970)."""

        def note(state: _LibraryStateFile) -> None:
            state.used.pop(_key(folder), None)
            state.used[_key(folder)] = when
            for oldest in list(state.used)[: max(0, len(state.used) - _MAX_USED_ENTRIES)]:
                del state.used[oldest]

        self._change(note)

    def jobs(self) -> tuple[ImportJobSpec, ...]:
        """Return the unfinished imports."""
        return tuple(self._read().jobs)

    def save_job(self, job: ImportJobSpec) -> None:
        """Store the job for the next start, until `remove_job`. Names are unique."""
        self._change(lambda state: setattr(state, "jobs", [*without_name(state.jobs, job.name), job]))

    def remove_job(self, name: str) -> None:
        self._change(lambda state: setattr(state, "jobs", [*without_name(state.jobs, name)]))

    def _read(self) -> _LibraryStateFile:
        return read_state(self.file, _LibraryStateFile, _LibraryStateFile())

    def _change(self, change: Callable[[_LibraryStateFile], object]) -> None:
        def changed(state: _LibraryStateFile) -> _LibraryStateFile:
            change(state)
            return state

        update_state(
            self.file,
            _LibraryStateFile,
            _LibraryStateFile(),
            changed,
            "The state of your checkpoint library could not be saved.",
        )


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_HasName)


def without_name(notes: Iterable[N], name: str) -> tuple[N, ...]:
    """Return all but the one with this name."""
    return tuple(note for note in notes if note.name != name)


def _key(folder: Path) -> str:
    return os.path.abspath(folder)
