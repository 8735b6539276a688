"""The engine process can be lost at any moment, and answers a cancel in time, without taking anything with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdxl_desktop.core import child_program
from sdxl_desktop.core.errors import DeviceError, RequestError
from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunCancelled, RunFailed, RunPaused
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.engine_protocol import Pausing
from sdxl_desktop.engine.process.process_engine import ProcessEngine
from sdxl_desktop.workers import protocol
from tests.engine.conftest import SIZE, RecordedEvents, generate

LARGE_PICTURE = Size(768, 768)
"""Large enough for the tiny checkpoint's decode to take a noticeable time, and for its memory to be missed."""
MANY = 300
"""Steps that take seconds, of which a test that stops in the first ones waits for none."""


@pytest.fixture(scope="module")
def process_engine(tmp_path_factory: pytest.TempPathFactory, precompiled_cache: Path) -> Iterator[ProcessEngine]:
    root = tmp_path_factory.mktemp("process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDXL_DESKTOP_HOME", str(root))
        paths = AppPaths.from_environment()
        shutil.copytree(precompiled_cache, paths.cache)
        engine = ProcessEngine(paths)
        yield engine
        engine.close()
    assert engine.pid is None


def cancel_at(phase: Phase, step: int, act: Callable[[], None]) -> Callable[[EngineEvent], None]:
    """Call `act` once, as soon as the engine reports `phase` at `step` or later."""
    done = threading.Event()

    def watch(event: EngineEvent) -> None:
        if isinstance(event, Progress) and event.phase is phase and event.step >= step and not done.is_set():
            done.set()
            act()

    return watch


def run_until(
    engine: ProcessEngine, request: GenerationRequest, watch: Callable[[EngineEvent], None], cancel: threading.Event
) -> RecordedEvents:
    recorded = RecordedEvents()

    def emit(event: EngineEvent) -> None:
        recorded.events.append(event)
        watch(event)

    engine.generate(request, emit, cancel)
    return recorded


def uncompiled(request: GenerationRequest, threads: int) -> GenerationRequest:
    """`request` for so many threads, for which nothing was compiled before: each test takes a number of its own."""
    return replace(request, execution=replace(request.execution, threads=threads))


def test_a_run_in_the_child_draws_the_same_bits_as_in_this_process(
    process_engine: ProcessEngine, engine: Any, request_for: Any
) -> None:
    request = request_for(count=2, preview=True)
    there = generate(process_engine, request).finished.pictures
    here = generate(engine, request).finished.pictures
    assert [picture.seed for picture in there] == [7, 8]
    for one, other in zip(there, here, strict=True):
        assert (one.pixels == other.pixels).all()


def test_cancel_while_denoising_keeps_the_engine_warm(process_engine: ProcessEngine, request_for: Any) -> None:
    generate(process_engine, request_for())
    before = process_engine.pid
    cancel = threading.Event()
    recorded = run_until(process_engine, request_for(steps=MANY), cancel_at(Phase.DENOISING, 2, cancel.set), cancel)
    assert isinstance(recorded.last, RunCancelled)
    again = generate(process_engine, request_for())
    assert process_engine.pid == before
    assert again.phases[0] == Phase.ENCODING.value, "nothing is loaded or compiled again"


def test_a_pause_crosses_the_process_and_continues_in_another_one_bit_for_bit(
    process_engine: ProcessEngine, engine: Any, request_for: Any
) -> None:
    request = request_for(steps=12, scheduler=SchedulerName.DPMPP_2M_SDE)
    asked, told = threading.Event(), RecordedEvents()

    def hear(event: EngineEvent) -> None:
        told.events.append(event)
        cancel_at(Phase.DENOISING, 3, asked.set)(event)

    process_engine.generate(request, hear, threading.Event(), Pausing(asked))
    assert isinstance(told.last, RunPaused), told.last
    assert told.last.paused.step >= 3
    rest = RecordedEvents()
    engine.generate(request, rest.events.append, threading.Event(), Pausing(threading.Event(), told.last.paused))
    assert (rest.picture.pixels == generate(engine, request).picture.pixels).all()


def test_errors_cross_the_process_whole(process_engine: ProcessEngine, request_for: Any) -> None:
    failed = generate(process_engine, request_for(device="GPU.7")).last
    assert isinstance(failed, RunFailed)
    assert isinstance(failed.error, DeviceError)
    assert "CPU" in failed.error.why
    failed = generate(process_engine, request_for(size=Size(136, 128))).last
    assert isinstance(failed, RunFailed)
    assert isinstance(failed.error, RequestError)
    assert "128 or 160" in failed.error.next_step


def test_devices_and_memory_are_known_without_loading_openvino_here(process_engine: ProcessEngine) -> None:
    assert "CPU" in [device.name for device in process_engine.devices()]
    assert (process_engine.memory_bytes() or 0) > 10 << 20


