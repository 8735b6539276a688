"""After a crash the next start finds the document with all that belongs to it; after an orderly end it finds nothing;
two windows do not fight; nobody waits for the disk. For kills see `test_killed_autosave`."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.errors import UnexpectedError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import autosave as autosaving
from sdxl_desktop.session.document import recovery
from sdxl_desktop.session.document.autosave import Autosave, RecoverableDocument, find_recoverable
from sdxl_desktop.session.document.project_file import Project, ProjectError, load_project, write_archive
from sdxl_desktop.session.document.recovery import CloseState, sidecar_of
from tests.typed import arrays_equal, not_none
from tests.unit.session.document.sample_projects import assert_same, full_project, same_edit, same_latents
from tests.unit.session.document.test_project_file import disk_of, first_version


def crash(folder: Path, revision: int = 1) -> None:
    """Leave what a process leaves that is killed after writing."""
    code = (
        "import os, sys; from pathlib import Path;"
        "from sdxl_desktop.session.document.autosave import Autosave;"
        "from sdxl_desktop.session.document.project_file import Project;"
        f"Autosave(Path(sys.argv[1])).write_now(Project(picture_name='{revision}'), {revision}); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=60)


def test_a_crash_leaves_a_document_to_recover(tmp_path: Path) -> None:
    crash(tmp_path / "recovery", 7)
    (found,) = find_recoverable(tmp_path / "recovery")
    assert found.load().picture_name == "7"
    assert abs(found.left_at - time.time()) < 60
    found.discard()
    assert find_recoverable(tmp_path / "recovery") == ()
    assert not list((tmp_path / "recovery").iterdir())


@pytest.mark.parametrize("left", [CloseState.CLOSED, CloseState.SAVED, CloseState.REPLACED])
def test_an_orderly_end_leaves_the_document_and_how_it_was_left(tmp_path: Path, left: CloseState) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(Project(picture_name="1"), 1)
    autosave.close(left)
    autosave.write_now(Project(picture_name="2"), 2)  # a worker that comes late
    autosave.close()
    (found,) = find_recoverable(tmp_path)
    assert found.close_state is left
    assert found.load().picture_name == "1"
    found.release()
    (again,) = find_recoverable(tmp_path)
    assert again.close_state is CloseState.CRASHED, "it was opened and not closed"
    again.discard()
    assert not list(tmp_path.iterdir())


def test_an_empty_document_leaves_nothing(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(Project(picture_name="1"), 1)
    autosave.clear(2)
    autosave.close()
    assert not list(tmp_path.iterdir())


def test_a_document_that_was_about_to_end_and_goes_on_is_one_of_a_crash_again(tmp_path: Path) -> None:
    """A logout that another program has stopped."""
    for goes_on in (False, True):
        autosave = Autosave(tmp_path)
        autosave.write_now(Project(picture_name="1"), 1)
        autosave.mark_closing()
        if goes_on:
            autosave.write_now(Project(picture_name="2"), 2)
        found = leave_behind(autosave)
        assert found.close_state is (CloseState.CRASHED if goes_on else CloseState.CLOSED)
        found.discard()


def test_only_what_was_replaced_or_is_saved_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "MAX_REPLACED_DOCUMENTS", 2)
    for number, left in enumerate(
        (CloseState.CLOSED, *[CloseState.REPLACED] * 3, CloseState.CLOSED, *[CloseState.SAVED] * 2)
    ):
        autosave = Autosave(tmp_path)
        autosave.write_now(Project(picture_name=str(number)), 1)
        autosave.close(left)
        os.utime(autosave.file.with_suffix(".left"), (1e9 + number, 1e9 + number))
        os.utime(autosave.file, (1e9, 1e9))
    found = find_recoverable(tmp_path)
    assert [one.load().picture_name for one in found] == ["6", "5", "4", "3", "0"]
    for one in found:
        one.discard()
    assert not list(tmp_path.iterdir()), "those that made room are gone with all their parts"


def test_what_earlier_windows_left_can_be_told_apart_without_loading_it(photograph: UInt8Array, tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(full_project(photograph), 1)
    autosave.close()
    (found,) = find_recoverable(tmp_path)
    assert found.summary() == ("Näher – ☃.jpg", 3)
    assert found.size > photograph.nbytes
    found.file.write_bytes(b"damaged")
    assert found.summary() == ("", 0)
    found.discard()


def test_what_waits_to_be_drawn_comes_back_with_all_it_needs(photograph: UInt8Array, tmp_path: Path) -> None:
    project = full_project(photograph)
    waiting = tuple(candidate.request for candidate in project.candidates)
    autosave = Autosave(tmp_path)
    autosave.write_now(Project(queued_requests=waiting), 1)
    again = found_after(autosave).queued_requests
    assert again == waiting
    for mine, theirs in zip(again, waiting, strict=True):
        assert same_edit(mine.edit, theirs.edit)
    assert again[2].start is not None
    assert same_latents(again[2].start.latents, not_none(waiting[2].start).latents)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_person_can_read_what_is_kept(photograph: UInt8Array, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "recovery"
    folder.mkdir(parents=True, mode=0o755)
    autosave = Autosave(folder)
    autosave.write_now(full_project(photograph), 1)
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    autosave.close()
    (found,) = find_recoverable(folder)
    assert stat.S_IMODE(found.file.with_suffix(".left").stat().st_mode) == 0o600
    found.discard()


def test_a_window_that_is_open_is_not_offered_to_another(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(Project(picture_name="1"), 1)
    assert find_recoverable(tmp_path) == ()
    assert autosave.file.exists()
    autosave.close()


def test_of_two_windows_that_start_only_one_offers_it(tmp_path: Path) -> None:
    crash(tmp_path)
    (first,) = find_recoverable(tmp_path)
    assert find_recoverable(tmp_path) == ()
    first.release()
    (again,) = find_recoverable(tmp_path)
    again.discard()


def test_only_what_changed_is_due(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    assert not autosave.is_due(0)
    assert autosave.is_due(3)
    autosave.write_now(Project(), 3)
    assert not autosave.is_due(3)
    autosave.write_now(Project(picture_name="older"), 2)
    assert autosave.saved_revision == 3
    autosave.clear(4)
    assert not autosave.file.exists()
    assert not autosave.is_due(4)
    autosave.close()


def test_a_document_that_cannot_be_kept_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    autosave = Autosave(tmp_path / "file")
    with pytest.raises(ProjectError, match="recovery"):
        autosave.write_now(Project(), 1)
    assert find_recoverable(tmp_path / "file") == ()


def test_a_damaged_document_is_told_when_it_is_opened(tmp_path: Path) -> None:
    crash(tmp_path)
    (file,) = tmp_path.glob("*.sdxld")
    file.write_bytes(b"damaged")
    (found,) = find_recoverable(tmp_path)
    with pytest.raises(ProjectError, match="damaged"):
        found.load()
    found.discard()


# what is kept, and at what cost


def written(folder: Path) -> dict[str, int]:
    """The recovery files by name with the moment each was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def leave_behind(autosave: Autosave) -> RecoverableDocument:
    """What the next start finds if this one ends now."""
    autosave.abandon()
    (found,) = find_recoverable(autosave.file.parent)
    return found


