"""Whatever stands in a file that something is remembered in, nothing is raised and what is good is used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sdxl_desktop.core.lenient_decoding import to_builtins
from sdxl_desktop.core.request import Execution, Sampling
from sdxl_desktop.core.settings import Settings
from sdxl_desktop.engine.compile_key import CompileKey, CompileTimes
from sdxl_desktop.engine.device_times import read_timings
from sdxl_desktop.library.known_checkpoints import KNOWN_CHECKPOINTS_FILE as REMEMBERED
from sdxl_desktop.library.known_checkpoints import read_known_checkpoints
from sdxl_desktop.session.job_store import JobStore
from sdxl_desktop.session.library_state import ImportJobSpec, LibraryState
from sdxl_desktop.session.recent_files import RecentFiles
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.session.timing_history import TimingHistory
from tests.mutations import DEFAULT, MANY, mutations

KEY = CompileKey("content", "unet", "CPU")
SAMPLES: dict[str, bytes] = {
    "settings": json.dumps(to_builtins(Settings())).encode(),
    "library": b'{"welcome_dismissed": true, "used": {"/a": 1.5}, "jobs": [{"what": "x", "name": "n", "title": "t"}]}',
    "jobs": b'[{"checkpoint": "/a", "name": "n", "title": "t"}]',
    "recent": b'["/a/b.png", "/c.sdxld"]',
    "paces": b'{"x|CPU:auto|guided|exact": [{"width": 64, "height": 64, "step": 0.5, "beside": 1.0}]}',
    "times": json.dumps({str(KEY): 2.5}).encode(),
    "table": b'{"checkpoint": "x", "size": "64x64", "precision": "auto", "rows": [{"part": "unet", "device": "CPU"}]}',
    "remembered": b'[{"name": "a", "title": "A"}]',
}


def expected(file: Path) -> object:
    return TimingHistory(file).expected_seconds(Path("x"), Execution(), Sampling(), Sampling().size)


READERS: dict[str, Callable[[Path], object]] = {
    "settings": lambda file: SettingsStore(file).load(),
    "library": lambda file: LibraryState(file).jobs(),
    "jobs": lambda file: JobStore(LibraryState(file.with_name("library.json"))).saved_jobs(),
    "recent": lambda file: RecentFiles(file).existing_paths(),
    "paces": expected,
    "times": lambda file: CompileTimes(file).expected_seconds(KEY),
    "table": read_timings,
    "remembered": lambda file: read_known_checkpoints(file.parent),
}
NAMES = {"jobs": "quantizations.json", "remembered": REMEMBERED}


def file_of(reader: str, folder: Path) -> Path:
    return folder / NAMES.get(reader, "file.json")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_files_raise_nothing(reader: str, count: int, tmp_path: Path) -> None:
    file = file_of(reader, tmp_path)
    for content in mutations([SAMPLES[reader]], count):
        file.write_bytes(content)
        READERS[reader](file)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_meant_to_harm_raises_nothing(reader: str, tmp_path: Path) -> None:
    file = file_of(reader, tmp_path)
    deep = b"[" * 100_000 + b"]" * 100_000
    for content in (b"", deep, b'{"a":' * 100_000, b"1" * 5000, b'"' + b"x" * 10**6, b"\xff" * 100, b"[NaN, 1e999]"):
        file.write_bytes(content)
        READERS[reader](file)


@pytest.mark.skipif(os.name != "posix", reason="named pipes are Unix's")
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_not_waited_for(reader: str, tmp_path: Path) -> None:
    file = file_of(reader, tmp_path)
    os.mkfifo(file)
    READERS[reader](file)
    if os.path.lexists(file):
        file.unlink()
    file.symlink_to("/dev/zero")
    READERS[reader](file)


def test_one_bad_entry_costs_one_entry(tmp_path: Path) -> None:
    file = tmp_path / "library.json"
    good = {"what": "x", "name": "good", "title": "t"}
    file.write_text(json.dumps({"jobs": [5, good, {"name": "half"}], "used": {"/a": "never", "/b": 2.5}, "more": 1}))
    memory = LibraryState(file)
    assert [job.name for job in memory.jobs()] == ["good"]
    assert memory.last_used(Path("/b")) == 2.5
    memory.save_job(ImportJobSpec(what="y", name="new", title="t"))
    held = json.loads(file.read_text(encoding="utf-8"))
    assert [job["name"] for job in held["jobs"]] == ["good", "new"]
    assert held["more"] == 1, "what only a newer version knows is kept"


def test_windows_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    memory = LibraryState(tmp_path / "library.json")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: LibraryState(memory.file).record_use(Path(f"/checkpoint {n}"), n + 1.0), range(24)))
    assert [memory.last_used(Path(f"/checkpoint {n}")) for n in range(24)] == [n + 1.0 for n in range(24)]


@pytest.mark.skipif(os.name != "posix", reason="such names are Unix's")
def test_recent_files_need_not_have_names_that_are_text(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes(b"")
    recent = RecentFiles(tmp_path / "recent.json")
    recent.add(odd)
    assert recent.existing_paths() == (odd,)