def test_paths_mean_the_same_in_the_child(
    process_engine: ProcessEngine, request_for: Any, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_checkpoint)
    assert generate(process_engine, replace(request_for(), checkpoint=Path("ov"))).picture is not None


@pytest.mark.skipif(sys.platform != "linux", reason="sets another process's limits")
@pytest.mark.parametrize(
    "phase",
    [Phase.DENOISING, pytest.param(Phase.DECODING, marks=pytest.mark.slow)],
    ids=lambda phase: phase.value,
)
def test_what_drew_before_memory_was_short_draws_after_it(
    phase: Phase, process_engine: ProcessEngine, request_for: Any
) -> None:
    import resource

    before = generate(process_engine, request_for()).picture.pixels

    def starve() -> None:
        assert process_engine.pid is not None
        taken = psutil.Process(process_engine.pid).memory_info().vms
        resource.prlimit(process_engine.pid, resource.RLIMIT_AS, (taken, -1))

    recorded = run_until(
        process_engine, request_for(size=LARGE_PICTURE), cancel_at(phase, 0, starve), threading.Event()
    )
    assert isinstance(recorded.last, RunFailed), recorded.last
    assert "memory" in str(recorded.last.error), recorded.last.error
    assert (generate(process_engine, request_for()).picture.pixels == before).all()


KILLED_IN_EVERY_RUN = (Phase.COMPILING,)
"""Each kill costs the start of another process. The next test kills one during denoising."""
PHASES = [
    (Phase.STARTING, 0),
    (Phase.LOADING, 0),
    (Phase.ENCODING, 0),
    (Phase.DECODING, 0),
    (Phase.COMPILING, 0),
    (Phase.DENOISING, 2),
]


@pytest.mark.parametrize(
    ("phase", "step"),
    [
        pytest.param(phase, step, id=phase.value, marks=[] if phase in KILLED_IN_EVERY_RUN else [pytest.mark.slow])
        for phase, step in PHASES
    ],
)
def test_killing_the_engine_is_reported_plainly_and_the_next_run_works(
    phase: Phase, step: int, process_engine: ProcessEngine, request_for: Any
) -> None:
    if phase is Phase.STARTING and process_engine.pid is not None:
        os.kill(process_engine.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(process_engine.pid)] if process_engine.pid else [], timeout=5)
    request = request_for(steps=MANY) if phase is Phase.DENOISING else request_for(size=LARGE_PICTURE, steps=1)
    if phase is Phase.COMPILING:
        request = uncompiled(request, threads=3)

    def kill() -> None:
        assert process_engine.pid is not None
        os.kill(process_engine.pid, signal.SIGKILL)

    recorded = run_until(process_engine, request, cancel_at(phase, step, kill), threading.Event())
    assert isinstance(recorded.last, RunFailed), recorded.last
    assert "stopped" in recorded.last.error.what
    assert "Generate" in recorded.last.error.next_step
    if phase is Phase.COMPILING:
        assert generate(process_engine, request_for()).picture is not None


HANGING_PHASES = [(Phase.DENOISING, 2), (Phase.ENCODING, 0), (Phase.DECODING, 0), (Phase.COMPILING, 0)]


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGSTOP")
@pytest.mark.parametrize(
    ("phase", "step"),
    [
        pytest.param(phase, step, id=phase.value, marks=[] if phase is Phase.DENOISING else [pytest.mark.slow])
        for phase, step in HANGING_PHASES
    ],
)
def test_a_cancel_of_an_engine_that_is_stuck_is_answered(
    phase: Phase, step: int, process_engine: ProcessEngine, request_for: Any
) -> None:
    cancel = threading.Event()
    request = request_for(
        size=LARGE_PICTURE if phase is Phase.DECODING else SIZE,
        steps=MANY if phase is Phase.DENOISING else 1,
        prompts=Prompts(prompt=f"in {phase}"),
    )
    if phase is Phase.COMPILING:
        request = uncompiled(request, threads=5)

    def stop() -> None:
        assert process_engine.pid is not None
        os.kill(process_engine.pid, signal.SIGSTOP)
        cancel.set()

    recorded = run_until(process_engine, request, cancel_at(phase, step, stop), cancel)
    assert isinstance(recorded.last, RunCancelled), recorded.last
    assert process_engine.pid is None


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGSTOP")
def test_an_engine_that_is_stuck_before_it_is_asked_can_be_left(
    process_engine: ProcessEngine, request_for: Any
) -> None:
    """It takes nothing of a request that is larger than the pipe, either."""
    process_engine.devices()
    assert process_engine.pid is not None
    os.kill(process_engine.pid, signal.SIGSTOP)
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    recorded = RecordedEvents()
    process_engine.generate(request_for(prompts=Prompts(prompt="word " * 200_000)), recorded.events.append, cancel)
    assert isinstance(recorded.last, RunCancelled)


def test_an_idle_engine_that_died_is_replaced_before_anything_is_reported(
    process_engine: ProcessEngine, request_for: Any
) -> None:
    process_engine.devices()
    pid = process_engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)  # not waited for: whether it is noticed before the order is sent is left to chance
    assert generate(process_engine, request_for()).picture is not None
    assert process_engine.pid != pid


