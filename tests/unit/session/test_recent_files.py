"""Recent files: the newest first, each once whatever its spelling, what is gone left out, garbage no reason to fail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.session.recent_files import MAX_RECENT, RecentFiles


@pytest.fixture
def recent(tmp_path: Path) -> RecentFiles:
    return RecentFiles(tmp_path / "data" / "recent.json")


def made(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return files


def test_the_newest_comes_first_and_stays_between_starts(recent: RecentFiles, tmp_path: Path) -> None:
    one, two, three = made(tmp_path, "1.png", "Bär ♥.sdxld", "3.jpg")
    for file in (one, two, three, one):
        recent.add(file)
    assert recent.existing_paths() == (one, three, two)
    assert RecentFiles(recent.file).existing_paths() == (one, three, two)
    left = [name for name in os.listdir(recent.file.parent) if not name.endswith(".lock")]
    assert left == ["recent.json"], "nothing half-written is left"


def test_nothing_was_opened_yet(recent: RecentFiles) -> None:
    assert recent.existing_paths() == ()
    assert not recent.file.parent.exists()


def test_twelve_are_kept(recent: RecentFiles, tmp_path: Path) -> None:
    files = made(tmp_path, *(f"{number}.png" for number in range(MAX_RECENT + 3)))
    for file in files:
        recent.add(file)
    assert MAX_RECENT == 12
    assert recent.existing_paths() == tuple(files[:2:-1])


def test_the_same_file_is_listed_once_whatever_its_spelling(
    recent: RecentFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file, other) = made(tmp_path / "folder", "a.png", "b.png")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "folder")
    recent.add(other)
    for spelling in (
        file,
        Path("a.png"),
        Path("../folder/./a.png"),
        link / "a.png",
        tmp_path / "folder" / ".." / "link/a.png",
    ):
        recent.add(spelling)
        assert len(recent.existing_paths()) == 2
        assert os.path.samefile(recent.existing_paths()[0], file)
        assert recent.existing_paths()[0].is_absolute()
    file.unlink()
    recent.add(file)  # saved again in a moment, say
    made(tmp_path / "folder", "a.png")
    assert recent.existing_paths() == (file, other)


def test_what_is_missing_is_not_listed_but_comes_back_with_its_disk(recent: RecentFiles, tmp_path: Path) -> None:
    here, away = made(tmp_path, "here.png", "disk/away.png")
    recent.add(here)
    recent.add(away)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    assert recent.existing_paths() == (here,)
    recent.add(here)
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert recent.existing_paths() == (here, away)


def test_what_is_missing_makes_room_first(recent: RecentFiles, tmp_path: Path) -> None:
    gone, *files = made(tmp_path, "gone.png", *(f"{number}.png" for number in range(MAX_RECENT)))
    for file in files[:-1]:
        recent.add(file)
    recent.add(gone)
    gone.unlink()
    recent.add(files[-1])
    assert recent.existing_paths() == tuple(files[::-1])


def test_files_can_be_forgotten(recent: RecentFiles, tmp_path: Path) -> None:
    one, two = made(tmp_path, "1.png", "2.png")
    recent.add(one)
    recent.add(two)
    recent.forget(tmp_path / "x" / ".." / "2.png")
    assert recent.existing_paths() == (one,)
    recent.clear()
    assert recent.existing_paths() == ()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"5",
        b'{"a": 1}',
        b"[1, 2]",
        b"[" * 100_000,
        b'["relative.png", "", "/a\\u0000b"]',
        b'["\\ud800"]',
    ],
    ids=repr,
)
def test_garbage_counts_as_empty_and_is_replaced(recent: RecentFiles, tmp_path: Path, garbage: bytes) -> None:
    (file,) = made(tmp_path, "a.png")
    recent.file.parent.mkdir()
    recent.file.write_bytes(garbage)
    assert recent.existing_paths() == ()
    recent.add(file)
    assert recent.existing_paths() == (file,)


def test_a_list_without_end_is_not_read(recent: RecentFiles, tmp_path: Path) -> None:
    (file,) = made(tmp_path, "a.png")
    recent.file.parent.mkdir()
    recent.file.write_text(json.dumps([str(file)] * 100_000))
    assert recent.existing_paths() == ()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_listed_too(recent: RecentFiles, tmp_path: Path) -> None:
    (file,) = made(tmp_path, "a.png")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    odd.touch()
    recent.add(file)
    recent.add(odd)
    assert recent.existing_paths() == (odd, file)


def test_a_list_that_cannot_be_written_is_reported_and_keeps_the_old(recent: RecentFiles, tmp_path: Path) -> None:
    (file,) = made(tmp_path, "a.png")
    recent.file.parent.write_text("in the way")
    with pytest.raises(SettingsError, match="recent files could not be saved") as reported:
        recent.add(file)
    assert reported.value.next_step
    assert recent.existing_paths() == ()
