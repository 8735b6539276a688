"""Ctrl+C: the first is answered politely, the second ends everything, and finished pictures stay."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.engine.fake_engine import FakeEngine
from tests.unit.cli.helpers import FakeEntryPoints, run_command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
GENERATE = ("generate", "a", "--checkpoint", "mine", "-o", "out.png")


@contextmanager
def ctrl_c_when(happened: threading.Event, *, times: int = 1) -> Iterator[None]:
    def press() -> None:
        if happened.wait(20):
            for _ in range(times):
                time.sleep(0.2)
                _thread.interrupt_main(signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield
    thread.join()


class SlowEngine(FakeEngine):
    """Announces its second picture, then takes its time."""

    def __init__(self) -> None:
        super().__init__(seconds_per_step=0.05)
        self.at_second = threading.Event()

    def generate(self, request: Any, emit: Any, cancel: Any, pausing: Any = None) -> None:
        def listening(event: Any) -> None:
            emit(event)
            if isinstance(event, Progress) and event.picture == 1:
                self.at_second.set()

        super().generate(request, listening, cancel, pausing)


class UnresponsiveEngine(FakeEngine):
    """Compiles in native code that cannot be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.compiling = threading.Event()
        self.released = threading.Event()

    def generate(self, request: Any, emit: Any, cancel: Any, pausing: Any = None) -> None:
        emit(Progress(phase=Phase.COMPILING))
        self.compiling.set()
        self.released.wait(20)
        super().generate(request, emit, cancel, pausing)


def test_a_cancel_is_answered_within_a_step_and_keeps_what_is_finished(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = SlowEngine()
    with ctrl_c_when(fake_entry_points.engine.at_second):
        assert run_command(fake_entry_points, *GENERATE, "--count", "2", "--steps", "40") == 130
    captured = capsys.readouterr()
    assert captured.out == f"{work_folder / 'out.png'}\n"
    assert captured.err.endswith("Cancelled.\n")
    assert fake_entry_points.left_with == []
    assert [path.name for path in work_folder.iterdir()] == ["out.png"]


def test_a_cancelled_run_has_no_json(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = SlowEngine()
    with ctrl_c_when(fake_entry_points.engine.at_second):
        assert run_command(fake_entry_points, *GENERATE, "--count", "2", "--steps", "40", "--json") == 130
    assert capsys.readouterr().out == ""


def test_an_engine_that_does_not_respond_is_left_behind_within_a_second(
    fake_entry_points: FakeEntryPoints, work_folder: Path
) -> None:
    fake_entry_points.engine = UnresponsiveEngine()
    with ctrl_c_when(fake_entry_points.engine.compiling):
        started = time.monotonic()
        code = run_command(fake_entry_points, *GENERATE)
        took = time.monotonic() - started
    fake_entry_points.engine.released.set()
    assert code == 130
    assert fake_entry_points.left_with == [130]
    assert took < 2.0
    assert list(work_folder.iterdir()) == []


def test_the_second_ctrl_c_ends_everything(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    fake_entry_points.engine = UnresponsiveEngine()
    with ctrl_c_when(fake_entry_points.engine.compiling, times=2):
        run_command(fake_entry_points, *GENERATE)
    fake_entry_points.engine.released.set()
    assert fake_entry_points.left_with[0] == 130


def test_ctrl_c_works_as_before_afterwards(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert run_command(fake_entry_points, *GENERATE) == 0
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import sys
from tests.unit.cli.helpers import FakeEntryPoints, run_command
from tests.unit.cli.test_cancel import SlowEngine
sys.exit(run_command(FakeEntryPoints(engine=SlowEngine()), *sys.argv[1:]))
"""


def test_a_real_process_exits_with_130(work_folder: Path) -> None:
    arguments = [*GENERATE, "--count", "2", "--steps", "400"]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Denoising" in line:
            break
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in words
    assert words.endswith("Cancelled.\n")