CANCELLED_IN_EVERY_RUN = (Phase.DENOISING, Phase.COMPILING, Phase.STARTING)


@pytest.mark.parametrize(
    ("phase", "step"),
    [
        pytest.param(phase, step, id=phase.value, marks=[] if phase in CANCELLED_IN_EVERY_RUN else [pytest.mark.slow])
        for phase, step in (
            (Phase.DENOISING, 2),
            (Phase.DECODING, 0),
            (Phase.ENCODING, 0),
            (Phase.LOADING, 0),
            (Phase.COMPILING, 0),
            (Phase.STARTING, 0),  # last: it ends the process that the others share
        )
    ],
)
def test_cancel_is_answered_in_every_phase(
    phase: Phase, step: int, process_engine: ProcessEngine, request_for: Any, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    request = request_for(steps=MANY) if phase is Phase.DENOISING else request_for(size=LARGE_PICTURE, steps=1)
    if phase is Phase.LOADING:
        elsewhere = tmp_path / "copy"
        shutil.copytree(tiny_checkpoint / "ov", elsewhere)
        request = replace(request, checkpoint=elsewhere)
    if phase is Phase.COMPILING:
        request = uncompiled(request, threads=4)
    if phase is Phase.STARTING and process_engine.pid is not None:
        lost = psutil.Process(process_engine.pid)
        lost.kill()
        lost.wait()
    cancel = threading.Event()
    asked: list[float] = []

    def stop() -> None:
        asked.append(time.monotonic())
        cancel.set()

    recorded = run_until(process_engine, request, cancel_at(phase, step, stop), cancel)
    waited = time.monotonic() - asked[0]
    assert isinstance(recorded.last, RunCancelled), recorded.last
    # Not a benchmark: the promise is an answer within a second; the bound leaves room for a busy machine.
    assert waited < 1 + 4


def test_close_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_for: Any) -> None:
    monkeypatch.setenv("SDXL_DESKTOP_HOME", str(tmp_path))
    engine = ProcessEngine(AppPaths.from_environment())
    engine.devices()
    pid = engine.pid
    assert pid is not None
    engine.close()
    assert not psutil.pid_exists(pid)
    recorded = generate(engine, request_for())
    assert isinstance(recorded.last, RunCancelled), "a closed engine starts nothing"


def test_the_child_ends_when_the_application_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import threading, time
        from sdxl_desktop.core.paths import AppPaths
        from sdxl_desktop.engine.process.process_engine import ProcessEngine
        engine = ProcessEngine(AppPaths.from_environment())
        engine.devices()
        print(engine.pid, flush=True)
        time.sleep(60)
    """)
    application = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SDXL_DESKTOP_HOME": str(tmp_path)},
    )
    assert application.stdout is not None
    with application.stdout as output:
        child = psutil.Process(int(output.readline()))
    application.kill()
    application.wait()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert not alive
    assert gone


INVALID_MESSAGES = {
    "nothing like a message": "b'Segmentation fault' * 9",
    "damaged": "good[:-2] + b'zz'",
    "longer than anything": "good[:4] + (2 ** 63).to_bytes(8, 'little') + good[12:]",
    "of another kind": "bytes(protocol.pack(5))",
    "cut short": "good[:-3]",
}


@pytest.mark.parametrize("frame", INVALID_MESSAGES.values(), ids=INVALID_MESSAGES)
def test_an_answer_that_cannot_be_read_ends_the_run_with_a_reason(
    frame: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_for: Any
) -> None:
    wait = "os._exit(3)" if frame == INVALID_MESSAGES["cut short"] else "time.sleep(60)"
    code = f"""import os, sys, time
from sdxl_desktop.engine.process.messages import RunDone
from sdxl_desktop.workers import protocol
good = bytes(protocol.pack(RunDone(1)))
sys.stdout.buffer.write({frame})
sys.stdout.flush()
{wait}"""
    monkeypatch.setattr(child_program, "child_command", lambda *arguments: [sys.executable, "-c", code])
    engine = ProcessEngine(AppPaths.from_environment())
    recorded = generate(engine, request_for())
    assert isinstance(recorded.last, RunFailed)
    assert "stopped unexpectedly" in recorded.last.error.what
    assert recorded.last.error.why
    assert engine.pid is None
    engine.close()


@pytest.mark.parametrize("order", [b"no order at all", b"sdxl\x05\0\0\0\0\0\0\0zzzzz"], ids=["no mark", "damaged"])
def test_an_order_that_cannot_be_read_ends_the_engine_with_its_own_code(order: bytes) -> None:
    child = subprocess.run(
        child_program.child_command(child_program.ENGINE_HOST),
        input=order,
        env=child_program.child_environment(),
        capture_output=True,
        check=False,
    )
    assert child.returncode == protocol.EXIT_UNREADABLE
