"""Hands and eyes for the real application: a display of its own, the keyboard, the mouse, the screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from PIL import ImageGrab

from sdxl_desktop.core.raster import UInt8Array

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 180.0


def wait_for(what: str, found: Callable[[], T | None], *, every: float = 0.1) -> T:
    """What `found` answers as soon as it is something; asked again after so many seconds."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(every)
    raise AssertionError(f"{what} did not come within {TIMEOUT_SECONDS:.0f} s")


@contextmanager
def display() -> Iterator[str]:
    """The name of a virtual display of 1280 x 800."""
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

        try:
            yield f":{wait_for('the display', answer)}"
        finally:
            server.terminate()
            server.wait()


@contextmanager
def application(display: str, home: Path, *arguments: str) -> Iterator[WindowDriver]:
    """The application on `display`, all its files under `home`, and a driver to use it. At the end it is killed, if
    it still runs, and what it printed is shown with a test that fails."""
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(ROOT),
        "SDXL_DESKTOP_HOME": str(home),
    }
    command = [sys.executable, "-m", "sdxl_desktop", *arguments]
    with (home / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=output)
    pointer = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE, env=environment, text=True)
    driver = WindowDriver(process, pointer, environment, home)
    try:
        yield driver
    finally:
        driver.clean_up()
        print((home / "output.txt").read_text())


@dataclass
class WindowDriver:
    """Types, clicks and drags in the application's window, and looks at the screen and at what it leaves on disk."""

    process: subprocess.Popen[bytes]
    pointer: subprocess.Popen[str]
    """An xdotool that reads one command per line: a drag cannot wait for a process to start."""
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

    # keyboard and mouse

    def press_keys(self, *names: str) -> None:
        self.xdotool("key", *names)

    def type_text(self, words: str) -> None:
        self.xdotool("type", "--delay", "5", words)

    def send_pointer_command(self, *words: object) -> None:
        """A quick command of xdotool: "mousemove", "mousedown", "key"…"""
        assert self.pointer.stdin is not None
        self.pointer.stdin.write(" ".join(map(str, words)) + "\n")
        self.pointer.stdin.flush()

    def click(self, x: int, y: int) -> None:
        self.send_pointer_command("mousemove", x, y, "click", 1)

    def click_generate(self) -> None:
        """The one big button at the foot of the left column."""
        geometry = dict(
            line.split("=") for line in self.xdotool("getwindowgeometry", "--shell", self.window).splitlines()
        )
        x, y = 120, int(geometry["HEIGHT"]) - 66
        self.xdotool("mousemove", "--window", self.window, str(x), str(y), "click", "1")

    # what there is to see

    def screen(self) -> UInt8Array:
        """All of the display, uint8 [H, W, 3]."""
        return np.asarray(ImageGrab.grab(xdisplay=self.environment["DISPLAY"]).convert("RGB"))

    def engine(self) -> psutil.Process | None:
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if "--engine-host" in child.cmdline()), None)

    @property
    def recovery(self) -> Path:
        """Where the application keeps what a crash must not take."""
        return self.home / "data" / "recovery"

    def pictures(self) -> list[Path]:
        return sorted((self.home / "pictures").glob("*.png"))

    # ending

    def quit(self) -> None:
        """Close the window in order, with the keyboard."""
        self.press_keys("ctrl+q")
        assert self.process.wait(timeout=30) == 0

    def kill(self) -> float:
        """Kill the window's process; the moment on the monotonic clock. The engine ends by itself."""
        self.process.send_signal(signal.SIGSTOP)  # it does nothing more while its engine is looked for
        moment = time.monotonic()
        engine = self.engine()
        self.process.kill()
        self.process.wait()
        if engine is not None:
            _, alive = psutil.wait_procs([engine], timeout=30)
            assert not alive, "a killed window leaves no engine behind"
        return moment

    def clean_up(self) -> None:
        """Leave nothing running, whatever has happened."""
        with suppress(BrokenPipeError):
            self.pointer.communicate("mouseup 1\n", timeout=30)  # the display outlives a kill in the middle of a drag
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait()
