"""A finished picture is never discarded: it is saved in the next possible place, and the message names it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.metadata import picture_files
from sdxl_desktop.metadata.picture_files import read_record, write_picture
from sdxl_desktop.session import result_files
from tests.unit.cli.helpers import FakeEntryPoints, run_command

MINE = ("--checkpoint", "mine", "--seed", "7")
POSIX = pytest.mark.skipif(sys.platform != "linux", reason="such names are Linux's")


@dataclass
class DiskChangingEngine(FakeEngine):
    """Does something to the disk before its first picture is finished."""

    act: Callable[[], object] = lambda: None

    def generate(self, request: Any, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None) -> None:
        self.act()
        super().generate(request, emit, cancel, pausing)


def blocked(folder: Path) -> None:
    """A file stands where the folder was."""
    shutil.rmtree(folder)
    folder.write_text("in the way", encoding="utf-8")


def test_a_folder_that_is_lost_while_drawing_loses_no_picture(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = DiskChangingEngine(act=lambda: blocked(work_folder / "out"))
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "out/heart.webp", "--count", "2") == 1
    reported = capsys.readouterr()
    saved = [Path(line) for line in reported.out.splitlines()]
    assert len(saved) == 2
    assert {path.parent for path in saved} == {home.resolve() / "pictures"}
    assert str(saved[1]) in reported.err
    assert "heart.webp" in reported.err or "heart-2.webp" in reported.err
    assert [read_record(path).seed for path in saved] == [7, 8]  # type: ignore[union-attr]


def test_json_says_where_they_went(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = DiskChangingEngine(act=lambda: blocked(work_folder / "out"))
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "out/heart.png", "--json") == 1
    (saved,) = (home / "pictures").iterdir()
    assert json.loads(capsys.readouterr().out)["images"] == [str(saved.resolve())]


def test_where_the_pictures_folder_is_no_place_either_the_next_is_taken(
    fake_entry_points: FakeEntryPoints,
    work_folder: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    (tmp_path / "nobody").write_text("no folder", encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (home / "pictures").write_text("no folder", encoding="utf-8")
    fake_entry_points.engine = DiskChangingEngine(act=lambda: blocked(work_folder / "out"))
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "out/heart.png") == 1
    (saved,) = (tmp_path / "temporary").iterdir()
    assert capsys.readouterr().out == f"{saved}\n"


def test_whatever_fails_about_the_record_the_pixels_are_kept(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> str:
        raise RecursionError("nobody foresaw this")

    monkeypatch.setattr(picture_files, "encode_record", broken)
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "heart.jpg") == 1
    (saved,) = work_folder.iterdir()
    assert saved.suffix == ".png"
    with Image.open(saved) as image:
        assert image.size == (64, 64)


def test_a_format_that_cannot_hold_the_picture_is_reported_and_another_taken(
    fake_entry_points: FakeEntryPoints,
    work_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def only_png(path: Path, *arguments: Any, **named: Any) -> None:
        if path.suffix != ".png":
            raise ValueError("encoding error 5")
        write_picture(path, *arguments, **named)

    monkeypatch.setattr(result_files, "write_picture", only_png)
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "heart.webp") == 1
    (saved,) = work_folder.iterdir()
    reported = capsys.readouterr()
    assert reported.out == f"{saved}\n"
    assert "encoding error 5" in reported.err


def test_latents_that_cannot_be_written_lose_neither_themselves_nor_the_picture(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = DiskChangingEngine(act=lambda: blocked(work_folder / "kept"))
    code = run_command(fake_entry_points, "generate", "a", *MINE, "-o", "a.png", "--latents-out", "kept/a.safetensors")
    assert (work_folder / "a.png").exists()
    reported = capsys.readouterr()
    assert str(work_folder / "a.png") in reported.out
    if (home / "pictures").exists():  # the fake engine may keep no latents
        assert code == 1
        assert "latents-7.safetensors" in reported.err


# names


@POSIX
@pytest.mark.parametrize("letter", ["f", "é", "心", "🦊"])
def test_names_are_probed_as_they_will_be_written(
    letter: str, fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = len(letter.encode())
    fits = letter * (251 // size) + "f" * (251 % size) + ".png"
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", fits) == 0
    assert [path.name for path in work_folder.iterdir()] == [fits]
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", letter * (252 // size + 1) + ".png") == 2
    assert "too long" in capsys.readouterr().err
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--count", "2", "-o", fits) == 2, (
        "the second has a longer name"
    )
    assert len(fake_entry_points.engine.requests) == 1, "nothing was drawn in vain"
    assert [path.name for path in work_folder.iterdir()] == [fits]


@POSIX
def test_what_is_no_file_is_refused_before_drawing(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(work_folder / "pipe.png")
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "pipe.png") == 2
    assert "pipe" in capsys.readouterr().err
    assert not fake_entry_points.engine.requests


@POSIX
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["path", "json"])
def test_names_that_are_no_text_are_written_and_printed(
    encoding: str,
    form: tuple[str, ...],
    fake_entry_points: FakeEntryPoints,
    work_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = os.fsdecode(b"caf\xe9\xf0.png")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(work_folder / name)
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    output = os.fsdecode("ü-心-".encode() + b"\xe9.png")
    assert (
        run_command(fake_entry_points, "generate", "ein Füchslein 心", *MINE, "--image", name, "-o", output, *form) == 0
    )
    sys.stdout.flush()
    written = work_folder / output
    record = read_record(written)
    assert record is not None
    assert record.request.edit is not None
    assert record.request.edit.picture.name == "caf\ufffd\ufffd.png"
    if form:
        report = json.loads(printed.getvalue().decode(encoding))
        assert report["images"] == [str(written)]
        assert report["request"]["prompt"] == "ein Füchslein 心"
    elif encoding == "utf-8":
        assert printed.getvalue() == os.fsencode(written) + b"\n"
    else:
        assert printed.getvalue().endswith(b"-\xe9.png\n")


@POSIX
def test_a_current_folder_that_has_gone_is_reported(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work_folder.rmdir()
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 2
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "a.png") == 2
    assert "whole path" in capsys.readouterr().err


@POSIX
def test_a_prompt_in_another_encoding_is_understood_or_refused(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_in_a_terminal_without_unicode = "ein Füchslein".encode().decode("ascii", "surrogateescape")
    assert run_command(fake_entry_points, "generate", as_in_a_terminal_without_unicode, *MINE) == 0
    assert fake_entry_points.engine.requests[0].prompts.prompt == "ein Füchslein"
    assert run_command(fake_entry_points, "generate", "caf\udce9", *MINE) == 2
    assert "no text" in capsys.readouterr().err
    assert len(fake_entry_points.engine.requests) == 1


def test_a_checkpoint_of_an_impossible_name_is_refused(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", "x" * 5000) == 2
    assert len(capsys.readouterr().err) < 1000
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--image", "x" * 300) == 2
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--lora", "x" * 300) == 2
    assert run_command(fake_entry_points, "x" * 300) == 2
