"""A session: requests wait in a queue, events update the state, and no result is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import (
    Phase,
    Picture,
    PictureFinished,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
)
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.session import generation_session as module
from sdxl_desktop.session.current_run import PauseKind
from sdxl_desktop.session.generation_session import MAX_RESULTS, GenerationSession
from sdxl_desktop.session.queue.queue_item import ItemState, QueueItem
from sdxl_desktop.session.result_files import PictureStore


@dataclass
class Recorder:
    """A runner that only records its calls."""

    started: list[GenerationRequest] = field(default_factory=list)
    continued: list[PausedRun | None] = field(default_factory=list)
    pauses: int = 0
    cancels: int = 0

    def start(self, request: GenerationRequest, paused: PausedRun | None = None) -> None:
        self.started.append(request)
        self.continued.append(paused)

    def pause(self) -> None:
        self.pauses += 1

    def cancel(self) -> None:
        self.cancels += 1


def request(seed: int = 0) -> GenerationRequest:
    return GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=seed))


def drawn(seed: int = 0, index: int = 0) -> PictureFinished:
    return PictureFinished(Picture(pixels=np.full((8, 8, 3), 7, np.uint8), seed=seed, index=index))


@pytest.fixture
def runner() -> Recorder:
    return Recorder()


@pytest.fixture
def session(runner: Recorder, tmp_path: Path) -> GenerationSession:
    return GenerationSession(runner, PictureStore(tmp_path / "pictures"))


def test_what_is_not_drawn_yet_is_known_to_the_picture(session: GenerationSession) -> None:
    several = GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=2**32 - 1, count=3))
    session.generate(several)
    session.generate(request(7))
    assert session.unfinished_requests == (several, request(7))
    assert session.queue.remaining_pictures == 4
    session.handle(drawn(index=0))
    assert session.queue.remaining_pictures == 3
    session.handle(drawn(index=1))
    session.handle(drawn(index=2))
    assert list(session.unfinished_requests) == [request(7)]


def left_behind(*seeds: int) -> tuple[QueueItem, ...]:
    return tuple(QueueItem(request=request(seed)) for seed in seeds)


def test_what_was_left_waits_until_it_is_wanted(session: GenerationSession, runner: Recorder) -> None:
    session.change_queue(lambda queue: queue.merged(left_behind(1, 2)))
    assert runner.started == []
    session.generate(request(3))
    assert runner.started == [request(3)]
    session.handle(RunFinished(pictures=()))
    assert runner.started == [request(3)], "what was asked for now is drawn, the rest still waits"
    session.continue_queue()
    assert runner.started == [request(3), request(1)]
    assert session.waiting == (request(2),)


def test_it_can_be_filled_while_nothing_runs(session: GenerationSession, runner: Recorder) -> None:
    session.pause()
    session.enqueue(request(1))
    session.enqueue(request(2), first=True)
    assert runner.started == []
    assert session.waiting == (request(2), request(1))
    session.continue_queue()
    assert runner.started == [request(2)]


def test_each_change_of_the_queue_is_told(session: GenerationSession) -> None:
    told: list[int] = []
    session.queue_changed = lambda: told.append(len(session.queue.items))
    session.generate(request(1))
    session.enqueue(request(2))
    session.handle(drawn())
    before = len(told)
    session.handle(Progress(phase=Phase.DENOISING, step=3, total=9))
    assert len(told) == before, "progress is no change"
    session.handle(RunFinished(pictures=()))
    session.handle(RunCancelled())
    assert told[-1] == 0


PAUSED = PausedRun(picture=1, step=4, steps=9)


def at_step(session: GenerationSession, step: int = 4) -> None:
    session.handle(Progress(phase=Phase.DENOISING, step=step, total=9))


def test_a_paused_run_waits_first_and_continues_where_it_was(session: GenerationSession, runner: Recorder) -> None:
    several = GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=5, count=3))
    session.generate(several)
    session.enqueue(request(2))
    at_step(session)
    session.handle(drawn(index=0))
    session.pause()
    session.pause()
    assert (runner.pauses, runner.cancels) == (1, 0)
    session.handle(RunPaused(PAUSED))
    assert session.run is None
    assert session.message == "Paused at step 4 of 9."
    assert session.waiting == (several, request(2)), "nothing starts meanwhile"
    session.continue_queue()
    assert runner.started == [several, several]
    assert runner.continued == [None, PAUSED]
    session.handle(drawn(index=1))
    session.handle(drawn(index=2))
    session.handle(RunFinished(pictures=()))
    assert runner.started[-1] == request(2)


def test_another_run_is_drawn_while_one_is_paused(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    session.enqueue(request(2))
    at_step(session)
    session.pause(PauseKind.SKIP)
    session.handle(RunPaused(replace(PAUSED, picture=0)))
    assert runner.started == [request(1), request(2)]
    paused = session.queue.listed()[-1]
    assert paused.state is ItemState.PAUSED
    session.change_queue(lambda queue: queue.with_continued_item(paused.id))
    session.handle(RunFinished(pictures=()))
    assert runner.continued[-1] == replace(PAUSED, picture=0)


def test_before_the_first_step_pausing_loses_nothing(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    session.handle(Progress(phase=Phase.COMPILING))
    session.pause()
    assert (runner.pauses, runner.cancels) == (0, 1), "compiling would take long to answer"
    session.handle(RunCancelled())
    assert session.waiting == (request(1),)
    assert session.message == "Paused."


def test_a_run_that_is_cancelled_while_it_pauses_is_gone(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    at_step(session)
    session.pause()
    session.cancel()
    session.handle(RunPaused(PAUSED))
    assert not session.queue.items
    assert session.message == "Cancelled."


def test_a_run_that_is_continued_before_it_has_paused_goes_on(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    at_step(session)
    session.pause()
    session.continue_queue()
    session.handle(RunPaused(replace(PAUSED, picture=0)))
    assert runner.continued == [None, replace(PAUSED, picture=0)]


def test_a_run_that_is_finished_before_it_can_pause_leaves_no_hold(
    session: GenerationSession, runner: Recorder
) -> None:
    session.generate(request(1))
    at_step(session)
    session.pause()
    session.handle(drawn())
    session.handle(RunFinished(pictures=()))
    session.enqueue(request(2))
    assert runner.started == [request(1), request(2)]


def test_what_fails_after_it_waited_can_be_tried_again(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    session.enqueue(request(2))
    session.handle(RunFinished(pictures=()))
    session.handle(RunFailed(EngineError("It broke.")))
    (failed,) = session.queue.items
    assert (failed.state, failed.error) == (ItemState.FAILED, "It broke.")
    assert session.unfinished_requests == ()
    session.continue_queue()
    assert runner.started == [request(1), request(2)], "not by itself"
    session.change_queue(lambda queue: queue.with_continued_item(failed.id))
    assert runner.started[-1] == request(2)
    session.handle(RunFinished(pictures=()))
    assert not session.queue.items


def test_a_request_starts_at_once_when_idle(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request())
    assert runner.started == [request()]
    assert session.run is not None
    assert session.run.progress.phase is Phase.STARTING


def test_requests_wait_their_turn(session: GenerationSession, runner: Recorder) -> None:
    for seed in range(3):
        session.generate(request(seed))
    assert runner.started == [request(0)]
    session.handle(RunFinished(pictures=()))
    session.handle(RunFinished(pictures=()))
    assert runner.started == [request(0), request(1), request(2)]
    session.handle(RunFinished(pictures=()))
    assert session.run is None


def test_progress_and_preview_are_kept_until_the_end(session: GenerationSession) -> None:
    session.generate(request())
    pixels = np.zeros((2, 2, 3), np.uint8)
    session.handle(Preview(pixels))
    session.handle(Progress(phase=Phase.DENOISING, step=3, total=9))
    assert session.run is not None
    assert session.run.preview is pixels
    assert session.run.progress.step == 3


def test_every_finished_picture_is_written(session: GenerationSession, tmp_path: Path) -> None:
    session.generate(request())
    session.handle(drawn(1))
    session.handle(drawn(2))
    session.handle(RunCancelled())
    files = [result.saved_to for result in session.results]
    assert len({*files}) == 2
    assert sorted(path for path in files if path) == sorted((tmp_path / "pictures").iterdir())
    assert session.message == "Cancelled."


def test_cancel_stops_the_run_and_what_waits_is_drawn_next(session: GenerationSession, runner: Recorder) -> None:
    for seed in range(3):
        session.generate(request(seed))
    session.cancel()
    assert runner.cancels == 1
    assert session.run is not None
    assert session.run.cancelling
    session.handle(RunCancelled())
    assert runner.started == [request(0), request(1)]
    assert list(session.waiting) == [request(2)]


def test_cancel_after_an_error_leaves_what_waits(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(1))
    session.generate(request(2))
    session.handle(RunFailed(EngineError("It broke.")))
    session.cancel()
    assert len(session.waiting) == 1
    assert runner.cancels == 0, "nothing runs"


def test_the_queue_is_cleared_and_comes_back_in_its_order_before_what_came_since(
    session: GenerationSession, runner: Recorder
) -> None:
    for seed in range(3):
        session.generate(request(seed))
    assert session.clear_queue() == 2
    assert not session.waiting
    assert session.run is not None
    assert runner.cancels == 0, "what is being drawn goes on"
    session.generate(request(9))
    session.restore_queue()
    assert list(session.waiting) == [request(1), request(2), request(9)]


def test_a_queue_that_comes_back_when_nothing_runs_is_drawn(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(0))
    session.generate(request(1))
    session.clear_queue()
    session.handle(RunFinished(pictures=()))
    session.restore_queue()
    assert runner.started == [request(0), request(1)]


def test_what_could_not_be_written_stays_however_much_is_drawn_after_it(
    session: GenerationSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RESULTS", 3)
    (tmp_path / "pictures").write_text("in the way")
    session.generate(request())
    session.handle(drawn(0))
    (tmp_path / "pictures").unlink()
    for seed in range(1, 6):
        session.handle(drawn(seed))
    assert [result.picture.seed for result in session.results] == [0, 4, 5]
    assert [result.picture.seed for result in session.unsaved_results] == [0]
    session.retry_saving()
    assert not session.unsaved_results
    assert all(result.saved_to is not None and result.saved_to.is_file() for result in session.results)


def test_several_discarded_results_come_back_the_last_first(session: GenerationSession) -> None:
    session.generate(request())
    for seed in range(3):
        session.handle(drawn(seed))
    before = list(session.results)
    session.discard(1)
    session.discard(0)
    session.restore()
    session.restore()
    assert session.results == before
    assert session.restore() is None


def test_cancel_when_idle_does_nothing(session: GenerationSession, runner: Recorder) -> None:
    session.cancel()
    assert runner.cancels == 0


def test_a_failure_is_reported_and_the_next_request_works(session: GenerationSession, runner: Recorder) -> None:
    session.generate(request(0))
    problem = EngineError("It broke.")
    session.handle(RunFailed(problem))
    assert session.error is problem
    assert session.run is None
    session.generate(request(1))
    assert session.error is None
    assert runner.started[-1] == request(1)


def test_a_late_word_from_a_run_that_is_over_changes_nothing(session: GenerationSession) -> None:
    for event in (drawn(), RunFinished(pictures=()), RunFailed(EngineError("x")), Progress(phase=Phase.LOADING)):
        session.handle(event)
    assert session.results == []
    assert session.error is None
    assert session.run is None


def test_a_picture_that_cannot_be_written_is_kept_and_reported(runner: Recorder, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file in the way", encoding="utf-8")
    session = GenerationSession(runner, PictureStore(tmp_path / "pictures"))
    session.generate(request())
    session.handle(drawn())
    session.handle(RunFinished(pictures=()))
    assert len(session.results) == 1
    assert session.results[0].saved_to is None
    assert session.error is not None
    assert "could not be written" in str(session.error)


def test_every_change_is_announced_once(runner: Recorder, tmp_path: Path) -> None:
    session = GenerationSession(runner, PictureStore(tmp_path))
    steps: list[Callable[[], None]] = [
        lambda: session.generate(request()),
        lambda: session.handle(Progress(phase=Phase.LOADING)),
        lambda: session.handle(drawn()),
        session.cancel,
        lambda: session.handle(RunCancelled()),
        session.dismiss_message,
    ]
    calls: list[int] = []
    session.changed = lambda: calls.append(1)
    for number, step in enumerate(steps, 1):
        step()
        assert len(calls) == number


def test_memory_is_bounded(runner: Recorder, tmp_path: Path) -> None:
    session = GenerationSession(runner, PictureStore(tmp_path, keep_every_picture=False))
    session.generate(request())
    for seed in range(MAX_RESULTS + 5):
        session.handle(drawn(seed))
    assert len(session.results) == MAX_RESULTS
    assert session.results[-1].picture.seed == MAX_RESULTS + 4


def test_of_too_many_results_those_with_a_file_go_first(
    runner: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RESULTS", 3)
    session = GenerationSession(runner, PictureStore(tmp_path, keep_every_picture=False))
    session.generate(request())
    session.handle(drawn(0))
    session.store = PictureStore(tmp_path)
    for seed in (1, 2, 3):
        session.handle(drawn(seed))
    assert [result.picture.seed for result in session.results] == [0, 2, 3]


def test_the_oldest_latents_go_before_memory_does(
    session: GenerationSession, runner: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = SavedLatents(final=np.zeros((4, 8, 8), np.float32), seed=0, steps=3, scheduler=SchedulerName.EULER)
    monkeypatch.setattr(module, "MAX_LATENTS_BYTES", 2 * latents.nbytes)
    session.generate(request())
    for _ in range(3):
        session.handle(PictureFinished(replace(drawn().picture, latents=latents)))
    assert [result.picture.latents is None for result in session.results] == [True, False, False]
    assert all(result.saved_to is not None for result in session.results)
