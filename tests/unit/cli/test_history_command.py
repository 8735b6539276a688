"""`history` on the command line, and what `generate` leaves there."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.history.store import History
from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command
from tests.unit.history.pictures import Work


@pytest.fixture
def work(home: Path) -> Iterator[Work]:
    made = Work(home)
    made.opened = History.open(AppPaths.from_environment().history)
    yield made
    made.close()


@pytest.fixture
def rooms() -> FakeEntryPoints:
    return FakeEntryPoints()


def reply(rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run_command(rooms, "history", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_what_generate_draws_is_in_the_history(
    home: Path, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str], work: Work
) -> None:
    own_checkpoint(home)
    assert (
        run_command(
            rooms,
            "generate",
            "a red heart",
            "--checkpoint",
            "mine",
            "--count",
            "2",
            "--seed",
            "7",
            "-o",
            str(home / "a.png"),
        )
        == 0
    )
    capsys.readouterr()
    listed = reply(rooms, capsys, "list")
    assert listed["total"] == 2
    assert [(Path(each["file"]).name, each["seed"], each["prompt"]) for each in listed["entries"]] == [
        ("a-2.png", 8, "a red heart"),
        ("a.png", 7, "a red heart"),
    ]
    shown = reply(rooms, capsys, "show", str(home / "a.png"))
    assert shown["id"] == listed["entries"][1]["id"]
    assert shown["record"]["request"]["prompts"]["prompt"] == "a red heart"
    assert set(shown["seconds"]) == {"load", "compile", "encode", "denoise", "decode"}


def test_batches_and_grids_are_in_the_history(
    home: Path, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str], work: Work
) -> None:
    own_checkpoint(home)
    rows = home / "rows.jsonl"
    rows.write_text('{"prompt": "a cat", "checkpoint": "mine"}\n{"prompt": "a dog", "checkpoint": "mine"}')
    assert run_command(rooms, "batch", str(rows), "-o", str(home / "out")) == 0
    grid = home / "grid.png"
    assert run_command(rooms, "generate", "a hat", "--checkpoint", "mine", "--x", "steps=1,2", "-o", str(grid)) == 0
    capsys.readouterr()
    listed = reply(rooms, capsys, "list")["entries"]
    assert [each["prompt"] for each in listed] == ["a hat", "a hat", "a hat", "a dog", "a cat"]
    assert [(each["kind"], each["file"]) for each in listed[:1]] == [("grid", str(grid))]
    assert len({each["checkpoint"] for each in listed}) == 1


def test_a_history_that_cannot_be_opened_does_not_stop_generate(
    home: Path, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    own_checkpoint(home)
    database = AppPaths.from_environment().history
    database.parent.parent.mkdir(parents=True, exist_ok=True)
    database.parent.write_text("a file where the folder should be")
    assert (
        run_command(rooms, "generate", "a red heart", "--checkpoint", "mine", "--count", "2", "-o", str(home / "a.png"))
        == 0
    )
    captured = capsys.readouterr()
    assert captured.out.split() == [str(home / "a.png"), str(home / "a-2.png")]
    assert captured.err.count("The history") == 1


def test_filters_and_search_narrow_the_list(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, prompt in enumerate(["a cat", "a dog", "a cat and a dog"]):
        work.add(f"{seed}.png", prompt, seed)
    work.history.set_rating([1], 4)
    work.history.add_tag([1, 3], "zoo")
    (work.pictures / "1.png").unlink()
    work.history.scan(work.pictures)

    def seeds(*arguments: str) -> list[int]:
        return [each["seed"] for each in reply(rooms, capsys, *arguments)["entries"]]

    assert seeds("list") == [2, 1, 0]
    assert seeds("list", "--limit", "1", "--offset", "1") == [1]
    assert seeds("search", "ca") == [2, 0]
    assert seeds("search", '"cat and" (', "--tag", "ZOO") == [2]
    assert seeds("list", "--min-rating", "4", "--kind", "text-to-image") == [0]
    assert seeds("list", "--missing") == [1]
    assert seeds("list", "--present", "--since", "2000-01-01", "--min-size", "16x8", "--no-mask") == [2, 0]
    assert seeds("list", "--until", "2000-01-01") == []


def test_people_get_lines_and_a_hint_when_there_is_nothing(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(rooms, "history", "list") == 0
    assert "No pictures yet" in capsys.readouterr().out
    work.add("cat.png", "a cat\x1b[31m on\na sofa")
    assert run_command(rooms, "history", "list") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("[cat.png]")
    assert "\x1b" not in line
    assert run_command(rooms, "history", "search", "dog") == 0
    assert "No picture" in capsys.readouterr().out
    assert run_command(rooms, "history", "show", "1") == 0
    assert "seed             1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "99"),
        ("show", "nowhere.png"),
        ("show", "1" * 40),
        ("list", "--kind", "photo"),
        ("list", "--since", "yesterday"),
        ("list", "--min-size", "big"),
        ("list", "--min-rating", "6"),
        ("export", "--format", "xlsx"),
        ("export", "-o", "history.docx"),
        ("rebuild", "nowhere"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run_command(rooms, "history", *arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_an_export_has_everything_in_either_format(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    work.add("cat.png", 'a "cat", on\na sofa', 1)
    work.add("dog.png", "a dog", 2)
    work.history.add_tag([1], "zoo")
    work.history.add_tag([1], "art")
    assert run_command(rooms, "history", "export") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["prompt"], line["tags"]) for line in lines] == [
        ("a dog", []),
        ('a "cat", on\na sofa', ["art", "zoo"]),
    ]
    file = tmp_path / "history.csv"
    assert run_command(rooms, "history", "export", "-o", str(file), "--search", "sofa") == 0
    (row,) = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    assert (row["prompt"], row["tags"], row["seed"]) == ('a "cat", on\na sofa', "art;zoo", "1")
    assert json.loads(row["record"])["request"] == lines[1]["record"]["request"]


def test_rebuild_makes_the_history_again(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    work.add("cat.png")
    work.history.set_rating([1], 4)
    database = work.history.file
    work.close()
    database.write_bytes(b"damaged" * 1000)
    rebuilt = reply(rooms, capsys, "rebuild")
    assert rebuilt["entries"] == 1
    assert Path(rebuilt["damaged"]).is_file()
    assert reply(rooms, capsys, "list")["entries"][0]["rating"] == 4


def test_a_history_of_a_newer_version_is_refused(
    work: Work, rooms: FakeEntryPoints, capsys: pytest.CaptureFixture[str]
) -> None:
    database = work.history.file
    work.close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
    assert run_command(rooms, "history", "rebuild") == 2
    assert "newer version" in capsys.readouterr().err
