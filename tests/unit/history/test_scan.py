"""A scan finds new pictures, and notices what happened to the others outside of the application."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.history.entries import ChangeKind, EntryState, HistoryEntry, HistoryFilter
from sdxl_desktop.history.scanning import ScanReport
from tests.unit.history.pictures import Work

PRESENT, MISSING = EntryState.PRESENT, EntryState.MISSING


def scan(work: Work) -> ScanReport:
    return work.history.scan(work.pictures)


def states(work: Work) -> dict[str, EntryState]:
    return {str(entry.file.relative_to(work.folder)): entry.state for entry in work.history.page()}


def only(work: Work) -> HistoryEntry:
    (entry,) = work.history.page()
    return entry


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_picture_that_was_saved_but_not_indexed_is_found(work: Work, ending: str) -> None:
    work.write(f"cat{ending}", "a cat at night", 7, negative_prompt="blurry")
    report = scan(work)
    entry = only(work)
    assert report.added == [entry.id]
    assert (entry.prompt, entry.negative_prompt, entry.seed, entry.size) == ("a cat at night", "blurry", 7, Size(16, 8))
    assert (entry.checkpoint_title, entry.checkpoint_id) == ("base", "2:abc")
    assert work.names(text="nig") == [f"cat{ending}"]
    assert scan(work) == ScanReport()


def test_only_finished_pictures_of_ours_are_indexed(work: Work) -> None:
    work.write("sub/folder/cat.png")
    work.write("drafts/draft.png")
    work.write(".hidden/cat.png")
    work.write("plain.png", with_record=False)
    (work.pictures / "empty.png").touch()
    (work.pictures / "text.png").write_text("no picture")
    (work.pictures / ".abc.part").write_bytes((work.pictures / "sub/folder/cat.png").read_bytes())
    (work.pictures / "pipe.png").symlink_to("/dev/zero")
    os.mkfifo(work.pictures / "fifo.png")
    (work.pictures / "loop").symlink_to(work.pictures)
    scan(work)
    assert work.names() == ["cat.png"]


def test_a_folder_that_does_not_exist_is_empty(work: Work) -> None:
    assert scan(work) == ScanReport()
    work.pictures.mkdir()
    assert scan(work) == ScanReport()


def test_a_renamed_or_moved_picture_keeps_its_entry_and_marks(work: Work) -> None:
    entry = work.add("cat.png")
    work.history.set_rating([entry], 4)
    target = work.pictures / "sub" / "red cat.png"
    target.parent.mkdir()
    os.rename(work.pictures / "cat.png", target)
    assert scan(work).moved == [entry]
    assert (only(work).id, only(work).file, only(work).rating) == (entry, target, 4)


def test_a_picture_copied_elsewhere_and_deleted_is_found_by_its_content(work: Work) -> None:
    first, second = work.add("a.png", "a cat", 1), work.add("b.png", "a cat", 2)
    for name in ("a", "b"):
        shutil.copyfile(work.pictures / f"{name}.png", work.pictures / f"{name}-new.png")  # another time and inode
        (work.pictures / f"{name}.png").unlink()
    assert sorted(scan(work).moved) == [first, second]
    assert {entry.id: entry.file.name for entry in work.history.page()} == {first: "a-new.png", second: "b-new.png"}


def test_pictures_that_changed_places_are_told_apart(work: Work) -> None:
    ids = [work.add(f"{name}.png", "a cat", seed) for seed, name in enumerate("abc")]
    a, b, c, spare = (work.pictures / f"{name}.png" for name in ("a", "b", "c", "spare"))
    os.rename(a, spare)
    os.rename(b, a)
    os.rename(c, b)
    os.rename(spare, c)
    assert sorted(scan(work).moved) == ids
    assert {entry.seed: entry.file.name for entry in work.history.page()} == {0: "c.png", 1: "a.png", 2: "b.png"}


def test_a_copy_is_another_picture(work: Work) -> None:
    work.add("cat.png")
    shutil.copy2(work.pictures / "cat.png", work.pictures / "copy.png")
    assert len(scan(work).added) == 1
    assert sorted(work.names()) == ["cat.png", "copy.png"]


def test_a_missing_picture_stays_and_comes_back(work: Work, tmp_path: Path) -> None:
    entry = work.add("cat.png")
    work.history.add_tag([entry], "zoo")
    away = tmp_path / "away.png"
    os.rename(work.pictures / "cat.png", away)
    assert scan(work).missing == [entry]
    assert states(work) == {"pictures/cat.png": MISSING}
    assert work.names(state=PRESENT) == []
    assert scan(work) == ScanReport()
    os.rename(away, work.pictures / "cat.png")
    assert scan(work).returned == [entry]
    assert states(work) == {"pictures/cat.png": PRESENT}
    assert only(work).tags == ("zoo",)


def test_a_missing_picture_comes_back_under_another_name(work: Work, tmp_path: Path) -> None:
    entry = work.add("cat.png")
    shutil.copyfile(work.pictures / "cat.png", tmp_path / "away.png")
    (work.pictures / "cat.png").unlink()
    scan(work)
    shutil.copyfile(tmp_path / "away.png", work.pictures / "back.png")
    assert scan(work).moved == [entry]
    assert states(work) == {"pictures/back.png": PRESENT}


def test_a_pictures_folder_that_is_gone_for_a_while_loses_nothing(work: Work, tmp_path: Path) -> None:
    ids = [work.add(f"{number}.png", seed=number) for number in range(3)]
    os.rename(work.pictures, tmp_path / "unplugged")
    assert sorted(scan(work).missing) == ids
    os.rename(tmp_path / "unplugged", work.pictures)
    assert sorted(scan(work).returned) == ids


def test_an_edited_picture_keeps_its_entry_and_its_prompt(work: Work) -> None:
    entry = work.add("cat.png", "a cat")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(work.pictures / "cat.png")  # as other programs do
    assert scan(work).edited == [entry]
    assert (only(work).id, only(work).size, only(work).prompt) == (entry, Size(30, 20), "a cat")
    assert scan(work) == ScanReport()
    (work.pictures / "cat.png").write_bytes(b"damaged")
    scan(work)
    assert only(work).id == entry


def test_another_picture_that_was_drawn_into_the_same_file_is_a_new_one(work: Work) -> None:
    entry = work.add("cat.png", "a cat", 1)
    work.history.set_rating([entry], 5)
    work.write("new.png", "a dog", 2)
    shutil.copyfile(work.pictures / "new.png", work.pictures / "cat.png")  # as `generate -o` killed before indexing
    (work.pictures / "new.png").unlink()
    assert scan(work).removed == [entry]
    assert (only(work).prompt, only(work).seed, only(work).rating) == ("a dog", 2, 0)


def test_the_same_drawing_in_another_encoding_keeps_its_entry(work: Work) -> None:
    entry = work.add("cat.jpg", "a cat", 1)
    work.write("again.jpg", "a cat", 1, width=32)
    os.replace(work.pictures / "again.jpg", work.pictures / "cat.jpg")
    assert scan(work).edited == [entry]
    assert (only(work).id, only(work).size) == (entry, Size(32, 8))


def test_a_touched_file_is_not_edited(work: Work) -> None:
    work.add("cat.png")
    os.utime(work.pictures / "cat.png", (1, 1))
    assert scan(work) == ScanReport()


def test_a_picture_that_replaces_another_takes_its_place(work: Work) -> None:
    first, second = work.add("a.png", "a cat", 1), work.add("b.png", "a dog", 2)
    os.replace(work.pictures / "b.png", work.pictures / "a.png")
    report = scan(work)
    assert (report.moved, report.removed) == ([second], [first])
    assert [(entry.id, entry.file.name, entry.prompt) for entry in work.history.page()] == [(second, "a.png", "a dog")]


def test_a_deleted_picture_whose_file_is_there_stays_away(work: Work) -> None:
    entry = work.add("cat.png")
    work.history.forget([entry])
    assert scan(work) == ScanReport()
    assert work.history.count() == 0


def test_a_deleted_picture_returns_when_its_file_is_restored_from_the_trash(work: Work, tmp_path: Path) -> None:
    entry = work.add("cat.png")
    os.rename(work.pictures / "cat.png", tmp_path / "trash.png")
    work.history.forget([entry])
    scan(work)
    os.rename(tmp_path / "trash.png", work.pictures / "cat.png")
    assert scan(work).returned == [entry]
    assert work.names() == ["cat.png"]


def test_a_picture_that_is_drawn_again_after_its_deletion_is_a_new_one(work: Work) -> None:
    entry = work.add("cat.png", "a cat", 5)
    content = (work.pictures / "cat.png").read_bytes()
    (work.pictures / "cat.png").unlink()
    work.history.forget([entry])
    scan(work)
    (work.pictures / "cat.png").write_bytes(content)  # the same file again, indexed by nobody
    assert len(scan(work).added) == 1
    assert work.names() == ["cat.png"]


def test_pictures_elsewhere_are_watched_too(work: Work, tmp_path: Path) -> None:
    work.add("../elsewhere/cat.png")
    assert scan(work) == ScanReport()
    os.rename(tmp_path / "elsewhere", tmp_path / "away")
    assert len(scan(work).missing) == 1
    os.rename(tmp_path / "away", tmp_path / "elsewhere")
    assert len(scan(work).returned) == 1


def test_names_that_are_no_text_are_indexed(work: Work) -> None:
    source = work.write("cat.png")
    odd = Path(os.fsdecode(os.fsencode(work.pictures) + b"/caf\xe9 \xf0\x9f\x98\x80.png"))
    try:
        os.rename(source, odd)
    except OSError:
        pytest.skip("this file system has only names that are text")
    scan(work)
    assert only(work).file == odd
    assert scan(work) == ScanReport()


def test_damaged_records_do_not_stop_a_scan(work: Work) -> None:
    for number in range(5):
        file = work.write(f"{number}.png", seed=number)
        content = file.read_bytes()
        file.write_bytes(content[: len(content) * number // 5])
    work.write("whole.png", seed=9)
    scan(work)
    assert "whole.png" in work.names()


def test_a_cancelled_scan_keeps_what_it_found_and_goes_on_later(work: Work) -> None:
    for number in range(60):
        work.write(f"{number}.png", seed=number)
    left = iter(range(53))

    class Stop(Exception):
        pass

    def check() -> None:
        if next(left, None) is None:
            raise Stop

    with pytest.raises(Stop):
        work.history.scan(work.pictures, check)
    assert work.history.count() == 50
    assert len(scan(work).added) == 10


def test_listeners_are_told_what_a_scan_changed(work: Work) -> None:
    old = work.add("old.png", seed=1)
    new = work.write("new.png", seed=2)
    (work.pictures / "old.png").unlink()
    work.changes.clear()
    scan(work)
    found = work.history.entry_of_file(new)
    assert found is not None
    assert [(change.kind, change.ids) for change in work.changes] == [
        (ChangeKind.CHANGED, (old,)),
        (ChangeKind.ADDED, (found.id,)),
    ]
    assert work.history.count(HistoryFilter(state=MISSING)) == 1