def found_after(autosave: Autosave) -> Project:
    """The document that the next start finds if this one ends now; it is thrown away."""
    found = leave_behind(autosave)
    project = found.load()
    found.discard()
    return project


def test_everything_that_a_project_holds_comes_back(photograph: UInt8Array, tmp_path: Path) -> None:
    project = full_project(photograph)
    autosave = Autosave(tmp_path)
    autosave.write_now(project, 1)
    found = leave_behind(autosave)
    assert_same(found.load(), project)
    found.discard()
    assert not list(tmp_path.iterdir())


def test_only_what_is_new_is_written_again(photograph: UInt8Array, tmp_path: Path) -> None:
    project = full_project(photograph)
    autosave = Autosave(tmp_path)
    autosave.write_now(project, 1)
    first = written(tmp_path)
    project = replace(project, mask=255 - not_none(project.mask))
    autosave.write_now(project, 2)
    second = written(tmp_path)
    again = {name for name in second if first.get(name) != second[name]}
    assert len(again) == 2, "the file itself, and the mask that a candidate was drawn on, which is no longer the mask"
    smaller = replace(project, candidates=project.candidates[1:])
    autosave.write_now(smaller, 3)
    assert len(written(tmp_path)) == len(second) - 1, "what belonged to the first candidate alone is removed"
    assert_same(found_after(autosave), smaller)


