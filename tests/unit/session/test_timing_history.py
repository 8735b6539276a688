"""What a run is expected to take follows from what the last one took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.events import Picture, RunFinished, Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.session.timing_history import TimingHistory

SMALL, LARGE = Size(512, 512), Size(1024, 512)
REQUEST = GenerationRequest(
    checkpoint=Path("/somewhere"), prompts=Prompts(prompt="a cat"), sampling=Sampling(size=SMALL, steps=20, count=2)
)
PICTURE = Picture(pixels=np.zeros((512, 512, 3), np.uint8), seed=0)
FINISHED = RunFinished(pictures=(PICTURE, PICTURE), timings=Timings(load=9, compile=9, encode=1, denoise=80, decode=3))


@pytest.fixture
def timing_history() -> TimingHistory:
    made = TimingHistory()
    made.add(REQUEST, FINISHED)
    return made


def expected(paces: TimingHistory, size: Size = SMALL, strength: float = 1.0, **changes: object) -> float | None:
    sampling = replace(REQUEST.sampling, **{"count": 1, **changes})  # type: ignore[arg-type]
    return paces.expected_seconds(REQUEST.checkpoint, REQUEST.execution, sampling, size, strength)


def test_the_same_again_takes_as_long_without_loading(timing_history: TimingHistory) -> None:
    assert expected(timing_history, count=2) == pytest.approx(84)


def test_steps_strength_count_and_area_scale_it(timing_history: TimingHistory) -> None:
    assert expected(timing_history) == pytest.approx(42)
    assert expected(timing_history, steps=10) == pytest.approx(22)
    assert expected(timing_history, strength=0.5) == pytest.approx(22)
    assert expected(timing_history, LARGE) == pytest.approx(84)


def test_what_was_not_drawn_yet_is_not_known(timing_history: TimingHistory) -> None:
    assert expected(TimingHistory()) is None
    assert expected(timing_history, guidance_scale=1.0) is None, "without guidance a step costs another time"
    elsewhere = Execution(device="GPU")
    assert timing_history.expected_seconds(REQUEST.checkpoint, elsewhere, REQUEST.sampling, SMALL) is None


def test_a_run_with_a_refiner_tells_nothing() -> None:
    paces = TimingHistory()
    paces.add(replace(REQUEST, refine=RefinerParameters(checkpoint=Path("/refiner"))), FINISHED)
    assert expected(paces) is None
