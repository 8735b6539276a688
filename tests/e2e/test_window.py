"""The application as a person uses it: a real window on a real display, the keyboard, the mouse, the starter."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from sdxl_desktop.library.scan import read_checkpoint
from tests.e2e.window_driver import ROOT, WindowDriver, application, wait_for

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="drives an X display"),
    pytest.mark.timeout(900),
]


def native_size() -> tuple[int, int]:
    size = read_checkpoint(ROOT / "resources" / "checkpoints" / "starter").recommended.size
    return size.width, size.height


@pytest.fixture
def driver(display: str, home: Path) -> Iterator[WindowDriver]:
    with application(display, home) as running:
        yield running


def test_window_from_start_to_close(driver: WindowDriver) -> None:
    """Write, draw with the keyboard; lose the engine; draw with the mouse; close; find everything kept."""
    driver.find_window()
    engine = wait_for("the engine", driver.engine)
    driver.type_text("a red heart on a blue background")
    driver.press_keys("ctrl+Return")
    first = wait_for("the first picture", driver.pictures)[0]
    with Image.open(first) as image:
        assert image.size == native_size()
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 100
    assert "red-heart" in first.name

    engine.send_signal(signal.SIGKILL)
    psutil.wait_procs([engine], timeout=10)
    driver.click_generate()
    wait_for("the second picture", lambda: len(driver.pictures()) == 2)
    again = wait_for("the new engine", driver.engine)

    driver.quit()
    _, alive = psutil.wait_procs([again], timeout=10)
    assert not alive
    kept = json.loads((driver.home / "settings.json").read_text())["workspace"]
    assert kept["prompts"]["prompt"] == "a red heart on a blue background"