@pytest.mark.parametrize(
    ("room", "lost"),
    [
        (194_000, 3),  # the newest was drawn on a picture of 192,000 bytes, and has as many itself
        (395_000, 2),
        (870_000, 1),  # the one before it has two pictures, and was drawn on another with a mask
        (880_000, 0),  # the first has next to nothing that the newest does not have: it began from its latents
    ],
)
def test_the_newest_candidates_are_kept_when_there_are_too_many(
    photograph: UInt8Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, lost: int
) -> None:
    project = full_project(photograph)
    unsaved = replace(project, candidates=tuple(replace(one, saved_to=None) for one in project.candidates))
    saved = replace(project, candidates=tuple(replace(one, saved_to=Path("/a.png")) for one in project.candidates))
    monkeypatch.setattr(autosaving, "MAX_CANDIDATE_BYTES", room)
    autosave = Autosave(tmp_path)
    autosave.write_now(saved, 1)
    assert_same(found_after(autosave), replace(project, candidates=project.candidates[lost:]))
    autosave = Autosave(tmp_path)
    autosave.write_now(unsaved, 1)
    assert_same(found_after(autosave), project)


def test_a_part_that_is_damaged_or_missing_is_told(photograph: UInt8Array, tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(full_project(photograph), 1)
    found = leave_behind(autosave)
    for part in (tmp_path / found.file.stem).with_suffix(".kept").iterdir():
        content = part.read_bytes()
        for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), None):
            if damaged is None:
                part.unlink()
            else:
                part.write_bytes(damaged)
            with pytest.raises(ProjectError, match="cannot be opened"):
                found.load()
        part.write_bytes(content)
    assert_same(found.load(), full_project(photograph))
    found.discard()


def test_a_recovery_file_of_an_older_version_comes_back(photograph: UInt8Array, tmp_path: Path) -> None:
    (tmp_path / "1-abc.sdxld").write_bytes(first_version(photograph))
    (found,) = find_recoverable(tmp_path)
    assert arrays_equal(found.load().picture, photograph)
    found.discard()


