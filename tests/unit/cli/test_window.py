"""Without a command it opens the window; where there is none it says so in one sentence and never aborts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdxl_desktop import __version__
from sdxl_desktop.library.scan import Library
from tests.unit.cli.helpers import PretendRooms, say

NO_DISPLAY = "there is no display"


@pytest.fixture
def mine_is_default(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Library, "default", lambda library: library.find("mine"))


@pytest.mark.parametrize("command", [[], ["window"]])
def test_the_window_opens(rooms: PretendRooms, command: list[str]) -> None:
    assert say(rooms, *command) == 0
    assert rooms.windows == [(None, [])]
    assert rooms.opened == []


@pytest.mark.parametrize("command", [[], ["window"]])
def test_the_window_opens_with_a_prompt_and_pictures(rooms: PretendRooms, here: Path, command: list[str]) -> None:
    for name in ("one.png", "two.png"):
        (here / name).touch()
    assert say(rooms, *command, "one.png", "--prompt", "a heart", "two.png") == 0
    assert rooms.windows == [("a heart", [Path("one.png"), Path("two.png")])]


def test_a_picture_called_like_a_command_can_be_opened(rooms: PretendRooms, here: Path) -> None:
    (here / "generate").touch()
    assert say(rooms, "./generate") == 0
    assert rooms.windows == [(None, [Path("generate")])]


@pytest.mark.parametrize(("word", "answer"), [("heart.png", "'heart.png'."), ("generat", "'generate'?")])
def test_what_is_neither_file_nor_command_is_refused(
    rooms: PretendRooms, here: Path, capsys: pytest.CaptureFixture[str], word: str, answer: str
) -> None:
    assert say(rooms, word) == 2
    assert answer in capsys.readouterr().err
    assert rooms.windows == []


def test_without_a_display_the_way_without_a_window_is_named(
    rooms: PretendRooms, capsys: pytest.CaptureFixture[str]
) -> None:
    rooms.no_window = NO_DISPLAY
    assert say(rooms) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert NO_DISPLAY in captured.err
    assert "sdxl-desktop generate" in captured.err
    assert rooms.windows == []


@pytest.mark.usefixtures("mine_is_default")
def test_without_a_display_a_prompt_is_drawn_in_the_terminal(
    rooms: PretendRooms, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rooms.no_window = NO_DISPLAY
    assert say(rooms, "--prompt", "a red heart") == 0
    captured = capsys.readouterr()
    (file,) = here.iterdir()
    assert captured.out == f"{file}\n"
    assert file.name.startswith("a-red-heart-")
    assert captured.err.splitlines()[0].startswith("No window can be opened here because there is no display")


def test_the_version_is_told(rooms: PretendRooms, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(rooms, "--version") == 0
    assert capsys.readouterr().out == f"SDXL Desktop {__version__}\n"


@pytest.mark.parametrize("command", [[], ["window"], ["generate"], ["devices"]])
def test_there_is_help(rooms: PretendRooms, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert say(rooms, *command, "--help") == 0
    assert "Usage: sdxl-desktop" in capsys.readouterr().out
    assert rooms.windows == []


def test_devices_are_listed(rooms: PretendRooms, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(rooms, "devices") == 0
    assert capsys.readouterr().out.splitlines() == ["CPU      A processor", "GPU      A card"]
    assert rooms.opened == ["devices"]


def test_devices_are_listed_as_json(rooms: PretendRooms, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(rooms, "devices", "--json") == 0
    names = [device["name"] for device in json.loads(capsys.readouterr().out)["devices"]]
    assert names == ["CPU", "GPU"]
