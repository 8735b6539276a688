"""`checkpoints download` announces the download, runs it, and names the next step, as text and JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sdxl_desktop.cli import download as module
from sdxl_desktop.cli.download import download_checkpoint
from sdxl_desktop.cli.foreground import catch_ctrl_c
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.hub.hub_errors import AccessError, AddressError, HubNotFoundError
from sdxl_desktop.library.scan import Library
from tests.unit.cli.helpers import FakeEntryPoints
from tests.unit.library.hub.conftest import REPO, in_this_process, sdxl_files  # noqa: F401
from tests.unit.library.hub.fake_hub import LARGE, FakeHub, Repository
from tests.unit.library.test_scan import make_checkpoint

app = typer.Typer()
app.command("download")(download_checkpoint)


@app.callback()
def _several() -> None:
    """So that `download` is a command of several, as in the application."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub({REPO: Repository(sdxl_files(), {"license": "openrail++"})})
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield hub
    hub.close()


def say(entry_points: FakeEntryPoints, *arguments: str) -> Any:
    return typer.main.get_command(app).main(
        args=["download", *arguments], standalone_mode=False, obj=entry_points.entry_points(), prog_name="checkpoints"
    )


def test_it_comes_and_the_next_step_is_shown(
    hub: FakeHub, fake_entry_points: FakeEntryPoints, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(fake_entry_points, REPO) == 0
    message = capsys.readouterr()
    folder = home / "data" / "checkpoints" / ".downloads" / "tiny-xl"
    assert message.out == f"{folder}\n"
    assert (folder / LARGE).is_file()
    assert "openrail++" in message.err
    assert f'import "{folder}"' in message.err
    assert Library(home / "none", home / "data" / "checkpoints").checkpoints() == ()


@pytest.mark.usefixtures("in_this_process")
def test_in_json_every_line_is_an_event(
    hub: FakeHub, fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(fake_entry_points, REPO, "--name", "mine", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    plan = next(event for event in events if event["event"] == "plan")
    assert {"event", "name", "bytes", "files", "licence", "gated", "kept_bytes"} <= set(plan)
    assert plan["name"] == "mine"
    progress = [event for event in events if event["event"] == "progress" and event["total"]]
    assert progress[-1]["done"] == progress[-1]["total"] == plan["bytes"]
    assert {"downloading", "finishing"} <= {event["stage"] for event in progress}
    assert events[-1]["event"] == "downloaded"
    assert events[-1]["received_bytes"] == plan["bytes"]
    assert not events[-1]["ready"]


@pytest.mark.usefixtures("in_this_process")
def test_ready_made_parts_join_the_library_with_their_settings(
    hub: FakeHub, fake_entry_points: FakeEntryPoints, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_checkpoint(tmp_path / "made", unet={"sample_size": 8})
    (made / "checkpoint.json").unlink(missing_ok=True)
    files = {str(file.relative_to(made)): file.read_bytes() for file in made.rglob("*") if file.is_file()}
    entry = catalogue.find_entry("sdxl-base-openvino-int8")
    assert entry is not None
    assert entry.repo is not None
    hub.repositories[entry.repo] = Repository(files)
    assert say(fake_entry_points, entry.id) == 0
    found = Library(home / "none", home / "data" / "checkpoints").find_checkpoint(entry.id)
    assert (found.title, found.recommended.steps) == (entry.title, 30)
    with pytest.raises(SdxlDesktopError, match="already"):
        say(fake_entry_points, entry.id)


@pytest.mark.usefixtures("in_this_process")
def test_a_known_addition_says_what_it_goes_with(
    hub: FakeHub, fake_entry_points: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories["segmind/Segmind-VegaRT"] = Repository({"pytorch_lora_weights.safetensors": b"x" * 2000})
    assert say(fake_entry_points, "vega-rt") == 0
    message = capsys.readouterr()
    assert "goes with segmind-vega" in message.err
    assert "--lora" in message.err
    assert message.out.endswith("pytorch_lora_weights.safetensors\n")


def test_what_cannot_be_is_refused_before_anything_is_asked(hub: FakeHub, fake_entry_points: FakeEntryPoints) -> None:
    for arguments in (["not an id"], [REPO, "--name", "../up"]):
        with pytest.raises(SdxlDesktopError) as refused:
            say(fake_entry_points, *arguments)
        assert refused.value.is_user_error
    assert hub.asked == []


@pytest.mark.usefixtures("in_this_process")
def test_what_is_not_there_or_not_allowed_is_bad_input(hub: FakeHub, fake_entry_points: FakeEntryPoints) -> None:
    hub.repositories["someone/locked"] = Repository(sdxl_files(), gated=True)
    for repo, error in (("someone/nothing", HubNotFoundError), ("someone/locked", AccessError)):
        with pytest.raises(error) as refused:
            say(fake_entry_points, repo)
        assert refused.value.is_user_error


def test_ctrl_c_ends_it_with_130_and_a_word(
    hub: FakeHub,
    fake_entry_points: FakeEntryPoints,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.slow = (2**20, threading.Event())

    class Pressed:
        def __init__(self, leave: Any) -> None:
            self.real = catch_ctrl_c(leave)

        def __enter__(self) -> threading.Event:
            heard: threading.Event = self.real.__enter__()
            threading.Timer(1.5, heard.set).start()
            return heard

        def __exit__(self, *problem: Any) -> None:
            self.real.__exit__(*problem)

    monkeypatch.setattr(module, "catch_ctrl_c", Pressed)
    assert say(fake_entry_points, REPO) == 130
    assert "Start it again to go on" in capsys.readouterr().err


def test_the_help_loads_nothing_of_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    assert AddressError.is_user_error
    with pytest.raises(SystemExit):
        typer.main.get_command(app).main(args=["download", "--help"], prog_name="checkpoints")
    assert "known name" in capsys.readouterr().out
