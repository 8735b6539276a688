"""When the display goes while the window is open, the program ends in order and leaves no process behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")


def test_losing_the_display_is_no_crash(tmp_path: Path) -> None:
    with (tmp_path / "number").open("w+") as number, (tmp_path / "message").open("w+") as message:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(number.fileno()), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
            pass_fds=[number.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: (tmp_path / "number").read_text().endswith("\n"))
            around = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"}
            around |= {"DISPLAY": f":{(tmp_path / 'number').read_text().strip()}", "PYTHONPATH": str(ROOT)}
            window = subprocess.Popen(
                [sys.executable, "-m", "sdxl_desktop"], env=around, stdout=message, stderr=message
            )
            wait_for(lambda: bool(psutil.Process(window.pid).children()))  # its engine comes after the window
            children = psutil.Process(window.pid).children()
        finally:
            server.kill()
            server.wait()
        assert window.wait(60) == 1, (tmp_path / "message").read_text()
        assert not psutil.wait_procs(children, timeout=20)[1]
    assert "The display was lost" in (tmp_path / "message").read_text()


def wait_for(happened: Callable[[], bool]) -> None:
    """Until it has, which must not take a minute."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)
