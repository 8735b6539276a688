"""A conversion that is killed at any moment goes on or starts again, and no half checkpoint is ever to be seen."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from sdxl_desktop.library.convert.plan import ImportPlan, plan_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import HIDDEN
from sdxl_desktop.library.records import verify
from sdxl_desktop.library.scan import Library
from tests.library.conftest import NAME, ROOM

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it forks and kills as POSIX does")


class Zygote:
    def __init__(self, log: IO[str]) -> None:
        self.log = Path(log.name)
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "library" / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            text=True,
        )
        assert self._line() == "ready"

    def convert(self, plan: ImportPlan, weights: WeightFormat, kill_after: float | None = None) -> tuple[int, float]:
        """(exit status, seconds) of a conversion that is killed after that many seconds, if it takes so long."""
        job = {
            "path": str(plan.path),
            "title": plan.name,
            "weights": weights.value,
            "home": str(plan.home),
            "key": plan.workspace(weights).folder.name,
            "memory_limit": ROOM,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        child, started = int(self._line()), time.monotonic()
        killer = threading.Timer(kill_after or 1000, os.kill, (child, signal.SIGKILL))
        if kill_after is not None:
            killer.start()
        status = int(self._line())
        killer.cancel()
        return status, time.monotonic() - started

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with (tmp_path_factory.mktemp("zygote") / "log").open("w") as log:
        made = Zygote(log)
        yield made
        made.end()


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_at_random_moments(kills: int, zygote: Zygote, small: Path, tmp_path: Path) -> None:
    chance, weights = random.Random(kills), WeightFormat.INT8
    library = Library(tmp_path / "none", tmp_path / "library")
    plan = plan_import(small / "single" / NAME, library.own)
    status, seconds = zygote.convert(plan, weights)
    assert status == 0
    expected = contents(plan.workspace(weights).whole)
    plan.workspace(weights).discard()
    killed = 0
    while killed < kills:
        status, _ = zygote.convert(plan, weights, chance.uniform(0, seconds))
        assert library.checkpoints() == (), "nothing is to be seen before it is whole"
        assert {entry.name for entry in library.own.iterdir()} <= {HIDDEN}
        if status == 0:
            assert contents(plan.workspace(weights).whole) == expected
            plan.workspace(weights).discard()
        else:
            assert status == signal.SIGKILL, zygote.log.read_text()[-2000:]
            killed += 1
    assert zygote.convert(plan, weights)[0] == 0
    assert contents(plan.workspace(weights).whole) == expected
    plan.workspace(weights).move_to(plan.destination)
    assert [entry.name for entry in library.own.iterdir()] == [plan.name]
    assert verify(plan.destination).problems == ()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name. Graphs and weights must come out the same; the order of a graph's layers is its own."""
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.suffix == ".bin" else b""
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_finished_part_that_was_damaged_is_made_again(zygote: Zygote, small: Path, tmp_path: Path) -> None:
    weights = WeightFormat.FP32
    plan = plan_import(small / "single" / NAME, tmp_path / "library")
    assert zygote.convert(plan, weights)[0] == 0
    whole = plan.workspace(weights).whole
    expected = contents(whole)
    file = whole / "vae_decoder" / "openvino_model.bin"
    file.write_bytes(bytes(file.stat().st_size))
    assert zygote.convert(plan, weights)[0] == 0
    assert contents(whole) == expected