def test_a_full_disk_keeps_what_there_was(photograph: UInt8Array, tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    small = Project(picture=photograph[:20, :20].copy(), picture_name="old")
    autosave.write_now(small, 1)
    for room in (0, 1000, 150_000):
        with disk_of(room), pytest.raises(ProjectError, match=r"be (kept|saved)"):
            autosave.write_now(full_project(photograph), 2)
        assert autosave.is_due(2)
        assert_same(load_project(autosave.file, sidecar_of(autosave.file)), small)
    autosave.write_now(full_project(photograph), 2)
    assert_same(found_after(autosave), full_project(photograph))


# nobody waits


def schedule(writer: ThreadPoolExecutor, autosave: Autosave, revision: int) -> None:
    """Let `writer` write a document at `revision`, whose name says which it is."""
    autosave.set_pending(Project(picture_name=str(revision)), revision)
    writer.submit(autosave.write_pending)


class Slow:
    """Stands before the disk until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go, self.writes = threading.Event(), threading.Event(), 0

        def write(*args: Any) -> None:
            self.writes += 1
            self.reached.set()
            assert self.go.wait(30)
            write_archive(*args)

        monkeypatch.setattr(autosaving, "write_archive", write)


def test_of_what_waits_for_a_slow_disk_only_the_newest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    autosave = Autosave(tmp_path)
    with ThreadPoolExecutor(1) as writer:
        schedule(writer, autosave, 1)
        assert slow.reached.wait(30)
        for revision in range(2, 30):
            schedule(writer, autosave, revision)
        assert autosave.is_due(29)
        assert autosave.is_pending
        slow.go.set()
    assert autosave.saved_revision == 29
    assert not autosave.is_pending
    assert slow.writes == 2
    assert not autosave.is_due(29)
    assert found_after(autosave).picture_name == "29"


def test_clearing_does_not_wait_for_a_slow_disk_and_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    autosave = Autosave(tmp_path)
    with ThreadPoolExecutor(1) as writer:
        schedule(writer, autosave, 1)
        assert slow.reached.wait(30)
        autosave.clear(2)
        assert not autosave.is_due(2)
        slow.go.set()
    assert not autosave.file.exists()
    assert autosave.saved_revision == 2
    autosave.set_pending(Project(picture_name="3"), 3)
    autosave.write_pending()
    assert autosave.saved_revision == 3
    assert autosave.file.exists()
    autosave.close()


def test_closing_waits_for_a_write_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    autosave = Autosave(tmp_path)
    with ThreadPoolExecutor(2) as threads:
        schedule(threads, autosave, 1)
        assert slow.reached.wait(30)
        closing = threads.submit(autosave.close)
        assert not closing.done()
        slow.go.set()
    closing.result()
    (found,) = find_recoverable(tmp_path)
    assert found.close_state is CloseState.CLOSED
    assert found.load().picture_name == "1"
    found.discard()


def test_a_document_that_is_abandoned_while_it_is_written_is_left_as_by_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    autosave = Autosave(tmp_path)
    with ThreadPoolExecutor(1) as writer:
        schedule(writer, autosave, 1)
        assert slow.reached.wait(30)
        autosave.abandon()
        assert find_recoverable(tmp_path) == (), "it is still being written"
        slow.go.set()
    autosave.write_now(Project(picture_name="2"), 2)
    (found,) = find_recoverable(tmp_path)
    assert found.close_state is CloseState.CRASHED
    assert found.load().picture_name == "1"
    found.discard()


def test_what_nobody_foresaw_is_told_and_not_taken_for_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a thing nobody thought of")

    autosave = Autosave(tmp_path)
    autosave.set_pending(Project(), 1)
    with monkeypatch.context() as patched:
        patched.setattr(autosaving, "write_archive", fail)
        with pytest.raises(UnexpectedError, match="nobody thought of") as told:
            autosave.write_pending()
    assert autosave.is_due(1)
    assert autosave.last_error is told.value
    autosave.write_pending()
    assert autosave.is_due(1), "what failed is not pending any more"
    autosave.set_pending(Project(), 1)
    autosave.write_pending()
    assert not autosave.is_due(1)
    assert autosave.last_error is None
    autosave.close()


def test_the_name_of_a_picture_may_be_no_text(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write_now(Project(picture=np.zeros((4, 4, 3), np.uint8), picture_name="caf\udce9.png"), 1)
    assert found_after(autosave).picture_name == "caf?.png"


# going on


def test_a_document_that_was_recovered_goes_on_in_its_own_file(photograph: UInt8Array, tmp_path: Path) -> None:
    project = full_project(photograph)
    before = Autosave(tmp_path)
    before.write_now(project, 9)
    found = leave_behind(before)

    autosave = Autosave(tmp_path)
    autosave.write_now(Project(picture_name="what lay here before"), 1)
    opened = found.load()
    autosave.adopt(found, 2)
    assert not autosave.is_due(2)
    assert [path.name for path in tmp_path.glob("*.sdxld")] == [found.file.name], "one document, one file"
    assert find_recoverable(tmp_path) == (), "it belongs to this window"
    changed = replace(opened, picture_name="changed")
    autosave.write_now(changed, 3)
    assert_same(found_after(autosave), changed)


def test_a_closed_document_leaves_what_it_would_have_adopted(tmp_path: Path) -> None:
    crash(tmp_path, 7)
    (found,) = find_recoverable(tmp_path)
    autosave = Autosave(tmp_path)
    autosave.close()
    autosave.adopt(found, 1)
    (again,) = find_recoverable(tmp_path)
    assert again.load().picture_name == "7"
    again.discard()


def test_parts_that_belong_to_nothing_are_swept_away(photograph: UInt8Array, tmp_path: Path) -> None:
    crash(tmp_path, 7)
    (found,) = find_recoverable(tmp_path)
    orphan = tmp_path / "1-abc.kept"
    orphan.mkdir()
    (orphan / "x.pixels.part-12").write_bytes(b"half")
    living = Autosave(tmp_path)
    living.write_now(Project(picture=photograph), 1)
    living.file.rename(tmp_path / "aside")  # as if it were just being written for the first time
    assert find_recoverable(tmp_path) == ()
    assert not orphan.exists()
    assert list(living.file.with_suffix(".kept").iterdir()), "somebody is at it"
    assert found.load().picture_name == "7"
    found.discard()
    living.close()
