"""One thread drives the engine: a warm-up makes way for what is wanted now, and every question has an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit
from sdxl_desktop.engine.fake_engine import FakeEngine

ONE, OTHER, THIRD = Path("one"), Path("other"), Path("third")


@dataclass
class SlowWarmUpEngine(FakeEngine):
    """Warms up until it is released or cancelled; `warmed` lists what was started."""

    gate: threading.Event = field(default_factory=threading.Event)
    warmed: list[Path] = field(default_factory=list)

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        self.warmed.append(checkpoint)
        while not self.gate.wait(0.002) and not cancel.is_set():
            pass

    def devices(self) -> tuple[Device, ...]:
        raise RuntimeError("nobody thought of this")


@pytest.fixture
def engine() -> SlowWarmUpEngine:
    return SlowWarmUpEngine()


@pytest.fixture
def thread(engine: SlowWarmUpEngine, qtbot: QtBot) -> Iterator[EngineThread]:
    made = EngineThread(engine)
    yield made
    engine.gate.set()
    made.close()


def warm(thread: EngineThread, engine: SlowWarmUpEngine, qtbot: QtBot, checkpoint: Path) -> None:
    """Start a warm-up, and wait until it has started; the end of an earlier one was reported before."""
    thread.warm_up(checkpoint, Execution(), SpeedPreset.EXACT)
    qtbot.waitUntil(lambda: engine.warmed[-1:] == [checkpoint])


def request(checkpoint: Path) -> GenerationRequest:
    return GenerationRequest(checkpoint=checkpoint, sampling=Sampling(steps=1, speed=SpeedPreset.EXACT))


def test_a_run_does_not_wait_for_the_second_warm_up_of_something_else(
    thread: EngineThread, engine: SlowWarmUpEngine, qtbot: QtBot
) -> None:
    warm(thread, engine, qtbot, ONE)
    warm(thread, engine, qtbot, OTHER)
    with qtbot.waitSignal(
        thread.event_received, check_params_cb=lambda event: isinstance(event, RunFinished), timeout=3000
    ):
        thread.start(request(THIRD))
    assert not engine.gate.is_set()


def test_a_run_waits_for_the_warm_up_of_its_own(thread: EngineThread, engine: SlowWarmUpEngine, qtbot: QtBot) -> None:
    warm(thread, engine, qtbot, ONE)
    thread.start(request(ONE))
    qtbot.wait(20)
    assert engine.requests == []
    with qtbot.waitSignal(
        thread.event_received, check_params_cb=lambda event: isinstance(event, RunFinished), timeout=3000
    ):
        engine.gate.set()


def test_only_the_last_warm_up_is_reported_as_finished(
    thread: EngineThread, engine: SlowWarmUpEngine, qtbot: QtBot
) -> None:
    reported: list[bool] = []
    thread.warm_up_finished.connect(lambda: reported.append(True))
    warm(thread, engine, qtbot, ONE)
    warm(thread, engine, qtbot, OTHER)
    qtbot.wait(20)
    assert reported == []
    engine.gate.set()
    qtbot.waitUntil(lambda: bool(reported))
    assert reported == [True]


def test_the_same_is_not_warmed_twice_at_once_but_again_after_it_was_given_up(
    thread: EngineThread, engine: SlowWarmUpEngine, qtbot: QtBot
) -> None:
    warm(thread, engine, qtbot, ONE)
    thread.warm_up(ONE, Execution(), SpeedPreset.EXACT)
    qtbot.wait(20)
    assert engine.warmed == [ONE]
    thread.cancel()
    thread.warm_up(ONE, Execution(), SpeedPreset.EXACT)
    qtbot.waitUntil(lambda: engine.warmed == [ONE, ONE])


def test_an_unexpected_error_while_looking_for_devices_is_reported(thread: EngineThread, qtbot: QtBot) -> None:
    with qtbot.waitSignal(thread.devices_failed, timeout=3000) as failed:
        thread.list_devices()
    assert "nobody thought of this" in str(failed.args[0])
