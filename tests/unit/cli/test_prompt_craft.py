"""`generate` with styles, variants and presets, and the command `styles`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.request import Prompts, Sampling
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem, WorkspaceValue
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.prompt_craft.preset_files import PresetStore, write_preset_file
from sdxl_desktop.session.prompt_craft.presets import PresetPart, SettingsPreset, create_preset
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import FakeEntryPoints, run_command

MINE = ("--checkpoint", "mine", "-o", "out.png")


@pytest.fixture
def paths(home: Path) -> AppPaths:
    return AppPaths.from_environment()


def drawn(rooms: FakeEntryPoints) -> Any:
    (request,) = rooms.engine.requests
    return request


def test_styles_are_put_on_the_prompt(fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths) -> None:
    styles = ("--style", "watercolour", "--style", "No text")
    assert run_command(fake_entry_points, "generate", "a cat", *MINE, *styles) == 0
    prompts = drawn(fake_entry_points).prompts
    assert prompts.prompt.startswith("watercolour of a cat, ")
    assert "letters" in prompts.negative_prompt
    record = read_record(work_folder / "out.png")
    assert record is not None
    assert record.request.prompts == prompts
    assert record.request.prompt_source is not None
    assert record.request.prompt_source.styles == ("Watercolour", "No text")
    assert record.request.prompt_source.prompts == Prompts(prompt="a cat")


def test_each_picture_chooses_for_itself(
    fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.wildcards.mkdir(parents=True)
    (paths.wildcards / "pet.txt").write_text("cat\ndog\nbird\n")
    more = ("--count", "4", "--seed", "3", "--json")
    assert run_command(fake_entry_points, "generate", "a {red|blue} __pet__", *MINE, *more) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(set(told["prompts"])) > 1
    assert told["request"]["typed_prompt"] == "a {red|blue} __pet__"
    for image, prompt in zip(told["images"], told["prompts"], strict=True):
        record = read_record(Path(image))
        assert record is not None
        assert record.request.prompts.prompt == prompt


def test_all_combinations_are_counted_and_drawn(
    fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "{a|b} {c|d|e}", *MINE, "--variants", "all") == 0
    assert "6 combinations" in capsys.readouterr().err
    assert len({prompts.prompt for prompts in drawn(fake_entry_points).picture_prompts}) == 6
    assert run_command(fake_entry_points, "generate", "{a|b|c}" * 5, *MINE, "--variants", "all") == 2


def test_variants_can_be_text(fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths) -> None:
    SettingsStore(paths.settings_file).save(Settings(preferences=Preferences(expand_variants=False)))
    assert run_command(fake_entry_points, "generate", "{a|b} __c__", *MINE) == 0
    assert drawn(fake_entry_points).prompts.prompt == "{a|b} __c__"


@pytest.mark.parametrize(
    "words", [("__nobody__",), ("x", "--style", "nobody"), ("x", "--preset", "nobody"), ("x", "--variants", "some")]
)
def test_what_is_missing_is_told_before_anything_is_loaded(
    fake_entry_points: FakeEntryPoints, work_folder: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", *words, *MINE) == 2
    assert words[-1].strip("_") in capsys.readouterr().err
    assert fake_entry_points.opened == []


def test_a_preset_sets_what_is_not_given(
    fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    sepia = resources_folder() / "additions" / "sepia.safetensors"
    additions = AdditionsPanelState(loras=(LoraListItem(LoraReference(sepia, 0.5)),))
    value = WorkspaceValue(
        prompts=Prompts(prompt="not used", negative_prompt="hat"),
        styles=("Watercolour",),
        checkpoint="mine",
        additions=additions,
    )
    preset = create_preset("Portrait", value, Sampling(steps=7, guidance_scale=3.5), tuple(PresetPart), lambda file: "")
    PresetStore(paths.presets).save(preset)
    assert (
        run_command(fake_entry_points, "generate", "a cat", "-o", "out.png", "--preset", "portrait", "--guidance", "5")
        == 0
    )
    request = drawn(fake_entry_points)
    assert (request.checkpoint.name, request.sampling.steps, request.sampling.guidance_scale) == ("mine", 7, 5.0)
    assert request.prompts.prompt.startswith("watercolour of a cat")
    assert request.prompts.negative_prompt.startswith("hat")
    assert request.additions.loras == (LoraReference(sepia, 0.5),)
    file = work_folder / "shared.json"
    write_preset_file(SettingsPreset(name="S", count=2), file)
    assert run_command(fake_entry_points, "generate", "a cat", *MINE, "--preset", str(file)) == 0
    assert fake_entry_points.engine.requests[1].sampling.count == 2


def test_rows_and_grids_take_styles_and_variants(
    fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths
) -> None:
    rows = [
        {"prompt": "a {cat|dog|bird}", "checkpoint": "mine", "style": ["Charcoal"], "count": 3, "seed": 4},
        {"prompt": "{a|b}", "checkpoint": "mine", "variants": "all"},
    ]
    (work_folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run_command(fake_entry_points, "batch", "rows.jsonl", "-o", "out") == 0
    drawn = fake_entry_points.engine.requests
    for request in drawn[:3]:
        more = ("--style", "Charcoal", "--seed", str(request.sampling.seed))
        assert run_command(fake_entry_points, "generate", "a {cat|dog|bird}", *MINE, *more) == 0
        assert drawn[-1].prompts == request.prompts_of(0)
    assert [request.prompts_of(0).prompt for request in drawn[3:5]] == ["a", "b"]
    before = len(drawn)
    grid = ("--x", "steps=2,3", "--count", "2", "--seed", "4")
    assert run_command(fake_entry_points, "generate", "a {cat|dog|bird}", *MINE, *grid) == 0
    assert len({request.prompts for request in drawn[before:]}) == 1


def test_styles_are_listed_and_imported(
    fake_entry_points: FakeEntryPoints, work_folder: Path, paths: AppPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    (work_folder / "styles.csv").write_text("name,prompt,negative_prompt\n[bold]Own,{prompt} mine,not\nEmpty,,\n")
    assert run_command(fake_entry_points, "styles", "import", "styles.csv") == 0
    assert "Imported 1 style." in capsys.readouterr().out
    assert run_command(fake_entry_points, "styles", "list") == 0
    listed = capsys.readouterr().out
    assert "[bold]Own" in listed
    assert "Watercolour" in listed
    assert run_command(fake_entry_points, "styles", "list", "--json") == 0
    assert {style["name"] for style in json.loads(capsys.readouterr().out)["styles"]} >= {"[bold]Own", "Charcoal"}
    assert run_command(fake_entry_points, "styles", "import", "missing.csv") == 2
