"""The program starts at once: nothing heavy is loaded before it is needed, and each mode starts as it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdxl_desktop import __version__
from tests.unit.metadata.foreign_samples import SAMPLES

HEAVY = ("PySide6", "torch", "diffusers", "transformers", "optimum", "openvino", "scipy")
REPORT = """
import json, sys
from sdxl_desktop.main import main
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
loaded = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps([codes, loaded]), file=sys.stderr)
"""


def start(*arguments: str, **environment: str | None) -> tuple[int, list[str], str]:
    """Exit code, the heavy packages loaded, and standard output of a start with `arguments`."""
    codes, loaded, message = start_each([arguments], **environment)
    return codes[0], loaded, message


def start_each(several: Sequence[Sequence[str]], **environment: str | None) -> tuple[list[int], list[str], str]:
    """The same of one process that starts with each of several arguments, one after the other."""
    settled = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", REPORT, json.dumps(several)],
        env={name: value for name, value in settled.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    codes, loaded = json.loads(done.stderr.splitlines()[-1])
    return codes, [name for name in loaded if name in HEAVY], done.stdout


NO_DISPLAY = {"DISPLAY": None, "WAYLAND_DISPLAY": None, "QT_QPA_PLATFORM": None}


def test_nothing_heavy_is_loaded_for_a_word() -> None:
    asked = [["--version"], ["--help"], ["generate", "a", "--steps", "0"], ["no-such-file"]]
    assert start_each(asked)[:2] == ([0, 0, 2, 2], [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_without_a_display_it_ends_with_a_message_before_qt_is_loaded() -> None:
    assert start(**NO_DISPLAY)[:2] == (1, [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_a_display_that_nobody_serves_does_not_abort_it() -> None:
    assert start(**{**NO_DISPLAY, "DISPLAY": ":6789"})[:2] == (1, [])


def test_devices_are_listed_without_torch() -> None:
    code, loaded, words = start("devices", "--json")
    assert code == 0
    assert loaded == ["openvino"]
    assert "CPU" in [device["name"] for device in json.loads(words)["devices"]]


def test_a_missing_device_is_answered_without_torch() -> None:
    code, loaded, _ = start("generate", "a", "--checkpoint", "starter", "--device", "TPU")
    assert code == 2
    assert "torch" not in loaded


def test_python_m_is_the_same_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdxl_desktop", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"SDXL Desktop {__version__}\n"


def test_the_display_probe_ends_well_where_qt_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdxl_desktop", "--probe-display"],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


def test_nothing_heavy_is_loaded_to_say_how_a_picture_was_made(home: Path, tmp_path: Path) -> None:
    """In a new process, in which Pillow has loaded no format yet."""
    sample = SAMPLES["a1111-jpeg"]
    sample.write(tmp_path / "p.jpg")
    code, loaded, said = start("inspect", str(tmp_path / "p.jpg"))
    assert (code, loaded) == (0, [])
    assert "AUTOMATIC1111 1.10.1" in said
