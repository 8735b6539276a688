"""`cache` lists the compiled models, prunes them by the user's quota and clears them, as text and JSON."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_cache import BlobOrigin, CacheSlot, CompileCache, RuntimeVersion, openvino_version
from sdxl_desktop.engine.compile_key import CompileKey, content_id
from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command

MB = 10**6


@pytest.fixture
def store(home: Path) -> CompileCache:
    return CompileCache(AppPaths.from_environment().compiled)


@pytest.fixture
def mine(home: Path) -> Path:
    return own_checkpoint(home)


def keep(store: CompileCache, checkpoint: Path, shape: str, *, size: int, age: float, openvino: str = "") -> CacheSlot:
    runtime = RuntimeVersion(openvino or openvino_version(), "A processor")
    key = CompileKey(content_id(checkpoint / "unet"), "unet", "CPU", shape)
    slot = store.acquire(key, runtime)
    assert slot is not None
    with (slot.folder / "1.blob").open("wb") as blob:
        blob.truncate(size)
    store.commit(slot, key, BlobOrigin(checkpoint), runtime, 12.5)
    store.release(slot)
    os.utime(slot.folder / "card.json", (time.time() - age,) * 2)
    return slot


def answer(entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run_command(entry_points, "cache", *arguments, "--json") == 0
    reported: dict[str, object] = json.loads(capsys.readouterr().out)
    return reported


def test_list(
    fake_entry_points: FakeEntryPoints, store: CompileCache, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, mine, "dynamic", size=3 * MB, age=7300)
    keep(store, mine, "1x4x64x64", size=1000 * MB, age=5)
    keep(store, mine, "old", size=MB, age=3 * 86400, openvino="2020.1")
    reported = answer(fake_entry_points, capsys, "list")
    entries = reported["entries"]
    assert isinstance(entries, list)
    assert [entry["shape"] for entry in entries] == ["1x4x64x64", "dynamic", "old"]
    assert entries[1]["checkpoints"] == ["mine"]
    assert entries[1]["part"] == "unet"
    assert entries[1]["device"] == "CPU"
    assert entries[1]["precisions"] == ["auto"]
    assert entries[1]["compile_seconds"] == 12.5
    assert 3 * MB < entries[1]["bytes"] < 4 * MB
    assert [entry["stale"] for entry in entries] == [None, None, "other-runtime"]
    assert reported["quota"] == 20_000 * MB
    assert run_command(fake_entry_points, "cache", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["CHECKPOINT", "PART"]
    assert "1.0 GB" in lines[1]
    assert "just now" in lines[1]
    assert "2 hours ago" in lines[2]
    assert "12.5 s" in lines[2]
    assert "stale: made by another OpenVINO" in lines[3]
    assert lines[4].startswith("1.0 GB of 20.0 GB are taken")
    assert fake_entry_points.opened == [], "listing wakes no engine and no OpenVINO"


def test_an_empty_list(fake_entry_points: FakeEntryPoints, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "cache", "list") == 0
    assert capsys.readouterr().out.startswith("0.0 kB of 20.0 GB are taken")


def test_prune_removes_what_is_stale_then_what_is_beyond_the_quota(
    fake_entry_points: FakeEntryPoints, store: CompileCache, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, mine, "old", size=MB, age=1, openvino="2020.1")
    used = keep(store, mine, "dynamic", size=600 * MB, age=5)
    keep(store, mine, "1x4x64x64", size=600 * MB, age=50)
    assert run_command(fake_entry_points, "cache", "prune") == 0
    message = capsys.readouterr().out
    assert "Removed unet of mine, 1.0 MB: made by another OpenVINO or driver." in message
    assert "2 kept" in message
    reported = answer(fake_entry_points, capsys, "prune", "--quota", "1")
    assert [entry["shape"] for entry in reported["removed"]] == ["1x4x64x64"]  # type: ignore[attr-defined]
    assert used.folder.exists()
    assert run_command(fake_entry_points, "cache", "prune", "--quota", "-1") == 2


def test_prune_goes_by_the_settings_and_by_the_library(
    fake_entry_points: FakeEntryPoints, home: Path, store: CompileCache, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, mine, "dynamic", size=MB, age=5)
    mine.rename(mine.with_name("renamed"))
    assert answer(fake_entry_points, capsys, "prune")["removed"] == [], "the library still has its weights"
    (mine.with_name("renamed") / "unet" / "openvino_model.bin").write_bytes(b"changed")
    assert [entry["stale"] for entry in answer(fake_entry_points, capsys, "prune")["removed"]] == ["no-weights"]  # type: ignore[attr-defined]
    (mine.with_name("renamed")).rename(mine)
    keep(store, mine, "dynamic", size=MB, age=5)
    AppPaths.from_environment().settings_file.write_text('{"preferences": {"compiled_quota_gb": 0}}')
    assert len(answer(fake_entry_points, capsys, "prune")["removed"]) == 1  # type: ignore[arg-type]


def test_clear_leaves_what_an_engine_uses(
    fake_entry_points: FakeEntryPoints, store: CompileCache, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, mine, "dynamic", size=MB, age=5)
    held = store.acquire(CompileKey("0" * 20, "vae_decoder", "CPU"), RuntimeVersion(openvino_version(), ""))
    assert held is not None
    assert run_command(fake_entry_points, "cache", "clear") == 0
    message = capsys.readouterr().out
    assert "1.0 MB are free again; 1 kept, 1 of them in use" in message
    assert held.folder.exists()
    store.release(held)
    assert answer(fake_entry_points, capsys, "clear")["left"] == 0
    assert run_command(fake_entry_points, "cache", "clear") == 0
    assert "Nothing to remove; 0 kept" in capsys.readouterr().out
