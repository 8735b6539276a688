"""A store with compiled parts in it, and a child process that says what a test wants."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.compiled_store import CompiledStore, Origin, Runtime, openvino_version
from sdxl_desktop.library.scan import Library
from sdxl_desktop.ui.devices import child

Keep = Callable[..., CompileKey]


@pytest.fixture
def checkpoint(shipped: Path, paths: AppPaths) -> Checkpoint:
    return Library(shipped, paths.checkpoints).find("wide")


@pytest.fixture
def store(paths: AppPaths) -> CompiledStore:
    return CompiledStore(paths.compiled)


@pytest.fixture
def keep(store: CompiledStore, checkpoint: Checkpoint) -> Keep:
    """Keeps a part as if it had been compiled, in `seconds`, by this OpenVINO or another."""

    def make(
        part: str = "unet", shape: str = "dynamic", *, device: str = "CPU", seconds: float = 2.0, stale: bool = False
    ) -> CompileKey:
        key = CompileKey("0" * 20, part, device, shape)
        now = Runtime("1.0" if stale else openvino_version(), "")
        slot = store.take(key, now)
        assert slot is not None
        (slot.folder / "1.blob").write_bytes(b"0" * 150_000)
        store.keep(slot, key, Origin(checkpoint.folder, derived=True), now, seconds)
        store.release(slot)
        return key

    return make


@pytest.fixture
def child_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[list[str]]]:
    """Runs a piece of Python where this program would be started; gives the arguments of every start."""

    def be(script: str) -> list[list[str]]:
        starts: list[list[str]] = []

        def command(*arguments: str) -> list[str]:
            starts.append(list(arguments))
            return [sys.executable, "-c", script, *arguments]

        monkeypatch.setattr(child, "command", command)
        return starts

    return be
