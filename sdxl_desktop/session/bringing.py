"""The jobs that bring checkpoints in and make others of them: one after the other, and kept until they are done."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

import msgspec

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.bring.bringing import Brought
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.session.job_memory import JobMemory
from sdxl_desktop.session.library_memory import JobNote, LibraryMemory
from sdxl_desktop.session.tasks import ComparisonNote, Note, Outcome


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    """It stays in the list for its outcome, until it is dismissed."""


@dataclass(eq=False)
class Job:
    """One thing to do. `offer` is of what is brought, and None until what a note says has been looked up again; `error`
    is set while FAILED, `outcome` when DONE; `discarding`: it ends, and what there is of it goes."""

    number: int
    note: Note
    offer: Offer | None = None
    state: JobState = JobState.WAITING
    progress: BringProgress | None = None
    error: SdxlDesktopError | None = None
    outcome: Outcome | None = None
    discarding: bool = False

    @property
    def is_active(self) -> bool:
        """Whether it is at work or waits for its turn; one that is not gives way to another of the same name."""
        return self.state in (JobState.WAITING, JobState.RUNNING, JobState.PAUSING)

    @property
    def can_pause(self) -> bool:
        """Whether what is there is worth keeping; half a comparison is not."""
        return not isinstance(self.note, ComparisonNote)

    @property
    def fraction(self) -> float | None:
        """Of the whole, None where nobody knows."""
        return self.progress.fraction if self.progress is not None else None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A job that had only a note has its offer now."""

    number: int
    offer: Offer


@dataclass(frozen=True, slots=True)
class Advanced:
    number: int
    progress: BringProgress


@dataclass(frozen=True, slots=True)
class Stopped:
    """It ended without a checkpoint: paused, or with an error."""

    number: int
    error: SdxlDesktopError


@dataclass(frozen=True, slots=True)
class Arrived:
    number: int
    brought: Brought


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked of checkpoints that are there is done."""

    number: int
    outcome: Outcome


Event = LookedUp | Advanced | Stopped | Arrived | Done


class Runner(Protocol):
    """What does the work elsewhere: each `start` is answered by events, the last of them Stopped, Arrived or Done."""

    def start(self, number: int, note: Note, offer: Offer | None) -> None: ...

    def pause(self) -> None: ...

    def discard(self, note: Note, offer: Offer | None) -> None: ...


class Bringing:
    """The queue. `changed` is called after every change, `arrived` with each job that is done and what it brought,
    `done` with each that has an outcome."""

    def __init__(self, runner: Runner, memory: LibraryMemory) -> None:
        self._runner, self._memory = runner, JobMemory(memory)
        self._numbers = itertools.count(1)
        self._jobs: list[Job] = []
        self.changed: Callable[[], None] = lambda: None
        self.arrived: Callable[[Job, Brought], None] = lambda job, brought: None
        self.done: Callable[[Job], None] = lambda job: None
        self.failed: Callable[[Job], None] = lambda job: None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """In the order in which they were asked for."""
        return tuple(self._jobs)

    @property
    def running(self) -> Job | None:
        return next((job for job in self._jobs if job.state in (JobState.RUNNING, JobState.PAUSING)), None)

    def job_called(self, name: str) -> Job | None:
        return next((job for job in self._jobs if job.note.name == name), None)

    def add(self, offer: Offer | None, note: Note) -> Job:
        """Do as `note` says, with its `offer` where something is brought, now or when those before it are done. Raises
        SettingsError when it cannot be noted for the next start, which does not hinder it."""
        job = Job(next(self._numbers), note, offer)
        self._jobs = [other for other in self._jobs if other.note.name != note.name or other.is_active]
        self._jobs.append(job)
        self._go_on()
        self._memory.note(note)
        return job

    def restore(self) -> tuple[Job, ...]:
        """The jobs of earlier starts, paused."""
        known = {job.note.name for job in self._jobs}
        found = [
            Job(next(self._numbers), note, state=JobState.PAUSED)
            for note in self._memory.notes()
            if note.name not in known
        ]
        self._jobs += found
        if found:
            self.changed()
        return tuple(found)

    def pause(self, job: Job) -> None:
        """Stop it as soon as it can be; what is there is kept."""
        if job.state is JobState.RUNNING:
            job.state = JobState.PAUSING
            self._runner.pause()
        elif job.state is JobState.WAITING:
            job.state = JobState.PAUSED
        self.changed()

    def resume(self, job: Job) -> None:
        """Go on where it was, after those that wait already."""
        if job.state in (JobState.PAUSED, JobState.FAILED):
            job.state, job.error = JobState.WAITING, None
        self._go_on()

    def discard(self, job: Job) -> None:
        """Give it up, and throw away what there is of it. Raises SettingsError as `handle` does."""
        if job is self.running:
            job.discarding, job.state = True, JobState.PAUSING
            self._runner.pause()
            self.changed()
        else:
            self._throw_away(job)

    def dismiss(self, job: Job) -> None:
        """Its outcome was seen."""
        if job.state is JobState.DONE:
            self._jobs.remove(job)
            self.changed()

    def handle(self, event: Event) -> None:
        """Take what the runner tells; events of jobs that are gone are late, and mean nothing. Raises SettingsError
        when the end of one cannot be noted for the next start, which does not hinder the others."""
        job = next((job for job in self._jobs if job.number == event.number), None)
        if job is None:
            return
        match event:
            case LookedUp():
                job.offer = event.offer
                if isinstance(job.note, JobNote):
                    job.note = msgspec.structs.replace(job.note, title=event.offer.title)
            case Advanced():
                job.progress = event.progress
            case Stopped():
                self._take_end(job, event.error)
                return
            case Arrived():
                self._jobs.remove(job)
                self._go_on()
                self.arrived(job, event.brought)
                self._memory.drop(job.note)
                return
            case Done():
                job.state, job.outcome = JobState.DONE, event.outcome
                self._go_on()
                self.done(job)
                self._memory.drop(job.note)
                return
            case _:
                assert_never(event)
        self.changed()

    def _take_end(self, job: Job, error: SdxlDesktopError) -> None:
        if job.discarding:
            self._throw_away(job)
            return
        if job.state is JobState.PAUSING:
            job.state = JobState.PAUSED
        else:
            job.state, job.error = JobState.FAILED, error
        self._go_on()
        if job.error is not None:
            self.failed(job)

    def _throw_away(self, job: Job) -> None:
        self._runner.discard(job.note, job.offer)
        self._jobs.remove(job)
        self._go_on()
        self._memory.drop(job.note)

    def _go_on(self) -> None:
        waiting = next((job for job in self._jobs if job.state is JobState.WAITING), None)
        if self.running is None and waiting is not None:
            waiting.state = JobState.RUNNING
            self._runner.start(waiting.number, waiting.note, waiting.offer)
        self.changed()
