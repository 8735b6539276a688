"""`checkpoints quantize` and `checkpoints compare`: what they refuse, what they say, what they leave behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdxl_desktop.cli import quantize as commands
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.fake_engine import FakeEngine
from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command


class EngineWithProcess(FakeEngine):
    """A fake engine that is this process."""

    def __init__(self, paths: AppPaths) -> None:
        super().__init__()
        self.pid = os.getpid()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "ProcessEngine", EngineWithProcess)


def test_what_makes_no_sense_is_refused_before_anything_begins(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {
        ("nobody", "--method", "int8"): "no checkpoint called 'nobody'",
        ("starter", "--method", "int2"): "int8",
        ("starter",): "--method",
        ("starter", "--method", "int8", "--samples", "5", "--steps", "3"): "--samples and --steps cannot be used",
        ("starter", "--method", "hybrid", "--samples", "0"): "samples",
        ("starter", "--method", "full", "--prompts", "none.txt"): "cannot be read",
        ("starter", "--method", "int8", "--name", "../evil"): "cannot be the name",
    }
    for arguments, why in refused.items():
        assert run_command(fake_entry_points, "checkpoints", "quantize", *arguments) == 2, arguments
        assert why in capsys.readouterr().err
    assert [folder.name for folder in (home / "data" / "checkpoints").iterdir()] == ["mine"]


@pytest.mark.slow
def test_the_starter_in_8_bits_is_announced_made_and_listed(
    fake_entry_points: FakeEntryPoints, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run_command(
            fake_entry_points, "checkpoints", "quantize", "starter", "--method", "int8", "--name", "small", "--json"
        )
        == 0
    )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["event"] == "plan"
    assert events[0]["calibration"] is None
    assert events[0]["forecast"]["disk"] < 20e6
    assert {event["event"] for event in events[1:-1]} == {"progress"}
    assert {"starting", "finishing"} <= {event["stage"] for event in events[1:-1]}
    folder = home / "data" / "checkpoints" / "small"
    assert events[-1] == {"event": "quantized", "checkpoint": {"name": "small", "folder": str(folder)}}
    assert run_command(fake_entry_points, "checkpoints", "verify", "small", "--json") == 0
    assert json.loads(capsys.readouterr().out)["by_hash"]
    assert run_command(fake_entry_points, "checkpoints", "show", "small") == 0
    shown = capsys.readouterr().out
    assert "int8" in shown
    assert "Made from starter" in shown
    assert run_command(fake_entry_points, "checkpoints", "quantize", "small", "--method", "int4") == 2
    assert "is int8 already" in capsys.readouterr().err


def test_a_comparison_is_reported_and_written(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, engines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    own_checkpoint(home, "yours")
    (work_folder / "words.txt").write_text("a cat\na dog\n")
    arguments = ("checkpoints", "compare", "mine", "yours", "--prompts", "words.txt", "--seeds", "2", "--steps", "2")
    assert run_command(fake_entry_points, *arguments) == 0
    message = capsys.readouterr()
    assert "4 pairs of pictures with the same words and seed: identical" in message.out
    page = work_folder / "comparison-mine-yours" / "comparison.html"
    assert message.out.splitlines()[-1] == str(page)
    assert page.is_file()
    assert run_command(fake_entry_points, *arguments, "-o", "elsewhere", "--json") == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["request"]["steps"] == 2
    assert [pair["seed"] for pair in reported["pairs"]] == [0, 1, 0, 1]
    assert all(Path(sheet).parent == work_folder / "elsewhere" for sheet in reported["sheets"])


def test_without_prompts_four_of_the_shipped_are_compared(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, engines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "checkpoints", "compare", "mine", "mine", "--json") == 0
    reported = json.loads(capsys.readouterr().out)
    assert len({pair["prompt"] for pair in reported["pairs"]}) == len(reported["sheets"]) == 4
    assert run_command(fake_entry_points, "checkpoints", "compare", "mine", "nobody") == 2
    assert "nobody" in capsys.readouterr().err
    assert run_command(fake_entry_points, "checkpoints", "compare", "mine", "mine", "--seeds", "0") == 2
