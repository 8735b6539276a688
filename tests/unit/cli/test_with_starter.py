"""The command line for real, in processes of its own: the starter checkpoint, torch and OpenVINO, no fakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from sdxl_desktop.metadata.picture_files import read_record

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "sdxl_desktop"]


@pytest.fixture
def terminal(tmp_path: Path) -> dict[str, object]:
    """How a process is started in a terminal without a display."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return {"cwd": tmp_path, "env": {**environment, "PYTHONPATH": str(ROOT)}, "text": True}


def is_red_on_blue(image: Image.Image) -> bool:
    """Red in the middle, blue in all four corners, as the mean of a patch each."""
    side = image.width // 8
    corners = [(0, 0), (image.width - side, 0), (0, image.height - side), (image.width - side, image.height - side)]
    middle = ((image.width - side) // 2, (image.height - side) // 2)

    def mean(place: tuple[int, int]) -> list[float]:
        x, y = place
        return ImageStat.Stat(image.crop((x, y, x + side, y + side))).mean

    return mean(middle)[0] > mean(middle)[2] and all(mean(corner)[2] > mean(corner)[0] for corner in corners)


def test_the_first_command_of_the_readme_draws_without_a_display(tmp_path: Path, terminal: dict[str, object]) -> None:
    done = subprocess.run(  # type: ignore[call-overload]
        [*PROGRAM, "--prompt", "a red heart on a blue background"], capture_output=True, timeout=200, **terminal
    )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.png")
    assert done.stdout == f"{file}\n"
    assert "no display" in done.stderr.splitlines()[0]
    assert "Multiple distributions" not in done.stderr
    with Image.open(file) as image:
        assert is_red_on_blue(image), "it shows what was asked for"
    record = read_record(file)
    assert record is not None
    assert record.request.prompts.prompt == "a red heart on a blue background"


@pytest.mark.slow
def test_json_is_exactly_one_object_and_the_rest_is_elsewhere(tmp_path: Path, terminal: dict[str, object]) -> None:
    arguments = ["a fish", "-o", "fish.png", "--steps", "2", "--seed", "5", "--count", "2", "--json"]
    done = subprocess.run(  # type: ignore[call-overload]
        [*PROGRAM, "generate", *arguments], capture_output=True, timeout=200, **terminal
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["images"] == [str(tmp_path / "fish.png"), str(tmp_path / "fish-2.png")]
    assert report["seeds"] == report["request"]["seeds"] == [5, 6]
    assert report["devices"]["unet"] == "CPU"
    assert set(report["seconds"]) == {"load", "compile", "encode", "denoise", "decode"}
    assert report["seconds"]["denoise"] > 0
    assert "Multiple distributions" not in done.stderr
    assert "Loading the checkpoint" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_while_torch_loads_is_answered_within_a_second(tmp_path: Path, terminal: dict[str, object]) -> None:
    process = subprocess.Popen(  # type: ignore[call-overload]
        [*PROGRAM, "generate", "a fish", "-o", "fish.png"], stderr=subprocess.PIPE, **terminal
    )
    for line in process.stderr:
        if "Starting the engine" in line:
            break
    time.sleep(1.0)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words.endswith("Cancelled.\n")
    assert "Traceback" not in words
    assert time.monotonic() - pressed < 5, "about one second, and mercy for a busy machine"
    assert not (tmp_path / "fish.png").exists()
