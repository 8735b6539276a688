"""`generate --x --y --z`: every combination is drawn once, kept as a file, and laid out in one labelled picture."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.history.entries import HistoryFilter, PictureKind
from sdxl_desktop.history.store import History
from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, press_ctrl_c_when_caught, run_command

Captured = pytest.CaptureFixture[str]
MINE = ("--checkpoint", "mine")


def test_every_combination_is_drawn_and_laid_out(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured
) -> None:
    axes = ("--x", "steps=2,3", "--y", "guidance=1-3", "--z", "replace=cat,dog")
    assert run_command(fake_entry_points, "generate", "a cat", *MINE, *axes, "-o", "grid.png", "--json") == 0
    requests = fake_entry_points.engine.requests
    assert {(one.sampling.steps, one.sampling.guidance_scale, one.prompts.prompt) for one in requests} == {
        (steps, guidance, prompt) for steps in (2, 3) for guidance in (1, 2, 3) for prompt in ("a cat", "a dog")
    }
    assert len({one.sampling.seed for one in requests}) == 1, "pictures of a grid differ in the axes only"
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["cell"] == {"steps": "2", "guidance": "1", "replace": "cat"}
    assert told[-1]["grid"] == str(work_folder / "grid.png")
    with Image.open("grid.png") as image:
        assert image.width > 2 * 64
        assert image.height > 6 * 64


def test_the_history_has_the_grid_and_its_pictures_under_one_tag(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path
) -> None:
    for _ in range(2):  # the second time nothing is drawn, and the grid is composed again
        command = ("generate", "a cat / dog", *MINE, "--x", "steps=2,3", "-o", "grid.png")
        assert run_command(fake_entry_points, *command) == 0
        with closing(History.open(AppPaths.from_environment().history)) as history:
            (tag,) = history.tags()
            assert tag.tag.startswith("Grid a-cat-dog")
            entries = history.page(HistoryFilter(tag=tag.tag))
            assert {one.file.name for one in entries} == {"grid.png", "01.png", "02.png"}
            assert [one.file.name for one in entries if one.kind is PictureKind.GRID] == ["grid.png"]


def test_a_grid_goes_on_where_it_was_cancelled(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    fake_entry_points.engine.seconds_per_step = 0.2
    command = ("generate", "a cat", *MINE, "--x", "steps=4,5,6", "-o", "grid.png")
    with press_ctrl_c_when_caught():
        assert run_command(fake_entry_points, *command) == 130
    fake_entry_points.engine.seconds_per_step = 0.0
    first = fake_entry_points.engine.requests[0].sampling.seed
    drawn = len(list(Path("grid-pictures").glob("*.png")))
    fake_entry_points.engine.requests.clear()
    assert run_command(fake_entry_points, *command) == 0
    assert len(fake_entry_points.engine.requests) == 3 - drawn
    if drawn:
        assert {one.sampling.seed for one in fake_entry_points.engine.requests} <= {first}
    fake_entry_points.engine.requests.clear()
    assert run_command(fake_entry_points, *command) == 0
    assert not fake_entry_points.engine.requests
    assert run_command(fake_entry_points, *command[:2], "--negative", "blur", *command[2:]) == 0
    assert len(fake_entry_points.engine.requests) == 3, "another grid is drawn anew"


def test_checkpoints_change_as_rarely_as_possible(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path
) -> None:
    own_checkpoint(home, "other")
    axes = ("--x", "seed=1,2,3", "--y", "checkpoint=mine,other")
    assert run_command(fake_entry_points, "generate", "a", *MINE, *axes, "-o", "grid.png") == 0
    names = [one.checkpoint.name for one in fake_entry_points.engine.requests]
    assert names == ["mine"] * 3 + ["other"] * 3


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("stepz=1", "Did you mean steps"),
        ("steps", "steps="),
        ("steps=", "no values"),
        ("steps=a,b", "steps: 'a'"),
        ("steps=0,5", "number of steps"),
        ("guidance=1-50:0", "larger step"),
        ("steps=1-900:0.001", "larger step"),
        ("checkpoint=mine,nobody", "nobody"),
        ("strength=0.2,0.4", "does not apply"),
        ("lora_weight=0.5", "no LoRA"),
        ("replace=dog,cat", "does not occur"),
        ("size=64x64,63x64", "64"),
        ("seed=-5", "seed"),
    ],
)
def test_an_axis_that_does_not_fit_is_refused_before_drawing(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured, axis: str, words: str
) -> None:
    assert run_command(fake_entry_points, "generate", "a cat ", *MINE, "--x", axis, "-o", "g.png") == 2
    assert words in capsys.readouterr().err
    assert not fake_entry_points.opened


def test_one_parameter_cannot_vary_twice(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured
) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--x", "steps=1,2", "--y", "steps=3") == 2
    assert "two axes" in capsys.readouterr().err
