"""`inspect` says who made a picture and how, and loads nothing heavy for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command
from tests.unit.metadata.foreign_samples import SAMPLES, png
from tests.unit.metadata.test_round_trips import REQUEST, write


def test_words(fake_entry_points: FakeEntryPoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SAMPLES["a1111-png"].write(tmp_path / "a.png")
    assert run_command(fake_entry_points, "inspect", str(tmp_path / "a.png")) == 0
    said = capsys.readouterr().out
    for words in ("AUTOMATIC1111 1.10.1", "DPM++ 2M Karras", "4294967295", "832 × 1216", "Not here", "ADetailer"):
        assert words in said
    assert "the checkpoint sd_xl_base_1.0 [31e35c80fc]" in said
    assert not fake_entry_points.opened


def test_json_has_a_line_for_each_file(
    fake_entry_points: FakeEntryPoints, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_checkpoint(home)
    write(tmp_path / "own.png", REQUEST, seed=8)
    SAMPLES["invokeai"].write(tmp_path / "i.png")
    names = [str(tmp_path / name) for name in ("own.png", "i.png")]
    assert run_command(fake_entry_points, "inspect", "--json", *names) == 0
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (ours["settings"]["seed"], ours["settings"]["steps"], ours["file"]) == (8, 25, names[0])
    assert ours["missing"]
    assert (theirs["settings"]["size"], theirs["without_counterpart"]) == ("1184x888", ["IP adapters"])


def test_exit_codes(fake_entry_points: FakeEntryPoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "no.png").write_text("not a picture")
    png(prompt="[" * 100_000)(tmp_path / "bad.png")
    assert run_command(fake_entry_points, "inspect", str(tmp_path / "plain.png")) == 1
    assert "does not say how it was made" in capsys.readouterr().out
    for name in ("no.png", "missing.png", "bad.png"):
        assert run_command(fake_entry_points, "inspect", str(tmp_path / name)) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1, "one sentence on one line"
        assert name in told.err
        assert not told.out
