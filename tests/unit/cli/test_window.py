"""Without a command the window opens; without a display the program ends with one sentence and never aborts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdxl_desktop import __version__
from sdxl_desktop.library.scan import Library
from tests.unit.cli.helpers import FakeEntryPoints, run_command

NO_DISPLAY = "there is no display"


@pytest.fixture
def mine_is_default(work_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Library, "default_checkpoint", lambda library: library.find_checkpoint("mine"))


@pytest.mark.parametrize("command", [[], ["window"]])
def test_the_window_opens(fake_entry_points: FakeEntryPoints, command: list[str]) -> None:
    assert run_command(fake_entry_points, *command) == 0
    assert fake_entry_points.windows == [(None, [])]
    assert fake_entry_points.opened == []


@pytest.mark.parametrize("command", [[], ["window"]])
def test_the_window_opens_with_a_prompt_and_pictures(
    fake_entry_points: FakeEntryPoints, work_folder: Path, command: list[str]
) -> None:
    for name in ("one.png", "two.png"):
        (work_folder / name).touch()
    assert run_command(fake_entry_points, *command, "one.png", "--prompt", "a heart", "two.png") == 0
    assert fake_entry_points.windows == [("a heart", [Path("one.png"), Path("two.png")])]


def test_another_window_can_be_asked_for(fake_entry_points: FakeEntryPoints) -> None:
    assert run_command(fake_entry_points) == 0
    assert fake_entry_points.new_windows == 0
    assert run_command(fake_entry_points, "--new-window", "--prompt", "a heart") == 0
    assert fake_entry_points.windows[1] == ("a heart", [])
    assert fake_entry_points.new_windows == 1


def test_a_picture_called_like_a_command_can_be_opened(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    (work_folder / "generate").touch()
    assert run_command(fake_entry_points, "./generate") == 0
    assert fake_entry_points.windows == [(None, [Path("generate")])]


@pytest.mark.parametrize(("word", "answer"), [("heart.png", "'heart.png'."), ("generat", "'generate'?")])
def test_what_is_neither_file_nor_command_is_refused(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str], word: str, answer: str
) -> None:
    assert run_command(fake_entry_points, word) == 2
    assert answer in capsys.readouterr().err
    assert fake_entry_points.windows == []


def test_without_a_display_the_way_without_a_window_is_named(
    fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.no_window = NO_DISPLAY
    assert run_command(fake_entry_points) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert NO_DISPLAY in captured.err
    assert "sdxl-desktop generate" in captured.err
    assert fake_entry_points.windows == []


@pytest.mark.usefixtures("mine_is_default")
def test_without_a_display_a_prompt_is_drawn_in_the_terminal(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.no_window = NO_DISPLAY
    assert run_command(fake_entry_points, "--prompt", "a red heart") == 0
    captured = capsys.readouterr()
    (file,) = work_folder.iterdir()
    assert captured.out == f"{file}\n"
    assert file.name.startswith("a-red-heart-")
    assert captured.err.splitlines()[0].startswith("No window can be opened here because there is no display")


def test_the_version_is_reported(fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "--version") == 0
    assert capsys.readouterr().out == f"SDXL Desktop {__version__}\n"


@pytest.mark.parametrize("command", [[], ["window"], ["generate"], ["devices"]])
def test_there_is_help(
    fake_entry_points: FakeEntryPoints, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, *command, "--help") == 0
    assert "Usage: sdxl-desktop" in capsys.readouterr().out
    assert fake_entry_points.windows == []


def test_devices_are_listed(fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "devices") == 0
    assert capsys.readouterr().out.splitlines() == ["CPU      A processor", "GPU      A card"]
    assert fake_entry_points.opened == ["devices"]


def test_devices_are_listed_as_json(fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "devices", "--json") == 0
    names = [device["name"] for device in json.loads(capsys.readouterr().out)["devices"]]
    assert names == ["CPU", "GPU"]
