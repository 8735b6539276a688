"""Library jobs run one at a time, in order, can be paused and resumed, and are never lost or duplicated."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from sdxl_desktop.core import state_file
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.library.hub.hub_errors import ConnectionLostError, DownloadCancelledError
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.importer.importing import ImportResult
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, JobSpec, QuantizationJobSpec, QuantizationResult
from sdxl_desktop.session.library_jobs import (
    ImportFinished,
    JobAdvanced,
    JobFinished,
    JobPreviewed,
    JobState,
    JobStopped,
    LibraryJob,
    LibraryJobQueue,
)
from sdxl_desktop.session.library_state import ImportJobSpec, LibraryState

STOPPED = DownloadCancelledError("stopped")
BROUGHT = ImportResult(checkpoint=None, path=Path("there"), message="")
REDUCED = cast(QuantizationResult, object())
SMALLER = QuantizationJobSpec(
    source="/there/mine", method=QuantizationMethod.HYBRID, name="mine-hybrid", prompts="/words.txt", samples=7
)
COMPARISON = ComparisonJobSpec(
    first=Path("/there/mine"), second=Path("/there/mine-hybrid"), report_folder=Path("/reports")
)
OFFER = cast(ImportPreview, type("Titled", (), {"title": "In full"})())


class RecordingRunner:
    """A runner that only records its calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def start(self, number: int, note: JobSpec, offer: ImportPreview | None) -> None:
        self.calls.append(("start", note.name))

    def pause(self) -> None:
        self.calls.append("pause")

    def discard(self, note: JobSpec, offer: ImportPreview | None) -> None:
        self.calls.append(("discard", note.name))


@pytest.fixture
def memory(tmp_path: Path) -> LibraryState:
    return LibraryState(tmp_path / "library.json")


@pytest.fixture
def runner() -> RecordingRunner:
    return RecordingRunner()


@pytest.fixture
def queue(runner: RecordingRunner, memory: LibraryState) -> LibraryJobQueue:
    return LibraryJobQueue(runner, memory)


def note(name: str) -> ImportJobSpec:
    return ImportJobSpec(what=f"someone/{name}", name=name, title=name.title(), weights="int8")


def add(queue: LibraryJobQueue, *names: str) -> list[LibraryJob]:
    return [queue.add(OFFER, note(name)) for name in names]


def states(queue: LibraryJobQueue) -> dict[str, JobState]:
    return {job.spec.name: job.state for job in queue.jobs}


def test_they_run_in_the_order_they_were_asked_for(queue: LibraryJobQueue, runner: RecordingRunner) -> None:
    one, two = add(queue, "one", "two")
    assert states(queue) == {"one": JobState.RUNNING, "two": JobState.WAITING}
    queue.handle(ImportFinished(one.number, BROUGHT))
    assert states(queue) == {"two": JobState.RUNNING}
    queue.handle(ImportFinished(two.number, BROUGHT))
    assert queue.jobs == ()
    assert runner.calls == [("start", "one"), ("start", "two")]


def test_progress_belongs_to_its_job_and_late_news_of_another_is_ignored(queue: LibraryJobQueue) -> None:
    (job,) = add(queue, "one")
    queue.handle(JobAdvanced(job.number, ImportProgress(stage="downloading", fraction=0.5)))
    queue.handle(JobAdvanced(job.number + 7, ImportProgress(stage="downloading", fraction=0.9)))
    assert job.fraction == 0.5


def test_a_failure_lets_the_next_one_go_and_is_reported_once(queue: LibraryJobQueue) -> None:
    calls: list[LibraryJob] = []
    queue.failed = calls.append
    one, _ = add(queue, "one", "two")
    queue.handle(JobStopped(one.number, ConnectionLostError("lost")))
    assert states(queue) == {"one": JobState.FAILED, "two": JobState.RUNNING}
    assert calls == [one]
    queue.resume(one)
    assert states(queue) == {"one": JobState.WAITING, "two": JobState.RUNNING}
    assert one.error is None


def test_what_ends_while_it_is_being_paused_is_paused_whatever_it_says(queue: LibraryJobQueue) -> None:
    (job,) = add(queue, "one")
    queue.pause(job)
    assert job.state is JobState.PAUSING
    queue.handle(JobStopped(job.number, ConnectionLostError("killed")))
    assert (job.state, job.error) == (JobState.PAUSED, None)


def test_what_arrives_while_it_is_being_paused_has_arrived(queue: LibraryJobQueue) -> None:
    (job,) = add(queue, "one")
    queue.pause(job)
    queue.handle(ImportFinished(job.number, BROUGHT))
    assert queue.jobs == ()


def test_a_waiting_one_is_paused_without_touching_the_running_one(
    queue: LibraryJobQueue, runner: RecordingRunner
) -> None:
    _, two = add(queue, "one", "two")
    queue.pause(two)
    assert states(queue) == {"one": JobState.RUNNING, "two": JobState.PAUSED}
    assert "pause" not in runner.calls


