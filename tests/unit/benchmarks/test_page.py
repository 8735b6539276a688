"""The page of the benchmarks: numbers with units and commands, plots, and nothing of the machine's folders."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import plots, results, results_page

ROWS = [
    {"who": "ours, fast", "seconds": 45.8, "ratio": 0.25, "telling": 0.00004, "largest difference": 7},
    {"who": "optimum-intel", "seconds": 180.2, "ratio": 1.0, "telling": None},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    arguments = ["--checkpoint", str(tmp_path / "secret" / "int8"), f"--json={tmp_path / 'out.json'}"]
    reported = results.command("benchmarks.speed", arguments)
    settings = {"checkpoint": "fullsize/int8", "size": "256x256", "steps": 30}
    results.write(tmp_path / "results" / "speed-full.json", "speed", command=reported, rows=ROWS, settings=settings)
    return tmp_path / "results"


def made(folder: Path) -> tuple[str, Path]:
    out = folder.parent / "docs" / "benchmarks.md"
    out.parent.mkdir(exist_ok=True)
    results_page.main([str(folder), "--out", str(out)])
    return out.read_text(encoding="utf-8"), out.with_suffix("")


def test_numbers_have_units_and_the_command_that_measured_them(folder: Path) -> None:
    text, _ = made(folder)
    assert "| ours, fast | 45.8 s | 0.25 | 0.004% | 7 |" in text
    assert "| optimum-intel | 3 min 0 s | 1 |  |  |" in text
    assert "`python -m benchmarks.speed --checkpoint int8 --json=out.json`" in text
    assert "fullsize/int8, 256 × 256, 30 steps" in text
    assert results.today() in text
    assert "/data" not in text


def test_every_plot_of_the_page_is_there_and_old_ones_are_not(folder: Path) -> None:
    (folder.parent / "docs" / "benchmarks").mkdir(parents=True)
    (folder.parent / "docs" / "benchmarks" / "old.svg").touch()
    out = folder.parent / "docs" / "benchmarks.md"
    results_page.main([str(folder), "--out", str(out)])
    assert [file.name for file in out.with_suffix("").glob("*.svg")] == ["speed-full.svg"]
    assert "(benchmarks/speed-full.svg)" in out.read_text(encoding="utf-8")


def test_a_bar_is_as_long_as_its_value() -> None:
    drawn = plots.render_bars(
        "A <title>", "", [plots.Bar("one & only", 1.0, "1"), plots.Bar("half", 0.5, "0.5", ours=False)]
    )
    shapes = [shape for shape in ElementTree.fromstring(drawn) if shape.get("fill") in (plots.OURS, plots.OTHERS)]
    assert [float(shape.get("width", 0)) for shape in shapes] == [412.0, 206.0]


def test_a_benchmark_that_nobody_knows_gets_a_table(folder: Path) -> None:
    results.write(folder / "new.json", "dreaming", command="c", rows=[{"who": "ours", "p50_ms": 7.25, "depth": 3}])
    text, _ = made(folder)
    assert "## Dreaming" in text
    assert "| ours | 7.2 ms | 3 |" in text


def test_runs_alone_are_rows_and_what_only_warmed_up_is_left_out(folder: Path) -> None:
    runs = [
        {"how": "whole", "anonymous": 4800.4, "counted": False},
        {"how": "strips", "anonymous": 1100.4, "seconds": 3.0},
    ]
    (folder / "decode-1024.json").write_text(json.dumps({"runs": runs, "times as long": 1.1}))
    text, _ = made(folder)
    assert "| strips | 1100 MB | 3.00 s |" in text
    assert "4800" not in text
    assert "Times as long: 1.1." in text


def test_rounds_are_summarized_by_their_medians(folder: Path) -> None:
    rows = [{"who": who, "first_step": took + n} for n in (0, 1, 5) for who, took in (("ours", 10.0), ("plain", 20.0))]
    results.write(folder / "launch.json", "launch", command="c", rows=rows)
    text, _ = made(folder)
    assert "| ours | 11.0 s | 3 |" in text
    assert "| plain | 21.0 s | 3 |" in text


def test_what_is_no_result_is_refused(folder: Path) -> None:
    (folder / "other.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"other\.json"):
        results_page.main([str(folder), "--out", str(folder / "x.md")])


def test_the_machine_is_described_without_paths() -> None:
    words = results.machine()
    assert "core" in words
    assert "GB of memory" in words
    assert "/" not in words.replace("(R)", "")
    assert "openvino" in results.versions({"more": "1"})
    assert results.versions({"more": "1"})["more"] == "1"


def test_one_benchmark_is_run_again_without_the_others(folder: Path) -> None:
    for name in ("first", "second"):
        results.write(folder / f"{name}.json", name, command="c", rows=[{"who": "ours", "n": 1}], turns=[{"n": 1}])
    made(folder)
    for file in folder.glob("*.json"):
        file.unlink()
    results.write(folder / "second.json", "second", command="c", rows=[{"who": "ours", "n": 2}])
    text, _ = made(folder)
    assert "## First" in text
    assert "| ours | 2 |" in text
    kept = json.loads((folder.parent / "docs" / "benchmarks" / "first.json").read_text(encoding="utf-8"))
    assert kept["rows"] == [{"who": "ours", "n": 1}]
    assert "turns" not in kept
