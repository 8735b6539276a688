"""The commands `loras` and `tokens`, and tags in the prompt of `generate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import FakeEntryPoints, run_command
from tests.unit.library.additions.weight_files import write_lora

MINE = ("--checkpoint", "mine")


@pytest.fixture
def ink(work_folder: Path) -> Path:
    metadata = {"modelspec.trigger_phrase": "ink style"}
    return write_lora(AppPaths.from_environment().data / "loras" / "Ink Wash.safetensors", metadata)


def test_the_library_is_listed(
    fake_entry_points: FakeEntryPoints, ink: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "loras") == 0
    assert "ink style" in capsys.readouterr().out
    assert run_command(fake_entry_points, "loras", "weight", "ink wash", "0.6") == 0
    assert run_command(fake_entry_points, "loras", "list", "STYLE ink", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["additions"]
    assert (found["file"], found["weight"], found["trigger_words"]) == (str(ink), 0.6, ["ink style"])
    assert run_command(fake_entry_points, "loras", "--json") == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)["additions"]]
    assert names == ["Ink Wash", "magenta", "sepia"]
    assert run_command(fake_entry_points, "loras", "weight", "ink wash", "none") == 0
    assert run_command(fake_entry_points, "loras", "weight", "pink wash", "1") == 2
    assert "Ink Wash" in capsys.readouterr().err


def test_a_tag_adds_the_lora_and_the_record_has_what_was_typed(
    fake_entry_points: FakeEntryPoints, ink: Path, work_folder: Path
) -> None:
    typed = "a cat <lora:ink wash:0.5:0.25>"
    assert run_command(fake_entry_points, "generate", typed, *MINE, "-o", "a.png") == 0
    (request,) = fake_entry_points.engine.requests
    assert request.prompts.prompt == "a cat "
    assert request.additions.loras == (LoraReference(ink.resolve(), 0.5, 0.25, from_prompt=True),)
    record = read_record(work_folder / "a.png")
    assert record is not None
    assert record.request.typed_prompts is not None
    assert record.request.typed_prompts.prompt == typed
    assert record.request.prompts.prompt == "a cat "


def test_an_unknown_lora_is_an_error_or_left_out(
    fake_entry_points: FakeEntryPoints, ink: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "a <lora:inkwash:1>", *MINE) == 2
    assert "Ink Wash" in (told := capsys.readouterr().err)
    assert "--ignore-unknown-loras" in told
    assert run_command(fake_entry_points, "generate", "a <lora:inkwash:1>", *MINE, "--ignore-unknown-loras") == 0
    assert "left out" in capsys.readouterr().err
    assert fake_entry_points.engine.requests[0].additions.loras == ()


def test_a_preference_keeps_tags_as_text(
    fake_entry_points: FakeEntryPoints, ink: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SettingsStore(home / "settings.json").save(Settings(preferences=Preferences(lora_tags=False)))
    assert run_command(fake_entry_points, "generate", "a <lora:ink wash:1>", *MINE) == 0
    (request,) = fake_entry_points.engine.requests
    assert (request.prompts.prompt, request.typed_prompts) == ("a <lora:ink wash:1>", None)
    assert request.additions.loras == ()
    assert "read as text" in capsys.readouterr().err


def test_tokens_are_told_in_words_and_as_json(
    fake_entry_points: FakeEntryPoints, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("tokens", "a (red:1.3) heart <lora:x:1> BREAK sky", "--checkpoint", "starter")
    assert run_command(fake_entry_points, *words) == 0
    told = capsys.readouterr().out
    assert "1.3   red" in told
    assert "lora" not in told
    assert run_command(fake_entry_points, *words, "--json") == 0
    encoders = json.loads(capsys.readouterr().out)["encoders"]
    assert [len(one["chunks"]) for one in encoders] == [2, 2]
    assert all(len(chunk["input_ids"]) == 77 for one in encoders for chunk in one["chunks"])
    assert run_command(fake_entry_points, "tokens", "(red:1.2.3)") == 2


def test_a_grid_may_vary_the_tags_of_its_prompt(
    fake_entry_points: FakeEntryPoints, ink: Path, work_folder: Path
) -> None:
    grid = ("--x", "replace=wash:0.5>;wash:0.75>;wash>", "-o", "grid.png")
    assert run_command(fake_entry_points, "generate", "a <lora:ink wash:0.5>", *MINE, *grid) == 0
    requests = fake_entry_points.engine.requests
    assert sorted(one.additions.loras[0].weight for one in requests) == [0.5, 0.75, 1.0]
    assert {one.prompts.prompt for one in requests} == {"a "}
    assert {one.typed_prompts.prompt for one in requests} == {
        "a <lora:ink wash:0.5>", "a <lora:ink wash:0.75>", "a <lora:ink wash>"
    }  # fmt: skip


def test_rows_of_a_batch_name_loras(fake_entry_points: FakeEntryPoints, ink: Path, work_folder: Path) -> None:
    rows = [
        {"prompt": "a <lora:ink wash:0.5>", "checkpoint": "mine"},
        {"prompt": "<lora:nothing>", "checkpoint": "mine"},
    ]
    (work_folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run_command(fake_entry_points, "batch", "rows.jsonl", "-o", "out") == 1
    (request,) = fake_entry_points.engine.requests
    assert request.additions.loras[0].weight == 0.5
