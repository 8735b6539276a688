"""A job in a process of its own reports until its end, can be stopped at any moment, and never outlives its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from sdxl_desktop.core import child_program, out_of_memory
from sdxl_desktop.core.errors import CheckpointError, EngineError, SdxlDesktopError
from sdxl_desktop.workers import protocol
from sdxl_desktop.workers.jobs import JobEvent, JobFailed, JobMessage, JobWorker, run_job
from sdxl_desktop.workers.process import WorkerStartError, exit_reason
from sdxl_desktop.workers.progress import JobProgress
from tests.unit.workers.fake_worker import HOST, LATER, FakeJob

COMMAND = [sys.executable, "-m", "tests.unit.workers"]


class Cancelled(SdxlDesktopError):
    """The user cancelled it."""


class Died(SdxlDesktopError):
    """It ended without a result."""


WORKER = JobWorker(
    host="--fake", cancelled_error=lambda: Cancelled("Cancelled."), died_error=lambda why: Died(why or "?")
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a job in the fake worker, or in the given Python code; its events go to `emit`."""

    def run(
        job: FakeJob,
        emit: Callable[[Any], None] = lambda progress: None,
        cancel: Any = None,
        code: str | None = None,
    ) -> Any:
        command = COMMAND if code is None else [sys.executable, "-c", code]
        monkeypatch.setattr(child_program, "child_command", lambda host: command)
        return run_job(WORKER, job, emit, cancel or threading.Event())

    return run


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_everything_is_heard_and_nothing_that_libraries_print(run: Callable[..., Any]) -> None:
    reported: list[JobProgress[Any]] = []
    assert run(FakeJob("chatter"), reported.append) == "did chatter"
    assert [(progress.part, progress.fraction) for progress in reported] == [("é", 0.0), ("", 1.0)]


def test_an_error_crosses_with_its_kind_and_words(run: Callable[..., Any]) -> None:
    with pytest.raises(CheckpointError) as raised:
        run(FakeJob("explain"))
    assert str(raised.value) == "It is not one. Look at it. Take another."
    with pytest.raises(EngineError, match=r"^Failed. ValueError: first line\.$"):
        run(FakeJob("fail"))


def test_a_cancel_kills_it_at_once(run: Callable[..., Any]) -> None:
    cancel, pids, started = threading.Event(), [], time.monotonic()

    def stop(progress: JobProgress[Any]) -> None:
        pids.append(progress.done)
        cancel.set()

    with pytest.raises(Cancelled):
        run(FakeJob("wait"), stop, cancel)
    assert gone(pids[0])
    assert time.monotonic() - started < LATER / 4


def test_a_stop_during_a_failure_is_reported_as_a_stop(run: Callable[..., Any]) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        run(FakeJob("explain"), cancel=cancel)


SAYS = """import os, subprocess, sys, time
from sdxl_desktop.workers import protocol
from sdxl_desktop.workers.jobs import JobEvent, JobResult
say = lambda message: protocol.write(sys.stdout.buffer, message)
"""
"""Python for a worker that sends what a test wants."""
GO_ON = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({LATER / 4})'])\n"
"""Python for a worker: start a process that holds its pipes."""


def test_one_that_does_not_respond_is_ended_when_its_progress_cannot_be_reported(run: Callable[..., Any]) -> None:
    pids = []

    def fail(pid: int) -> None:
        pids.append(pid)
        raise KeyError("a bug")

    started = time.monotonic()
    with pytest.raises(KeyError):
        run(FakeJob("wait"), fail, code=f"{SAYS}say(JobEvent(os.getpid())); time.sleep({LATER})")
    assert gone(pids[0])
    assert time.monotonic() - started < LATER / 4


def test_one_that_dies_leaves_its_exit_code_and_last_line(run: Callable[..., Any]) -> None:
    with pytest.raises(Died, match=r"^It ended with exit code 3\. last words\.$"):
        run(FakeJob("die"))


def test_half_a_message_is_no_message(run: Callable[..., Any]) -> None:
    code = f"{SAYS}os.write(1, bytes(protocol.pack(JobResult(1)))[:-1]); os._exit(4)"
    with pytest.raises(Died, match=r"^It ended with exit code 4\.$"):
        run(FakeJob(""), code=code)


def test_a_job_that_nobody_takes_is_a_death_like_any_other(run: Callable[..., Any]) -> None:
    with pytest.raises(Died, match=r"^It ended with exit code 5\.$"):
        run(FakeJob("long " * 2**20), code="import os; os._exit(5)")


def test_its_result_is_enough_though_another_process_holds_the_pipe(run: Callable[..., Any]) -> None:
    started = time.monotonic()
    assert run(FakeJob(""), code=f"{SAYS}{GO_ON}say(JobResult(7))") == 7
    assert time.monotonic() - started < LATER / 6


