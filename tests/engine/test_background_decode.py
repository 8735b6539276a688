"""Decoding a picture while the next one is denoised. There is one device here: tests say that there are two."""

from __future__ import annotations

import threading
from dataclasses import replace
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Phase, PictureFinished, Progress, RunCancelled, RunFailed
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.run_preparation import RunPreparation
from tests.engine.conftest import generate

COUNT = 3


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The VAE's device counts as another than the UNet's."""
    monkeypatch.setattr(RunPreparation, "may_overlap", lambda *_: True)


@pytest.fixture
def decoding_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that decoded, in order."""
    names: list[str] = []
    call = InterruptibleInferRequest.__call__

    def watched(self: Any, inputs: Any) -> Any:
        if "latent_sample" in inputs:
            names.append(threading.current_thread().name)
        return call(self, inputs)

    monkeypatch.setattr(InterruptibleInferRequest, "__call__", watched)
    return names


def test_pictures_are_the_same_and_come_in_order(
    engine: Any, request_for: Any, decoding_in: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(seed=30, count=COUNT)
    one_by_one = generate(engine, request).finished.pictures
    assert not any(name.startswith("decode-beside") for name in decoding_in)
    decoding_in.clear()

    monkeypatch.setattr(RunPreparation, "may_overlap", lambda *_: True)
    recorded = generate(engine, request)
    assert [event.picture.index for event in recorded.of_type(PictureFinished)] == [0, 1, 2]
    assert [name.startswith("decode-beside") for name in decoding_in] == [True, True, False]
    for before, now in zip(one_by_one, recorded.finished.pictures, strict=True):
        assert (before.pixels == now.pixels).all()


@pytest.mark.usefixtures("apart")
def test_a_picture_is_reported_while_the_next_is_denoised(engine: Any, request_for: Any) -> None:
    recorded = generate(engine, request_for(seed=33, count=2, steps=12))
    first = next(at for at, event in enumerate(recorded.events) if isinstance(event, PictureFinished))
    steps = [
        at
        for at, event in enumerate(recorded.events)
        if isinstance(event, Progress) and event.phase is Phase.DENOISING and event.picture == 1
    ]
    assert steps[0] < first < steps[-1]


@pytest.mark.usefixtures("apart")
def test_a_picture_outlives_the_failure_of_the_next(
    engine: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, asked = InterruptibleInferRequest.__call__, list[int]()

    def failing(self: Any, inputs: Any) -> Any:
        if "encoder_hidden_states" in inputs:
            asked.append(1)
            if len(asked) > 4:
                raise EngineError("The device failed while it was drawing.", next_step="Try another.")
        return call(self, inputs)

    request = request_for(seed=36, count=2, steps=4)
    generate(engine, request)  # so that only the UNet is asked below
    monkeypatch.setattr(InterruptibleInferRequest, "__call__", failing)
    recorded = generate(engine, request)
    assert isinstance(recorded.last, RunFailed)
    assert [event.picture.index for event in recorded.of_type(PictureFinished)] == [0]


@pytest.mark.usefixtures("apart")
def test_a_stop_ends_both(engine: Any, request_for: Any) -> None:
    stop, events = Flag(), list[Any]()

    def hear(event: Any) -> None:
        events.append(event)
        if isinstance(event, Progress) and event.picture == 1:
            stop.set()

    engine.generate(request_for(seed=37, count=COUNT), hear, stop)
    assert isinstance(events[-1], RunCancelled)
    assert not any(thread.name.startswith("decode-beside") for thread in threading.enumerate())


@pytest.mark.usefixtures("apart")
def test_what_needs_a_compilation_is_decoded_again_when_the_drawing_rests(
    engine: Any, request_for: Any, decoding_in: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = request_for(seed=40, count=2)
    request = replace(exact, execution=replace(exact.execution, precision="auto"))
    expected = [picture.pixels for picture in generate(engine, request).finished.pictures]
    decoding_in.clear()
    call = InterruptibleInferRequest.__call__

    def faulty(self: Any, inputs: Any) -> Any:
        outputs = call(self, inputs)
        if "latent_sample" in inputs and not engine.loaded[0].needs_f32_decoder:
            for value in outputs.values():
                value[...] = np.nan
        return outputs

    monkeypatch.setattr(InterruptibleInferRequest, "__call__", faulty)
    recorded = generate(engine, request)
    engine.close()
    assert [event.picture.index for event in recorded.of_type(PictureFinished)] == [0, 1]
    assert any("32-bit" in note for note in recorded.picture.notes)
    for before, now in zip(expected, recorded.finished.pictures, strict=True):
        assert np.abs(before.astype(int) - now.pixels).max() <= 12  # "auto" may be bf16 on this processor


def test_one_device_never_does_both(engine: Any, request_for: Any) -> None:
    """They would only take each other's time."""
    execution = Execution(device="CPU")
    assert execution.device_for("vae_decoder") == execution.device_for("unet")
    recorded = generate(engine, request_for(seed=43, count=2))
    phases = [(event.picture, event.phase) for event in recorded.of_type(Progress)]
    assert phases.index((0, Phase.DECODING)) < phases.index((1, Phase.DENOISING))
