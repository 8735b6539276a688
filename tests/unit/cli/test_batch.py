"""`batch`: every row is checked first, bad ones are named, finished ones are never drawn twice, nothing is replaced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import read_record
from tests.unit.cli.helpers import FakeEntryPoints, press_ctrl_c_when_caught, run_command

Captured = pytest.CaptureFixture[str]


def write_rows(rows: Sequence[object], name: str = "rows.jsonl") -> str:
    Path(name).write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows), encoding="utf-8")
    return name


def row(prompt: str, **values: Any) -> dict[str, Any]:
    return {"prompt": prompt, "checkpoint": "mine", **values}


def outcomes(captured: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def test_each_row_is_a_request(fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured) -> None:
    file = write_rows([row("a cat", steps=2, seed=7, size="64x32"), row("a dog", negative="blur", guidance=2.5)])
    assert run_command(fake_entry_points, "batch", file, "-o", "out", "--json") == 0
    first, second = fake_entry_points.engine.requests
    assert (first.prompts.prompt, first.sampling.steps, first.sampling.seed) == ("a cat", 2, 7)
    assert (first.sampling.size.width, first.sampling.size.height) == (64, 32)
    assert (second.prompts.negative_prompt, second.sampling.guidance_scale) == ("blur", 2.5)
    told = outcomes(capsys)
    assert [(one["row"], one["status"]) for one in told] == [(1, "drawn"), (2, "drawn")]
    record = read_record(Path(told[0]["image"]))
    assert record is not None
    assert record.request.prompts.prompt == "a cat"
    assert fake_entry_points.opened.count("engine") == 1, "one engine draws all"


def test_the_pictures_of_rows_are_in_the_history(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    rows = [row("a cat", steps=2, seed=7), row("a dog", negative="blur", seed=8, count=1)]
    file = write_rows(rows)
    for more in ((), ("--resume",)):  # what is drawn already is not added again
        assert run_command(fake_entry_points, "batch", file, "-o", "out", *more) == 0
        with closing(History.open(AppPaths.from_environment().history)) as history:
            entries = {entry.prompt: entry for entry in history.page()}
            assert set(entries) == {"a cat", "a dog"}
            assert history.count() == 2
            assert (entries["a dog"].negative_prompt, entries["a dog"].seed) == ("blur", 8)
            details = history.details(entries["a cat"].id)
            assert details is not None
            assert details.record is not None
            assert details.record.request.sampling.steps == 2
            assert details.timings is not None
            assert entries["a cat"].file.parent == work_folder / "out"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'prompt,steps,guidance,lora\n"one, two",3,2.5,\nthree,4,,\n'),
        ("b.csv", "\ufeffPrompt;Steps;Guidance\r\none, two;3;2,5\r\n\r\nthree;4;\r\n"),
        ("c.tsv", "prompt\tsteps\tguidance\none, two\t3\t2.5\nthree\t4\t\n"),
        ("d.jsonl", '{"prompt": "one, two", "steps": "3", "--guidance": "2,5"}\n\n{"prompt": "three", "steps": 4}'),
        ("e.ndjson", '{"prompt": "one, two", "steps": 3, "guidance_scale": 2.5}\r\n{"PROMPT": "three", "steps": 4}'),
    ],
)
def test_rows_come_as_people_write_them(
    fake_entry_points: FakeEntryPoints, work_folder: Path, name: str, text: str
) -> None:
    Path(name).write_bytes(text.encode())
    assert run_command(fake_entry_points, "batch", name, "-o", "out") == 0
    first, second = fake_entry_points.engine.requests
    assert (first.prompts.prompt, first.sampling.steps, first.sampling.guidance_scale) == ("one, two", 3, 2.5)
    assert (second.prompts.prompt, second.sampling.steps) == ("three", 4)


BAD_ROWS = {
    "no object": ("[1]", "not a JSON object"),
    "broken": ('{"prompt": ', "not valid JSON"),
    "deep": ("[" * 100_000, "not valid JSON"),
    "no prompt": ({"steps": 3}, "no prompt"),
    "unknown name": (row("a", stepz=3), "Did you mean steps?"),
    "twice": ('{"prompt": "a", "steps": 1, "--steps": 2}', "steps twice"),
    "number": (row("a", steps="many"), "steps: 'many'"),
    "type": (row("a", steps=[3]), "steps cannot be"),
    "boolean": (row("a", steps=True), "steps cannot be"),
    "range": (row("a", guidance=500), "guidance"),
    "size": (row("a", size="63x64"), "64"),
    "checkpoint": (row("a") | {"checkpoint": "nobody"}, "nobody"),
    "image": (row("a", image="none.png"), "none.png"),
    "lora": (row("a", lora="none.safetensors:0.5"), "none.safetensors"),
    "elsewhere": (row("a", output="../a.png"), "not a file name"),
    "absolute": (row("a", output="/tmp/a.png"), "not a file name"),
    "hidden": (row("a", output=".a.png"), "not a file name"),
    "no picture": (row("a", output="a.exe"), "a.exe"),
}


def test_bad_rows_are_named_and_the_others_drawn(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured
) -> None:
    rows = [row("first"), *(bad for bad, _ in BAD_ROWS.values()), row("last")]
    assert run_command(fake_entry_points, "batch", write_rows(rows), "-o", "out", "--json") == 1
    assert [one.prompts.prompt for one in fake_entry_points.engine.requests] == ["first", "last"]
    told = outcomes(capsys)
    failed = [one for one in told if one["status"] == "failed"]
    assert [one["row"] for one in failed] == list(range(2, len(BAD_ROWS) + 2))
    assert told.index(failed[-1]) < len(failed), "all rows are checked before the first is drawn"
    for one, (name, (_, words)) in zip(failed, BAD_ROWS.items(), strict=True):
        assert words in one["error"], name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.txt", b"a", "neither JSON Lines nor CSV"),
        ("rows.jsonl", b"", "no row"),
        ("rows.jsonl", b"\xff\xfe\x00", "not UTF-8"),
        ("rows.csv", b"steps\n3\n", "prompt"),
        ("rows.csv", b"prompt,stepz\na,3\n", "Did you mean steps?"),
        ("rows.csv", b"prompt,prompt\na,b\n", "prompt twice"),
        ("rows.csv", b'prompt\n"never closed\n', "Line"),
        ("none.csv", None, "none.csv"),
    ],
)
def test_a_file_that_is_no_batch_is_refused(
    fake_entry_points: FakeEntryPoints,
    work_folder: Path,
    capsys: Captured,
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    assert run_command(fake_entry_points, "batch", name, "-o", "out") == 2
    assert words in capsys.readouterr().err
    assert not fake_entry_points.opened


class _EngineUntil(FakeEngine):
    """Fails at a prompt, which stands for a crash or a full memory."""

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        self.error = EngineError("It broke.") if request.prompts.prompt == "bad" else None
        super().generate(request, emit, cancel, pausing)


def test_what_failed_is_drawn_when_resumed_and_nothing_else(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured
) -> None:
    fake_entry_points.engine = _EngineUntil()
    file = write_rows([row("one", count=2), row("bad"), row("one", count=2), row("three", seed=3)])
    assert run_command(fake_entry_points, "batch", file, "-o", "out", "--json") == 1
    before = outcomes(capsys)
    assert [one["status"] for one in before] == ["drawn", "drawn", "failed", "drawn", "drawn", "drawn"]
    kept = {path: path.read_bytes() for path in Path("out").glob("*.png")}

    assert run_command(fake_entry_points, "batch", file, "-o", "out") == 2, "unless asked, nothing goes on"
    assert "--resume" in capsys.readouterr().err

    fake_entry_points.engine = FakeEngine()
    Path("out/0001-one-2.png").unlink()
    assert run_command(fake_entry_points, "batch", file, "-o", "out", "--resume", "--json") == 0
    assert [one.prompts.prompt for one in fake_entry_points.engine.requests] == ["one", "bad"]
    after = outcomes(capsys)
    assert [one["status"] for one in after] == ["kept", "drawn", "drawn", "kept", "kept", "kept"]
    assert [one["seed"] for one in after if one["row"] == 1] == [one["seed"] for one in before if one["row"] == 1]
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_picture_whose_record_a_kill_has_lost_is_not_drawn_again(
    fake_entry_points: FakeEntryPoints, work_folder: Path
) -> None:
    file = write_rows([row("one", seed=1), row("two", seed=2)])
    assert run_command(fake_entry_points, "batch", file, "-o", "out") == 0
    progress = Path("out/batch-progress.jsonl")
    lines = progress.read_bytes().splitlines(keepends=True)
    progress.write_bytes(lines[0] + lines[1][:20])
    assert run_command(fake_entry_points, "batch", file, "-o", "out", "--resume") == 0
    assert len(fake_entry_points.engine.requests) == 2
    assert len(list(Path("out").glob("*.png"))) == 2


def test_a_row_that_was_changed_is_drawn_again(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    """The earlier picture has the same name, prompt and seed; only what it was made from differs."""
    from PIL import Image

    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (64, 64), colour).save(f"{number}.png")
    for number, strength in ((0, 0.5), (1, 0.5), (1, 0.7)):
        file = write_rows([row("one", seed=1, image=f"{number}.png", strength=strength)])
        assert run_command(fake_entry_points, "batch", file, "-o", "out", "--resume") == 0
    assert len(fake_entry_points.engine.requests) == 3
    assert len(list(Path("out").glob("*.png"))) == 3


def test_files_that_were_there_stay(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    Path("out").mkdir()
    for name in ("0001-one.png", "mine.png"):
        (Path("out") / name).write_bytes(b"not a picture")
    file = write_rows([row("one"), row("two", output="mine.png")])
    assert run_command(fake_entry_points, "batch", file, "-o", "out") == 0
    assert (Path("out") / "0001-one.png").read_bytes() == b"not a picture"
    assert {path.name for path in Path("out").glob("*.png")} == {
        "0001-one.png",
        "0001-one-2.png",
        "mine.png",
        "mine-2.png",
    }


def test_a_cancelled_batch_goes_on(fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured) -> None:
    fake_entry_points.engine = FakeEngine(seconds_per_step=0.2)
    file = write_rows([row(f"number {number}", steps=5) for number in range(3)])
    with press_ctrl_c_when_caught():
        assert run_command(fake_entry_points, "batch", file, "-o", "out") == 130
    assert "--resume" in capsys.readouterr().err
    drawn = len(list(Path("out").glob("*.png")))
    assert drawn < 3
    fake_entry_points.engine = FakeEngine()
    assert run_command(fake_entry_points, "batch", file, "-o", "out", "--resume") == 0
    assert len(fake_entry_points.engine.requests) == 3 - drawn
    assert len(list(Path("out").glob("*.png"))) == 3


def test_a_check_draws_and_writes_nothing(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured
) -> None:
    assert run_command(fake_entry_points, "batch", write_rows([row("a"), row("b")]), "-o", "out", "--check") == 0
    assert "2 rows, 2 pictures" in capsys.readouterr().err
    assert run_command(fake_entry_points, "batch", write_rows([row("a"), {}]), "-o", "out", "--check") == 2
    assert not Path("out").exists()
    assert not fake_entry_points.opened


def test_paths_in_rows_start_at_the_file(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    from PIL import Image

    Path("sub").mkdir()
    Image.new("RGB", (64, 64), "red").save("sub/photo.png")
    file = write_rows([row("a", image="photo.png", strength=0.5)], "sub/rows.jsonl")
    assert run_command(fake_entry_points, "batch", file, "-o", "out") == 0
    (request,) = fake_entry_points.engine.requests
    assert request.edit is not None
    assert request.edit.strength == 0.5


def test_rows_of_one_name_are_refused(fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: Captured) -> None:
    file = write_rows([row("a", output="x.png"), row("b", output="X.png"), row("c", output="y.webp")])
    assert run_command(fake_entry_points, "batch", file, "-o", "out") == 1
    assert "Row 1 has the output 'X.png' too." in capsys.readouterr().err
    assert {path.name for path in Path("out").iterdir()} == {"x.png", "y.webp", "batch-progress.jsonl"}
