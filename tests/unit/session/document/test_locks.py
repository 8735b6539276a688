"""A lock of a living process keeps others out; one of a process that ended, however it ended, does not."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdxl_desktop.session.document.file_lock import FileLock

HOLD = """
import sys
from pathlib import Path
from sdxl_desktop.session.document.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held" if lock.acquire() else "not", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds `a.lock`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_killed_process_lets_go(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    assert not lock.acquire()
    holder.kill()
    holder.wait()
    assert lock.acquire()
    lock.release(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_one_holds_it_and_any_thread_lets_go(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert first.acquire()
    assert not second.acquire()
    other = threading.Thread(target=first.release)
    other.start()
    other.join()
    assert second.acquire()
    second.release()
    second.release()
    assert first.acquire()
    first.release(remove=True)


def test_a_file_that_its_holder_removed_holds_nothing(tmp_path: Path) -> None:
    first, second, third = (FileLock(tmp_path / "a.lock") for _ in range(3))
    assert first.acquire()
    assert not second.acquire()
    first.release(remove=True)
    assert second.acquire()
    assert not third.acquire()
    second.release(remove=True)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX'")
def test_only_the_user_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.touch(mode=0o644)
    lock = FileLock(path)
    assert lock.acquire()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.release(remove=True)
