"""A conversion that is killed at any moment continues or starts again, and no partial checkpoint is ever visible."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from sdxl_desktop.library.convert.build_folder import WORK_FOLDER_NAME
from sdxl_desktop.library.convert.conversion_job import ConversionPhase, ConversionProgress
from sdxl_desktop.library.convert.import_plan import ImportPlan, plan_import
from sdxl_desktop.library.convert.run_import import conversion_job
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.scan import Library
from sdxl_desktop.workers import protocol
from sdxl_desktop.workers.jobs import JobEvent, JobMessage
from tests.library.conftest import MEMORY_LIMIT, NAME, recorded_events

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it forks and kills as POSIX does")


class ConversionServer:
    def __init__(self, log: IO[bytes]) -> None:
        self.log = Path(log.name)
        self._messages_file = self.log.with_suffix(".events")
        self._before = 0
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "library" / "fork_server.py"), str(self._messages_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        assert self._line() == "ready"

    def convert(self, plan: ImportPlan, weights: WeightFormat, kill_after: tuple[int, float] | None = None) -> int:
        """The exit status of a conversion, which is killed so many seconds after so many messages, if it
        comes so far."""
        assert self._process.stdin is not None
        self._before, over = self._messages_file.stat().st_size, threading.Event()
        protocol.write(self._process.stdin, conversion_job(plan, weights, MEMORY_LIMIT))
        child = int(self._line())

        def kill(messages: int, seconds: float) -> None:
            while len(self._messages()) < messages and not over.wait(0.01):
                pass
            if not over.wait(seconds):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

        killer = threading.Thread(target=kill, args=kill_after or (0, 0.0))
        if kill_after is not None:
            killer.start()
        status = int(self._line())
        over.set()
        if kill_after is not None:
            killer.join()
        return status

    def reported(self) -> list[Any]:
        """The events of the last conversion."""
        return [message.event for message in self._messages() if isinstance(message, JobEvent)]

    def _messages(self) -> list[JobMessage]:
        """The whole messages of the last conversion."""
        messages: list[JobMessage] = []
        with self._messages_file.open("rb") as reported, contextlib.suppress(EOFError):
            reported.seek(self._before)
            while True:
                messages.append(protocol.read(reported))
        return messages

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def conversion_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConversionServer]:
    with (tmp_path_factory.mktemp("conversion_server") / "log").open("wb") as log:
        made = ConversionServer(log)
        yield made
        made.end()


@pytest.mark.parametrize("kills", [1, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_at_random_moments(
    kills: int,
    conversion_server: ConversionServer,
    small_checkpoint: Path,
    imported: Callable[[str, WeightFormat], Path],
    tmp_path: Path,
) -> None:
    rng, weights = random.Random(kills), WeightFormat.INT8
    whole = imported("single", weights)
    expected, events = contents(whole), len(recorded_events(whole))
    library = Library(tmp_path / "none", tmp_path / "library")
    plan = plan_import(small_checkpoint / "single" / NAME, library.user_folder)
    killed = 0
    while killed < kills:
        status = conversion_server.convert(plan, weights, (rng.randrange(events), rng.uniform(0, 0.5)))
        assert library.checkpoints() == (), "nothing is to be seen before it is whole"
        assert {entry.name for entry in library.user_folder.iterdir()} <= {WORK_FOLDER_NAME}
        if status == 0:
            assert contents(plan.build_folder(weights).whole) == expected
            plan.build_folder(weights).discard()
        else:
            assert status == signal.SIGKILL, conversion_server.log.read_text()[-2000:]
            killed += 1
    assert conversion_server.convert(plan, weights) == 0
    assert contents(plan.build_folder(weights).whole) == expected
    _damage(plan.build_folder(weights).whole / "vae_decoder" / "openvino_model.bin")
    assert conversion_server.convert(plan, weights) == 0
    assert contents(plan.build_folder(weights).whole) == expected, "a finished part that was damaged is made again"
    steps = [event for event in conversion_server.reported() if isinstance(event, ConversionProgress)]
    assert {step.part for step in steps if step.phase is ConversionPhase.TRACING} == {"vae_decoder"}, (
        "and the others are kept"
    )
    plan.build_folder(weights).move_to(plan.destination)
    assert [entry.name for entry in library.user_folder.iterdir()] == [plan.name]
    assert verify_checkpoint(plan.destination).problems == ()


def _damage(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name. Graphs and weights must come out the same; the order of a graph's layers is its own."""
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.suffix == ".bin" else b""
        for file in folder.rglob("*")
        if file.is_file()
    }
