"""The application as a person uses it: a real window on a real display, the keyboard, the mouse, the starter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from PIL import Image

from sdxl_desktop.library.scan import read_checkpoint

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PATIENCE = 180.0

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="drives an X display"),
    pytest.mark.timeout(900),
]


def wait_for(what: str, found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {PATIENCE:.0f} s")


def native_size() -> tuple[int, int]:
    size = read_checkpoint(ROOT / "resources" / "checkpoints" / "starter").recommended.size
    return size.width, size.height


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    for tool in ("Xvfb", "xdotool"):
        assert shutil.which(tool), f"{tool} is needed: install the Debian packages that .ci/run names"
    with tempfile.TemporaryFile("w+") as number:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(number.fileno()), "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=[number.fileno()],
            stderr=subprocess.DEVNULL,
        )

        def answer() -> str:
            number.seek(0)
            return number.read().strip()

        yield f":{wait_for('the display', answer)}"
        server.terminate()
        server.wait()


@dataclass
class Hands:
    """Types and clicks in the application's window, and looks at what it leaves on disk."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    home: Path
    window: str = ""

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def find_window(self) -> None:
        def visible() -> str:
            return self.xdotool("search", "--onlyvisible", "--pid", str(self.process.pid), "--name", "SDXL Desktop")

        self.window = wait_for("the window", visible).splitlines()[0]
        self.xdotool("windowmove", self.window, "0", "0")
        self.xdotool("windowfocus", "--sync", self.window)

    def keys(self, *names: str) -> None:
        self.xdotool("key", *names)

    def click_generate(self) -> None:
        """The one big button at the foot of the left column."""
        geometry = dict(
            line.split("=") for line in self.xdotool("getwindowgeometry", "--shell", self.window).splitlines()
        )
        x, y = 120, int(geometry["HEIGHT"]) - 66
        self.xdotool("mousemove", "--window", self.window, str(x), str(y), "click", "1")

    def engine(self) -> psutil.Process | None:
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if "--engine-host" in child.cmdline()), None)

    def pictures(self) -> list[Path]:
        return sorted((self.home / "pictures").glob("*.png"))


@pytest.fixture
def hands(display: str, home: Path) -> Iterator[Hands]:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
    with (home / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sdxl_desktop"], cwd=home, env=environment, stdout=output, stderr=output
        )
        driver = Hands(process, environment, home)
        yield driver
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
            child.kill()
        process.kill()
        process.wait()
    print((home / "output.txt").read_text())


def test_a_sitting(hands: Hands) -> None:
    """Write, draw with the keyboard; lose the engine; draw with the mouse; close; find everything kept."""
    hands.find_window()
    engine = wait_for("the engine", hands.engine)
    hands.xdotool("type", "--delay", "5", "a red heart on a blue background")
    hands.keys("ctrl+Return")
    first = wait_for("the first picture", hands.pictures)[0]
    with Image.open(first) as image:
        assert image.size == native_size()
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 100
    assert "red-heart" in first.name

    engine.send_signal(signal.SIGKILL)
    psutil.wait_procs([engine], timeout=10)
    hands.click_generate()
    wait_for("the second picture", lambda: len(hands.pictures()) == 2)
    again = wait_for("the new engine", hands.engine)

    hands.keys("ctrl+q")
    assert hands.process.wait(timeout=30) == 0
    _, alive = psutil.wait_procs([again], timeout=10)
    assert not alive
    kept = json.loads((hands.home / "settings.json").read_text())["workspace"]
    assert kept["prompts"]["prompt"] == "a red heart on a blue background"


def test_killing_the_window_leaves_no_process(hands: Hands) -> None:
    hands.find_window()
    engine = wait_for("the engine", hands.engine)
    hands.xdotool("type", "--delay", "5", "a cat")
    hands.keys("ctrl+Return")
    hands.process.kill()
    hands.process.wait()
    _, alive = psutil.wait_procs([engine], timeout=30)
    assert not alive