GARBLED = {
    "nothing like a message": 'b\'{"event": "done"}\\n\' * 9',
    "damaged": "good[:-2] + b'zz'",
    "longer than anything": "good[:4] + (2 ** 63).to_bytes(8, 'little') + good[12:]",
    "of another kind": "bytes(protocol.pack({'event': 'done'}))",
    "of no kind": "bytes(protocol.pack(None))",
    "empty": "good[:4] + bytes(8)",
    "nested without end": "good[:4] + (5000).to_bytes(8, 'little') + b'(' * 5000",
}


@pytest.mark.parametrize("frame", GARBLED.values(), ids=GARBLED)
def test_one_that_cannot_be_understood_is_ended(run: Callable[..., Any], frame: str) -> None:
    started = time.monotonic()
    code = f"{SAYS}good = bytes(protocol.pack(JobResult(1)))\nos.write(1, {frame}); time.sleep({LATER})"
    with pytest.raises(Died, match="could not be read"):
        run(FakeJob(""), code=code)
    assert time.monotonic() - started < LATER / 4


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGSTOP")
def test_a_cancel_does_not_wait_for_who_holds_the_pipe(run: Callable[..., Any]) -> None:
    """A process that is stopped before it took all of its job, and another that it started and that continues."""
    code = f"import signal; {SAYS}{GO_ON}say(JobEvent(1)); os.kill(os.getpid(), signal.SIGSTOP)"
    cancel, started = threading.Event(), time.monotonic()
    with pytest.raises(Cancelled):
        run(FakeJob("long " * 2**20), lambda _: cancel.set(), cancel, code=code)
    assert time.monotonic() - started < LATER / 6


def test_a_death_is_noticed_though_another_process_holds_the_pipe(run: Callable[..., Any]) -> None:
    started = time.monotonic()
    with pytest.raises(Died, match=r"^It ended with exit code 9\.$"):
        run(FakeJob(""), code=f"import os, subprocess, sys; {GO_ON}os._exit(9)")
    assert time.monotonic() - started < LATER / 6


def test_one_that_takes_more_memory_than_it_may_says_so_and_ends(run: Callable[..., Any]) -> None:
    limit = 90 * 2**20
    with pytest.raises(EngineError, match=f"Too much. {limit}"):
        run(FakeJob("hoard", limit))


@pytest.mark.parametrize("way", ["run out", "run out natively"])
def test_a_lack_of_memory_is_recognised(way: str) -> None:
    sent: list[JobMessage] = []
    assert HOST.run(FakeJob(way, 1234), sent.append) == 1
    assert isinstance(sent[0], JobEvent)
    assert isinstance(sent[-1], JobFailed)
    assert str(sent[-1].error) == "Too much. 1234."


def test_a_process_that_cannot_be_started_is_an_error_that_explains_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_program, "child_command", lambda host: ["/nowhere/at all"])
    with pytest.raises(WorkerStartError, match=r"could not be started.*No such file"):
        run_job(WORKER, FakeJob(""), lambda event: None, threading.Event())


def test_secrets_do_not_travel_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in child_program.TOKEN_VARIABLES:
        monkeypatch.setenv(name, "hf_secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    around = WORKER.environment()
    assert "hf_secret" not in around.values()
    assert around["HF_HUB_OFFLINE"] == "1"


@pytest.fixture
def process() -> Any:
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_program.child_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    protocol.write(process.stdin, FakeJob("wait"))
    assert isinstance(protocol.read(process.stdout), JobEvent)
    yield process
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_it_ends_with_the_application_and_not_with_its_ctrl_c(process: Any) -> None:
    if sys.platform != "win32":
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    process.stdin.close()
    assert process.wait(LATER / 4) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no nice values")
def test_it_gives_way_to_the_window(process: Any) -> None:
    assert psutil.Process(process.pid).nice() >= 5


@pytest.mark.parametrize("job", [b"no job at all", bytes(protocol.pack(5))], ids=["no message", "of another kind"])
def test_a_job_that_cannot_be_read_ends_it_with_its_own_code(job: bytes) -> None:
    done = subprocess.run(COMMAND, input=job, env=child_program.child_environment(), capture_output=True, check=False)
    assert done.returncode == protocol.EXIT_UNREADABLE


def test_how_it_ended_is_explained() -> None:
    assert "runs out of memory" in exit_reason(-9)
    assert exit_reason(out_of_memory.OUT_OF_MEMORY_EXIT_CODE, "Oh.") == "There was not enough memory."
    assert "could not read" in exit_reason(protocol.EXIT_UNREADABLE)
    assert exit_reason(66, "Oh.") == "It ended with exit code 66. Oh."
    assert exit_reason(1) == "It ended with exit code 1."
    assert exit_reason(None) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_crash_names_its_signal_where_it_has_a_name() -> None:
    assert exit_reason(-11, "Oh.") == "It crashed (SIGSEGV). Oh."
    assert exit_reason(-40) == "It crashed (signal 40)."
