"""Pictures are saved without blocking the window, where the user chose, also after an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import EngineError, OutputError, SdxlDesktopError
from sdxl_desktop.core.events import RunFailed, RunFinished
from sdxl_desktop.session.generation_session import GenerationSession, SaveTask
from sdxl_desktop.session.result_files import PictureStore, Result
from tests.unit.session.test_generation_session import Recorder, drawn, request


def test_a_picture_is_there_before_it_is_written_and_knows_its_file_afterwards(tmp_path: Path) -> None:
    waiting: list[tuple[SaveTask, object]] = []
    announced: list[int] = []
    session = GenerationSession(
        Recorder(), PictureStore(tmp_path), run_in_background=lambda work, done: waiting.append((work, done))
    )
    session.generate(request())
    session.handle(drawn(seed=5))
    session.handle(RunFinished(pictures=()))
    assert [result.saved_to for result in session.results] == [None]
    session.changed = lambda: announced.append(1)

    ((work, done),) = waiting
    outcome = work()
    assert isinstance(outcome, Result)
    done(outcome)  # type: ignore[operator]
    (result,) = session.results
    assert result.saved_to is not None
    assert result.saved_to.is_file()
    assert announced == [1]


def test_a_picture_that_could_not_be_written_stays_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file")

    def at_once(work: SaveTask, done: object) -> None:
        outcome: Result | SdxlDesktopError = work()
        done(outcome)  # type: ignore[operator]

    session = GenerationSession(Recorder(), PictureStore(tmp_path / "blocked"), run_in_background=at_once)
    session.generate(request())
    session.handle(drawn())
    assert isinstance(session.error, OutputError)
    assert [result.saved_to for result in session.results] == [None]


def test_save_as_writes_where_the_user_says(tmp_path: Path) -> None:
    session = GenerationSession(Recorder(), PictureStore(tmp_path, keep_every_picture=False))
    session.generate(request())
    session.handle(drawn())
    assert session.save_as(0, tmp_path / "mine.webp").saved_to == tmp_path / "mine.webp"
    assert session.results[0].saved_to == tmp_path / "mine.webp"
    with pytest.raises(OutputError):
        session.save_as(0, tmp_path / "mine.txt")
    assert session.results[0].saved_to == tmp_path / "mine.webp"


def test_what_waits_after_an_error_starts_when_the_user_continues(tmp_path: Path) -> None:
    runner = Recorder()
    session = GenerationSession(runner, PictureStore(tmp_path))
    for seed in (1, 2):
        session.generate(request(seed))
    session.handle(RunFailed(EngineError("It broke.")))
    assert len(runner.started) == 1
    session.continue_queue()
    assert session.error is None
    assert [started.sampling.seed for started in runner.started] == [1, 2]
