"""A compile cache with compiled components, and a worker process that sends what a test specifies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core import child_program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_cache import BlobOrigin, CompileCache, RuntimeVersion, openvino_version
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.library.scan import Library
from sdxl_desktop.workers import protocol

Keep = Callable[..., CompileKey]


@pytest.fixture
def checkpoint(shipped: Path, paths: AppPaths) -> Checkpoint:
    return Library(shipped, paths.checkpoints).find_checkpoint("wide")


@pytest.fixture
def store(paths: AppPaths) -> CompileCache:
    return CompileCache(paths.compiled)


@pytest.fixture
def keep(store: CompileCache, checkpoint: Checkpoint) -> Keep:
    """Adds a component as if it had been compiled, in `seconds`, by this OpenVINO or another."""

    def make(
        part: str = "unet", shape: str = "dynamic", *, device: str = "CPU", seconds: float = 2.0, stale: bool = False
    ) -> CompileKey:
        key = CompileKey("0" * 20, part, device, shape)
        now = RuntimeVersion("1.0" if stale else openvino_version(), "")
        slot = store.acquire(key, now)
        assert slot is not None
        (slot.folder / "1.blob").write_bytes(b"0" * 150_000)
        store.commit(slot, key, BlobOrigin(checkpoint.folder, derived=True), now, seconds)
        store.release(slot)
        return key

    return make


_BEGINS = """import pickle, sys, time
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.workers import protocol
from sdxl_desktop.workers.jobs import JobEvent, JobFailed, JobResult
job = protocol.read(sys.stdin.buffer)
with open({jobs!r}, "ab") as jobs:
    protocol.write(jobs, job)
say = lambda message: protocol.write(sys.stdout.buffer, message)
"""

Jobs = Callable[[], list[Any]]
WorkerSays = Callable[[str], Jobs]


@pytest.fixture
def worker_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WorkerSays:
    """Runs a Python script in place of the worker process, after it has received its job; returns the received jobs.
    The script can `say` a JobEvent, JobResult or JobFailed."""

    def be(script: str) -> Jobs:
        taken = tmp_path / "jobs"

        def command(*arguments: str) -> list[str]:
            assert arguments == (child_program.BENCHMARK_HOST,)
            return [sys.executable, "-c", _BEGINS.format(jobs=str(taken)) + script]

        monkeypatch.setattr(child_program, "child_command", command)
        return lambda: _messages(taken)

    return be


def _messages(file: Path) -> list[Any]:
    """Return the complete messages in a file."""
    messages: list[Any] = []
    with suppress(FileNotFoundError, EOFError), file.open("rb") as stream:
        while True:
            messages.append(protocol.read(stream))
    return messages
