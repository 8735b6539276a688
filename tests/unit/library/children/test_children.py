"""A job in a process of its own is heard to its last word, can be stopped at any moment, and never outlives anyone."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from sdxl_desktop.core import program
from sdxl_desktop.core.errors import CheckpointError, EngineError, SdxlDesktopError
from sdxl_desktop.library.children.parent import Child, converse, why_it_died
from sdxl_desktop.library.children.words import Done, JobProgress, passing_on
from tests.unit.library.children import pretended
from tests.unit.library.children.pretended import LATER, Job

COMMAND = [sys.executable, "-m", "tests.unit.library.children.pretended"]


class Stopped(SdxlDesktopError):
    """The person stopped it."""


class Died(SdxlDesktopError):
    """It ended without a last word."""


CHILD = Child(host="--pretended", stopped=lambda: Stopped("Stopped."), died=lambda code, said: Died(f"{code} {said}"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Has a pretended child, or the Python code that is given, do a job; what it tells goes to `emit`."""

    def run(
        job: Job, emit: Callable[[Any], None] = lambda progress: None, cancel: Any = None, code: str | None = None
    ) -> Any:
        command = COMMAND if code is None else [sys.executable, "-c", code]
        monkeypatch.setattr(program, "command", lambda host: command)
        return converse(CHILD, job.line(), passing_on(pretended.read_line, emit), cancel or threading.Event())

    return run


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_everything_is_heard_and_nothing_that_libraries_print(run: Callable[..., Any]) -> None:
    told: list[JobProgress[Any]] = []
    assert isinstance(run(Job("chatter"), told.append), Done)
    assert [(progress.part, progress.fraction) for progress in told] == [("é", 0.0), ("", 1.0)]


def test_an_error_crosses_with_its_kind_and_words(run: Callable[..., Any]) -> None:
    with pytest.raises(CheckpointError) as raised:
        run(Job("explain"))
    assert str(raised.value) == "It is not one. Look at it. Take another."
    with pytest.raises(EngineError, match=r"^Failed. ValueError: first line\.$"):
        run(Job("fail"))


def test_a_cancel_kills_it_at_once(run: Callable[..., Any]) -> None:
    cancel, pids, started = threading.Event(), [], time.monotonic()

    def stop(progress: JobProgress[Any]) -> None:
        pids.append(progress.done)
        cancel.set()

    with pytest.raises(Stopped):
        run(Job("wait"), stop, cancel)
    assert gone(pids[0])
    assert time.monotonic() - started < LATER / 4


def test_who_stops_it_as_it_fails_is_told_that_it_was_stopped(run: Callable[..., Any]) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Stopped):
        run(Job("explain"), cancel=cancel)


def test_one_that_is_deaf_is_ended_when_its_progress_cannot_be_told(run: Callable[..., Any]) -> None:
    pids = []
    code = f"""import os, time
print('{{"event": "progress", "stage": "working", "done": %d}}' % os.getpid(), flush=True)
time.sleep({LATER})"""

    def fail(progress: JobProgress[Any]) -> None:
        pids.append(progress.done)
        raise KeyError("a bug")

    started = time.monotonic()
    with pytest.raises(KeyError):
        run(Job("wait"), fail, code=code)
    assert gone(pids[0])
    assert time.monotonic() - started < LATER / 4


def test_one_that_dies_leaves_its_exit_code_and_last_line(run: Callable[..., Any]) -> None:
    with pytest.raises(Died, match=r"^3 last words$"):
        run(Job("die"))


def test_half_a_word_is_no_word(run: Callable[..., Any]) -> None:
    with pytest.raises(Died, match=r"^4 $"):
        run(Job(""), code="""import os; os.write(1, b'{"event": "do'); os._exit(4)""")


def test_a_job_that_nobody_takes_is_a_death_like_any_other(run: Callable[..., Any]) -> None:
    with pytest.raises(Died, match=r"^5 $"):
        run(Job("long " * 2**20), code="import os; os._exit(5)")


def test_its_last_word_is_enough_though_another_process_holds_the_pipe(run: Callable[..., Any]) -> None:
    code = (
        "import subprocess, sys; sys.stdin.readline();"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({LATER / 4})']);"
        """print('{"event": "done"}', flush=True)"""
    )
    started = time.monotonic()
    assert isinstance(run(Job(""), code=code), Done)
    assert time.monotonic() - started < LATER / 6


GO_ON = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({LATER / 4})'])"
"""Python for a child: start a process that holds its pipes."""


@pytest.mark.parametrize(
    "said", ["no JSON", "{", '{"event": "progress"}', '["done"]', "null", "[" * 5000, '{"event": "error", "kind": 1}']
)
def test_one_that_cannot_be_understood_is_ended(run: Callable[..., Any], said: str) -> None:
    started = time.monotonic()
    with pytest.raises(Died, match="could not be read"):
        run(Job(""), code=f"import time; print({said!r}, flush=True); time.sleep({LATER})")
    assert time.monotonic() - started < LATER / 4


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGSTOP")
def test_a_cancel_does_not_wait_for_who_holds_the_pipe(run: Callable[..., Any]) -> None:
    """A process that is stopped before it took all of its job, and another that it started and that goes on."""
    progress = '{"event": "progress", "stage": "working"}'
    code = f"import os, signal, subprocess, sys; {GO_ON}; print('{progress}', flush=True)"
    code += "; os.kill(os.getpid(), signal.SIGSTOP)"
    cancel, started = threading.Event(), time.monotonic()
    with pytest.raises(Stopped):
        run(Job("long " * 2**20), lambda _: cancel.set(), cancel, code=code)
    assert time.monotonic() - started < LATER / 6


def test_a_death_is_noticed_though_another_process_holds_the_pipe(run: Callable[..., Any]) -> None:
    started = time.monotonic()
    with pytest.raises(Died, match=r"^9 $"):
        run(Job(""), code=f"import os, subprocess, sys; {GO_ON}; os._exit(9)")
    assert time.monotonic() - started < LATER / 6


def test_one_that_takes_more_memory_than_it_may_says_so_and_ends(run: Callable[..., Any]) -> None:
    limit = 90 * 2**20
    with pytest.raises(EngineError, match=f"Too much. {limit}"):
        run(Job("hoard", limit))
    out = io.BytesIO()
    assert pretended.HOST.do(Job("run out", limit), out) == 1
    assert str(limit).encode() in out.getvalue().splitlines()[-1]


@pytest.fixture
def process() -> Any:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=program.environment()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(Job("wait").line() + b"\n")
    process.stdin.flush()
    assert process.stdout.readline()
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


def test_a_kill_from_outside_is_told_as_what_it_usually_is() -> None:
    assert "runs out of memory" in why_it_died(-9, "")
    assert why_it_died(66, "Oh.") == "It ended with exit code 66. Oh."
    assert why_it_died(1, "") == "It ended with exit code 1."
