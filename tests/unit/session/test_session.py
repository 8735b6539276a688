"""A sitting: requests wait their turn, events bring the state up to date, nothing made is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Cancelled, Drawn, Failed, Finished, Phase, Picture, Preview, Progress
from sdxl_desktop.core.latents import KeptLatents
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.session import session as module
from sdxl_desktop.session.pictures import PictureStore
from sdxl_desktop.session.session import MAX_RESULTS, Session


@dataclass
class Recorder:
    """A runner that only remembers what it was told."""

    started: list[GenerationRequest] = field(default_factory=list)
    cancels: int = 0

    def start(self, request: GenerationRequest) -> None:
        self.started.append(request)

    def cancel(self) -> None:
        self.cancels += 1


def request(seed: int = 0) -> GenerationRequest:
    return GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=seed))


def drawn(seed: int = 0) -> Drawn:
    return Drawn(Picture(pixels=np.full((8, 8, 3), 7, np.uint8), seed=seed))


@pytest.fixture
def runner() -> Recorder:
    return Recorder()


@pytest.fixture
def session(runner: Recorder, tmp_path: Path) -> Session:
    return Session(runner, PictureStore(tmp_path / "pictures"))


def test_what_is_not_drawn_yet_is_known_to_the_picture(session: Session) -> None:
    several = GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=2**32 - 1, count=3))
    session.generate(several)
    session.generate(request(7))
    assert session.unfinished == (several, request(7))
    session.handle(drawn())
    rest, waiting = session.unfinished
    assert (rest.sampling.seed, rest.sampling.count) == (0, 2), "the next seed, as a run of all of them has it"
    assert waiting == request(7)
    session.handle(drawn())
    session.handle(drawn())
    assert session.unfinished == (request(7),)


def test_what_was_postponed_waits_until_it_is_wanted(session: Session, runner: Recorder) -> None:
    session.postponed = (request(1), request(2))
    session.generate(request(3))
    assert session.unfinished == (request(3), request(1), request(2))
    session.take_up()
    assert session.postponed == ()
    assert list(session.queue) == [request(1), request(2)]
    assert runner.started == [request(3)]


def test_a_request_starts_at_once_when_idle(session: Session, runner: Recorder) -> None:
    session.generate(request())
    assert runner.started == [request()]
    assert session.run is not None
    assert session.run.progress.phase is Phase.STARTING


def test_requests_wait_their_turn(session: Session, runner: Recorder) -> None:
    for seed in range(3):
        session.generate(request(seed))
    assert runner.started == [request(0)]
    session.handle(Finished(pictures=()))
    session.handle(Finished(pictures=()))
    assert runner.started == [request(0), request(1), request(2)]
    session.handle(Finished(pictures=()))
    assert session.run is None


def test_progress_and_preview_are_kept_until_the_end(session: Session) -> None:
    session.generate(request())
    pixels = np.zeros((2, 2, 3), np.uint8)
    session.handle(Preview(pixels))
    session.handle(Progress(phase=Phase.DENOISING, step=3, total=9))
    assert session.run is not None
    assert session.run.preview is pixels
    assert session.run.progress.step == 3


def test_every_finished_picture_is_written(session: Session, tmp_path: Path) -> None:
    session.generate(request())
    session.handle(drawn(1))
    session.handle(drawn(2))
    session.handle(Cancelled())
    files = [result.saved_to for result in session.results]
    assert len({*files}) == 2
    assert sorted(path for path in files if path) == sorted((tmp_path / "pictures").iterdir())
    assert session.message == "Cancelled."


def test_cancel_stops_the_run_and_forgets_the_waiting(session: Session, runner: Recorder) -> None:
    session.generate(request(0))
    session.generate(request(1))
    session.cancel()
    assert runner.cancels == 1
    assert session.run is not None
    assert session.run.cancelling
    session.handle(Cancelled())
    assert session.run is None
    assert runner.started == [request(0)]


def test_cancel_after_an_error_forgets_what_it_left_waiting(session: Session, runner: Recorder) -> None:
    session.generate(request(1))
    session.generate(request(2))
    session.handle(Failed(EngineError("It broke.")))
    assert len(session.queue) == 1
    session.cancel()
    assert not session.queue
    assert runner.cancels == 0, "nothing runs"


def test_cancel_when_idle_does_nothing(session: Session, runner: Recorder) -> None:
    session.cancel()
    assert runner.cancels == 0


def test_a_failure_is_told_and_the_next_request_works(session: Session, runner: Recorder) -> None:
    session.generate(request(0))
    problem = EngineError("It broke.")
    session.handle(Failed(problem))
    assert session.error is problem
    assert session.run is None
    session.generate(request(1))
    assert session.error is None
    assert runner.started[-1] == request(1)


def test_a_late_word_from_a_run_that_is_over_changes_nothing(session: Session) -> None:
    for event in (drawn(), Finished(pictures=()), Failed(EngineError("x")), Progress(phase=Phase.LOADING)):
        session.handle(event)
    assert session.results == []
    assert session.error is None
    assert session.run is None


def test_a_picture_that_cannot_be_written_is_kept_and_told(runner: Recorder, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file in the way", encoding="utf-8")
    session = Session(runner, PictureStore(tmp_path / "pictures"))
    session.generate(request())
    session.handle(drawn())
    session.handle(Finished(pictures=()))
    assert len(session.results) == 1
    assert session.results[0].saved_to is None
    assert session.error is not None
    assert "could not be written" in str(session.error)


def test_every_change_is_announced_once(runner: Recorder, tmp_path: Path) -> None:
    session = Session(runner, PictureStore(tmp_path))
    steps: list[Callable[[], None]] = [
        lambda: session.generate(request()),
        lambda: session.handle(Progress(phase=Phase.LOADING)),
        lambda: session.handle(drawn()),
        session.cancel,
        lambda: session.handle(Cancelled()),
        session.dismiss,
    ]
    calls: list[int] = []
    session.changed = lambda: calls.append(1)
    for number, step in enumerate(steps, 1):
        step()
        assert len(calls) == number


def test_memory_is_bounded(runner: Recorder, tmp_path: Path) -> None:
    session = Session(runner, PictureStore(tmp_path, keep_every_picture=False))
    session.generate(request())
    for seed in range(MAX_RESULTS + 5):
        session.handle(drawn(seed))
    assert len(session.results) == MAX_RESULTS
    assert session.results[-1].picture.seed == MAX_RESULTS + 4


def test_the_oldest_latents_go_before_memory_does(
    session: Session, runner: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = KeptLatents(final=np.zeros((4, 8, 8), np.float32), seed=0, steps=3, scheduler=SchedulerName.EULER)
    monkeypatch.setattr(module, "LATENTS_ROOM", 2 * latents.nbytes)
    session.generate(request())
    for _ in range(3):
        session.handle(Drawn(replace(drawn().picture, latents=latents)))
    assert [result.picture.latents is None for result in session.results] == [True, False, False]
    assert all(result.saved_to is not None for result in session.results)
