"""The queue of jobs that import checkpoints or derive others from them: run one at a time and stored until done."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

import msgspec

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.importer.importing import ImportResult
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, JobOutcome, JobSpec
from sdxl_desktop.session.job_store import JobStore
from sdxl_desktop.session.library_state import ImportJobSpec, LibraryState


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    """The job stays in the list to show its outcome, until it is dismissed."""


@dataclass(eq=False)
class LibraryJob:
    """One job. `preview` exists for imports only, and is None until a restored spec has been resolved again; `error` is
    set if FAILED, `outcome` if DONE; `discarding`: the job is being stopped and its files deleted."""

    number: int
    spec: JobSpec
    preview: ImportPreview | None = None
    state: JobState = JobState.WAITING
    progress: ImportProgress | None = None
    error: SdxlDesktopError | None = None
    outcome: JobOutcome | None = None
    discarding: bool = False

    @property
    def is_active(self) -> bool:
        """Whether it is running or queued; an inactive job is replaced by a new one of the same name."""
        return self.state in (JobState.WAITING, JobState.RUNNING, JobState.PAUSING)

    @property
    def can_pause(self) -> bool:
        """Whether partial work is worth keeping; that of a comparison is not."""
        return not isinstance(self.spec, ComparisonJobSpec)

    @property
    def fraction(self) -> float | None:
        """Overall progress, None if unknown."""
        return self.progress.fraction if self.progress is not None else None


@dataclass(frozen=True, slots=True)
class JobPreviewed:
    """The preview of a job that had only a spec is available."""

    number: int
    preview: ImportPreview


@dataclass(frozen=True, slots=True)
class JobAdvanced:
    number: int
    progress: ImportProgress


@dataclass(frozen=True, slots=True)
class JobStopped:
    """The job ended without a checkpoint: paused, or with an error."""

    number: int
    error: SdxlDesktopError


@dataclass(frozen=True, slots=True)
class ImportFinished:
    number: int
    result: ImportResult


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job on installed checkpoints has finished."""

    number: int
    outcome: JobOutcome


LibraryJobEvent = JobPreviewed | JobAdvanced | JobStopped | ImportFinished | JobFinished


class JobRunner(Protocol):
    """Runs jobs elsewhere: each `start` leads to events, ending in JobStopped, ImportFinished or JobFinished."""

    def start(self, number: int, spec: JobSpec, preview: ImportPreview | None) -> None: ...

    def pause(self) -> None: ...

    def discard(self, spec: JobSpec, preview: ImportPreview | None) -> None: ...


class LibraryJobQueue:
    """The queue. `changed` is called after every change, `imported` with each finished import and its result,
    `finished` with each job that has an outcome."""

    def __init__(self, runner: JobRunner, memory: LibraryState) -> None:
        self._runner, self._store = runner, JobStore(memory)
        self._numbers = itertools.count(1)
        self._jobs: list[LibraryJob] = []
        self.changed: Callable[[], None] = lambda: None
        self.imported: Callable[[LibraryJob, ImportResult], None] = lambda job, brought: None
        self.finished: Callable[[LibraryJob], None] = lambda job: None
        self.failed: Callable[[LibraryJob], None] = lambda job: None

    @property
    def jobs(self) -> tuple[LibraryJob, ...]:
        """The jobs in the order of being added."""
        return tuple(self._jobs)

    @property
    def running(self) -> LibraryJob | None:
        return next((job for job in self._jobs if job.state in (JobState.RUNNING, JobState.PAUSING)), None)

    def find_job(self, name: str) -> LibraryJob | None:
        return next((job for job in self._jobs if job.spec.name == name), None)

    def add(self, preview: ImportPreview | None, spec: JobSpec) -> LibraryJob:
        """Queue a job for `spec`, with its `preview` if it is an import. Raises SettingsError if it cannot be stored
        for the next start; it is queued nevertheless."""
        job = LibraryJob(next(self._numbers), spec, preview)
        self._jobs = [other for other in self._jobs if other.spec.name != spec.name or other.is_active]
        self._jobs.append(job)
        self._start_next()
        self._store.save(spec)
        return job

    def restore(self) -> tuple[LibraryJob, ...]:
        """Return the jobs of earlier starts, paused."""
        known = {job.spec.name for job in self._jobs}
        found = [
            LibraryJob(next(self._numbers), note, state=JobState.PAUSED)
            for note in self._store.saved_jobs()
            if note.name not in known
        ]
        self._jobs += found
        if found:
            self.changed()
        return tuple(found)

    def pause(self, job: LibraryJob) -> None:
        """Stop the job as soon as possible and keep its partial work."""
        if job.state is JobState.RUNNING:
            job.state = JobState.PAUSING
            self._runner.pause()
        elif job.state is JobState.WAITING:
            job.state = JobState.PAUSED
        self.changed()

    def resume(self, job: LibraryJob) -> None:
        """Continue the job, after those already queued."""
        if job.state in (JobState.PAUSED, JobState.FAILED):
            job.state, job.error = JobState.WAITING, None
        self._start_next()

    def discard(self, job: LibraryJob) -> None:
        """Abandon the job and delete its partial work. Raises SettingsError as `handle` does."""
        if job is self.running:
            job.discarding, job.state = True, JobState.PAUSING
            self._runner.pause()
            self.changed()
        else:
            self._discard_files(job)

    def dismiss(self, job: LibraryJob) -> None:
        """Remove the job after its outcome was seen."""
        if job.state is JobState.DONE:
            self._jobs.remove(job)
            self.changed()

    def handle(self, event: LibraryJobEvent) -> None:
        """Handle a runner's event; late events of removed jobs are ignored. Raises SettingsError if the end of a job
        cannot be stored; other jobs continue nevertheless."""
        job = next((job for job in self._jobs if job.number == event.number), None)
        if job is None:
            return
        match event:
            case JobPreviewed():
                job.preview = event.preview
                if isinstance(job.spec, ImportJobSpec):
                    job.spec = msgspec.structs.replace(job.spec, title=event.preview.title)
            case JobAdvanced():
                job.progress = event.progress
            case JobStopped():
                self._handle_stop(job, event.error)
                return
            case ImportFinished():
                self._jobs.remove(job)
                self._start_next()
                self.imported(job, event.result)
                self._store.remove(job.spec)
                return
            case JobFinished():
                job.state, job.outcome = JobState.DONE, event.outcome
                self._start_next()
                self.finished(job)
                self._store.remove(job.spec)
                return
            case _:
                assert_never(event)
        self.changed()

    def _handle_stop(self, job: LibraryJob, error: SdxlDesktopError) -> None:
        if job.discarding:
            self._discard_files(job)
            return
        if job.state is JobState.PAUSING:
            job.state = JobState.PAUSED
        else:
            job.state, job.error = JobState.FAILED, error
        self._start_next()
        if job.error is not None:
            self.failed(job)

    def _discard_files(self, job: LibraryJob) -> None:
        self._runner.discard(job.spec, job.preview)
        self._jobs.remove(job)
        self._start_next()
        self._store.remove(job.spec)

    def _start_next(self) -> None:
        waiting = next((job for job in self._jobs if job.state is JobState.WAITING), None)
        if self.running is None and waiting is not None:
            waiting.state = JobState.RUNNING
            self._runner.start(waiting.number, waiting.spec, waiting.preview)
        self.changed()
