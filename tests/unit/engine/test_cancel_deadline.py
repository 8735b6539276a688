"""An engine process that was asked to stop has a time for it, which depends on what it is doing; then it is killed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from sdxl_desktop.core import child_program
from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunCancelled
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.engine.process.process_engine import CancelDeadline, ProcessEngine

DENOISING = Progress(phase=Phase.DENOISING)

SLOW_STEPS = """
import sys, time
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.engine.process.messages import CancelAcknowledged, RunEvent
from sdxl_desktop.workers import protocol
order = protocol.read(sys.stdin.buffer)
say = lambda answer: (protocol.write(sys.stdout.buffer, answer), sys.stdout.buffer.flush())
say(RunEvent(order.run, Progress(phase=Phase.DENOISING)))
protocol.read(sys.stdin.buffer)
say(CancelAcknowledged(order.run))
while True:
    say(RunEvent(order.run, Progress(phase=Phase.DENOISING)))
    time.sleep(0.2)
"""


@pytest.mark.parametrize(
    ("event", "heard", "within", "beyond"),
    [
        (Progress(phase=Phase.COMPILING), False, 0.5, 1.0),
        (Progress(phase=Phase.COMPILING), True, 0.5, 1.0),
        (DENOISING, False, 2.0, 4.0),
        (DENOISING, True, 9.0, 11.0),
        (Progress(phase=Phase.DENOISING, seconds_per_step=20.0), True, 39.0, 41.0),
        (Progress(phase=Phase.DENOISING, seconds_per_step=3600.0), True, 60.0, 120.0),
    ],
)
def test_how_long_the_end_is_waited_for(event: Progress, heard: bool, within: float, beyond: float) -> None:
    deadline = CancelDeadline()
    deadline.update(event)
    if heard:
        deadline.acknowledge()
    assert not deadline.is_over(within)
    assert deadline.is_over(beyond)


@pytest.mark.slow
def test_one_that_ignores_the_cancel_is_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a driver that never comes back, or that computes for ever."""
    monkeypatch.setattr(child_program, "child_command", lambda *arguments: [sys.executable, "-c", SLOW_STEPS])
    engine = ProcessEngine(AppPaths.from_environment())
    cancel, reported = threading.Event(), list[EngineEvent]()

    def emit(event: EngineEvent) -> None:
        reported.append(event)
        cancel.set()

    engine.generate(GenerationRequest(checkpoint=home, prompts=Prompts(prompt="x")), emit, cancel)
    assert isinstance(reported[-1], RunCancelled)
    assert engine.pid is None
    engine.close()
