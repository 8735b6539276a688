"""The fake engine keeps the engines' contract, so that tests with it hold for the real one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    PictureFinished,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
)
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.engine.fake_engine import FakeEngine, gradient

REQUEST = GenerationRequest(checkpoint=Path("x"), sampling=Sampling(size=Size(32, 16), steps=3, seed=4, count=2))


def run(engine: FakeEngine, request: GenerationRequest = REQUEST, stop_at: type | None = None) -> list[EngineEvent]:
    events: list[EngineEvent] = []
    cancel = threading.Event()

    def emit(event: EngineEvent) -> None:
        events.append(event)
        if stop_at is not None and isinstance(event, stop_at):
            cancel.set()

    engine.generate(request, emit, cancel)
    return events


def test_phases_come_in_order() -> None:
    phases = [event.phase for event in run(FakeEngine()) if isinstance(event, Progress)]
    order = list(Phase)
    first_picture = phases[: phases.index(Phase.DECODING) + 1]
    assert first_picture == sorted(first_picture, key=order.index)


def test_each_picture_is_drawn_before_the_run_is_finished() -> None:
    events = run(FakeEngine())
    drawn = [event.picture for event in events if isinstance(event, PictureFinished)]
    assert [picture.seed for picture in drawn] == [4, 5]
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert last.pictures == tuple(drawn)


def test_the_nth_picture_equals_a_single_picture_of_its_seed() -> None:
    events = run(FakeEngine(), replace(REQUEST, sampling=replace(REQUEST.sampling, seed=5, count=1)))
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert np.array_equal(last.pictures[0].pixels, gradient(Size(32, 16), 5))


def test_a_cancel_takes_effect_at_the_next_step() -> None:
    events = run(FakeEngine(), stop_at=Preview)
    assert isinstance(events[-1], RunCancelled)
    assert sum(isinstance(event, Preview) for event in events) == 1


def test_previews_can_be_turned_off() -> None:
    assert any(isinstance(event, Preview) for event in run(FakeEngine(), REQUEST))
    events = run(FakeEngine(), replace(REQUEST, execution=Execution(preview=False)))
    assert isinstance(events[-1], RunFinished)
    assert not any(isinstance(event, Preview) for event in events)


def test_a_failure_is_an_event_and_the_last_one() -> None:
    problem = EngineError("It broke.")
    last = run(FakeEngine(error=problem))[-1]
    assert isinstance(last, RunFailed)
    assert last.error is problem


@pytest.mark.parametrize("seed", range(5))
def test_no_fake_picture_is_black(seed: int) -> None:
    assert gradient(Size(16, 16), seed).min() > 0