def test_discarding_what_runs_waits_until_it_has_stopped(queue: LibraryJobQueue, runner: RecordingRunner) -> None:
    one, _ = add(queue, "one", "two")
    queue.discard(one)
    assert ("discard", "one") not in runner.calls
    queue.handle(JobStopped(one.number, STOPPED))
    assert runner.calls[-2:] == [("discard", "one"), ("start", "two")]
    assert states(queue) == {"two": JobState.RUNNING}


def test_the_same_name_is_never_twice_in_the_queue(queue: LibraryJobQueue) -> None:
    (first,) = add(queue, "one")
    queue.handle(JobStopped(first.number, ConnectionLostError("lost")))
    add(queue, "one")
    assert states(queue) == {"one": JobState.RUNNING}


def test_what_is_not_done_comes_back_paused_at_the_next_start(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    one, two = add(queue, "one", "two")
    queue.handle(ImportFinished(one.number, BROUGHT))
    again = LibraryJobQueue(runner, memory)
    assert [job.spec for job in again.restore()] == [two.spec]
    assert states(again) == {"two": JobState.PAUSED}
    assert again.restore() == ()


def test_what_was_discarded_does_not_come_back(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    (job,) = add(queue, "one")
    queue.pause(job)
    queue.handle(JobStopped(job.number, STOPPED))
    queue.discard(job)
    assert LibraryJobQueue(runner, memory).restore() == ()


def test_a_restored_one_gets_its_offer_when_it_is_looked_up_again(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    add(queue, "one")
    again = LibraryJobQueue(runner, memory)
    (job,) = again.restore()
    again.resume(job)
    again.handle(JobPreviewed(job.number, OFFER))
    assert job.preview is OFFER
    assert job.spec.title == "In full"


def test_a_memory_that_cannot_be_written_does_not_stop_the_job(runner: RecordingRunner, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    queue = LibraryJobQueue(runner, LibraryState(tmp_path / "taken" / "library.json"))
    with pytest.raises(Exception, match="could not be saved"):
        add(queue, "one")
    assert states(queue) == {"one": JobState.RUNNING}


@pytest.mark.parametrize("discarded", [False, True])
def test_an_end_that_cannot_be_noted_lets_the_next_one_go_and_is_reported(
    discarded: bool, queue: LibraryJobQueue, runner: RecordingRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[LibraryJob] = []
    queue.imported = lambda job, _: arrived.append(job)
    one, _ = add(queue, "one", "two")
    if discarded:
        queue.discard(one)

    def full(file: Path, content: bytes, *, private: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_file, "write_atomically", full)
    with pytest.raises(SettingsError, match="No space left"):
        queue.handle(JobStopped(one.number, STOPPED) if discarded else ImportFinished(one.number, BROUGHT))
    assert states(queue) == {"two": JobState.RUNNING}
    assert arrived == ([] if discarded else [one])
    assert (("discard", "one") in runner.calls) is discarded


def test_what_is_made_of_checkpoints_waits_its_turn_and_stays_for_its_outcome(
    queue: LibraryJobQueue, runner: RecordingRunner
) -> None:
    calls: list[LibraryJob] = []
    queue.finished = calls.append
    (one,) = add(queue, "one")
    smaller, comparison = queue.add(None, SMALLER), queue.add(None, COMPARISON)
    queue.handle(ImportFinished(one.number, BROUGHT))
    queue.handle(JobFinished(smaller.number, REDUCED))
    assert states(queue) == {"mine-hybrid": JobState.DONE, comparison.spec.name: JobState.RUNNING}
    assert (smaller.outcome, calls) == (REDUCED, [smaller])
    queue.dismiss(comparison)
    queue.dismiss(smaller)
    assert states(queue) == {comparison.spec.name: JobState.RUNNING}
    assert ("discard", "mine-hybrid") not in runner.calls


def test_a_quantization_continues_with_the_same_settings_at_the_next_start_and_a_comparison_does_not(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    (one,) = add(queue, "one")
    queue.add(None, COMPARISON)
    queue.add(None, SMALLER)
    again = LibraryJobQueue(runner, memory)
    assert [job.spec for job in again.restore()] == [one.spec, SMALLER]


def test_a_quantization_that_is_done_or_discarded_does_not_come_back(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    done = queue.add(None, SMALLER)
    other = queue.add(None, QuantizationJobSpec(source="/there/mine", method=QuantizationMethod.INT8, name="mine-int8"))
    queue.handle(JobFinished(done.number, REDUCED))
    assert [job.spec.name for job in LibraryJobQueue(runner, memory).restore()] == ["mine-int8"]
    queue.discard(other)
    queue.handle(JobStopped(other.number, STOPPED))
    assert LibraryJobQueue(runner, memory).restore() == ()


def test_notes_that_make_no_sense_are_no_notes(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    queue.add(None, SMALLER)
    (memory.file.parent / "quantizations.json").write_text('[{"name": 3}]')
    assert LibraryJobQueue(runner, memory).restore() == ()


def test_a_method_that_nobody_knows_is_not_continued(
    queue: LibraryJobQueue, runner: RecordingRunner, memory: LibraryState
) -> None:
    queue.add(None, SMALLER)
    file = memory.file.parent / "quantizations.json"
    file.write_text(file.read_text().replace('"hybrid"', '"magic"'))
    assert LibraryJobQueue(runner, memory).restore() == ()
