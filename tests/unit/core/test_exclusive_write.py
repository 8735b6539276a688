"""A new file never takes the place of another, however many write at once and whatever the disk can do."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sdxl_desktop.core.exclusive_write import FileNameTakenError, first_free_name, numbered_names, write_exclusively


def test_what_is_there_stays_and_no_file_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(FileNameTakenError):
        write_exclusively(tmp_path / "a.png", lambda beside: beside.write_bytes(b"new"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"old")]


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_name_that_is_taken_while_it_writes_is_left_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError("not on this disk")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "new folder" / "a.png"

    def slow(beside: Path) -> None:
        beside.write_bytes(b"mine")
        path.write_bytes(b"theirs")

    with pytest.raises(FileNameTakenError):
        write_exclusively(path, slow)
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("a.png", b"theirs")]
    write_exclusively(path.with_name("b.png"), lambda beside: beside.write_bytes(b"mine"))
    assert path.with_name("b.png").read_bytes() == b"mine"


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def half(beside: Path) -> None:
        beside.write_bytes(b"half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_exclusively(tmp_path / "a.png", half)
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_get_a_name_each(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for name in numbered_names(tmp_path / "v1.2.png"):
            try:
                write_exclusively(name, lambda beside: beside.write_text(str(number)))
            except FileNameTakenError:
                continue
            return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(int(path.read_text()) for path in tmp_path.iterdir()) == list(range(12))
    assert {path.name for path in tmp_path.iterdir()} == {"v1.2.png", *(f"v1.2-{n}.png" for n in range(2, 13))}


def test_a_link_to_nowhere_counts_as_something(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    assert first_free_name(tmp_path / "a.png") == tmp_path / "a-2.png"
