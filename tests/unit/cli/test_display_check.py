"""Whether a window can be opened is known before Qt could abort the process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdxl_desktop.cli.display_check import NO_DISPLAY, why_no_window

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
NEVER = ["false"]
ALWAYS = ["true"]


def test_no_display_is_known_without_asking() -> None:
    assert why_no_window(ALWAYS, {}) == NO_DISPLAY


@pytest.mark.parametrize("platform", ["offscreen", "minimal", "vnc:size=800x600", "offscreen:configfile=x"])
def test_a_platform_without_a_display_needs_none(platform: str) -> None:
    assert why_no_window(NEVER, {"QT_QPA_PLATFORM": platform}) == ""


def test_choosing_xcb_by_hand_still_needs_a_display() -> None:
    assert why_no_window(ALWAYS, {"QT_QPA_PLATFORM": "xcb"}) == NO_DISPLAY


def test_a_display_that_nobody_serves_is_named() -> None:
    assert ":6789" in why_no_window(ALWAYS, {"DISPLAY": ":6789"})


def test_wayland_is_tried_by_a_child() -> None:
    assert why_no_window(ALWAYS, {"WAYLAND_DISPLAY": "wayland-0"}) == ""
    assert why_no_window(NEVER, {"WAYLAND_DISPLAY": "wayland-0"}) == "the display cannot be used"
    assert why_no_window(["/no/such/program"], {"WAYLAND_DISPLAY": "w"}) == "the display does not answer"


def test_a_dead_x_display_does_not_hide_a_living_wayland() -> None:
    assert why_no_window(ALWAYS, {"DISPLAY": ":6789", "WAYLAND_DISPLAY": "wayland-0"}) == ""


@pytest.fixture
def x_display() -> Iterator[str]:
    """A real X server of its own."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    with tempfile.TemporaryFile("w+") as number:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(number.fileno()), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
            pass_fds=[number.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(200):
                number.seek(0)
                if (text := number.read()).endswith("\n"):
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    server.wait(0.05)
            yield f":{text.strip()}"
        finally:
            server.terminate()
            server.wait()


def test_a_real_display_is_recognised_without_a_child(x_display: str) -> None:
    assert why_no_window(NEVER, {"DISPLAY": x_display}) == ""


def test_asking_does_not_make_the_server_start_again(x_display: str) -> None:
    """A server is gone for a moment after its last client has left; Qt would abort then. So the asker stays."""
    count = "len([fd for fd in os.listdir('/proc/self/fd') if 'socket' in os.path.realpath(f'/proc/self/fd/{fd}')])"
    ask = "import os; from sdxl_desktop.cli.display_check import why_no_window; "
    ask += f"before = {count}; why_no_window(['false'])"
    environment = {**os.environ, "DISPLAY": x_display, "QT_QPA_PLATFORM": "xcb"}
    done = subprocess.run(
        [sys.executable, "-c", f"{ask}; assert {count} == before + 1"], env=environment, check=False, timeout=60
    )
    assert done.returncode == 0


def test_a_server_that_is_none_is_recognised(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        server.close()
        assert why_no_window(ALWAYS, {"DISPLAY": f"127.0.0.1:{number}"}) != ""
