"""The history is made again from the files: on request, and when its database is lost or damaged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.events import Timings
from sdxl_desktop.history.entries import HistoryDetails
from sdxl_desktop.history.errors import HistoryError
from sdxl_desktop.history.store import NOTES_NAME, History
from tests.unit.history.pictures import Work, edit_of, finished


def knowledge(work: Work) -> dict[str, Any]:
    """What the history says of each file, apart from its numbers."""
    history = work.history

    def plain(details: HistoryDetails) -> tuple[Any, ...]:
        entry = details.entry
        names = {one.id: one.file.name for one in history.page()}
        parents = sorted((each.role.value, each.digest, names.get(each.entry or 0)) for each in details.parents)
        return (
            (entry.created, entry.size, entry.kind, entry.prompt, entry.seed, entry.checkpoint_title, entry.has_mask),
            (entry.checkpoint_id, entry.rating, entry.starred, entry.tags, entry.state),
            (details.record, details.timings, details.devices, details.version, parents, details.file_bytes),
        )

    return {entry.file.name: plain(each) for entry in history.page() if (each := history.details(entry.id))}


@pytest.fixture
def marked(work: Work) -> Work:
    mask = np.zeros((8, 16), np.uint8)
    mask[:, -2:] = 255
    work.add("source.png", "a cat", 1)
    work.add("extended.png", "a cat", 2, edit=edit_of(finished(1).pixels, mask))
    work.add("photo.jpg", "a dog", 3)
    work.add("plain.png", "no record", 4, with_record=False)
    work.add("../elsewhere/cat.png", "a cat", 5)
    work.add("deleted.png", "a cat", 6)
    history = work.history
    history.set_run([1, 2], Timings(denoise=3.5), {"unet": "CPU"})
    history.set_rating([2, 4], 5)
    history.set_starred([3, 5], True)
    history.add_tag([1, 5], "zoo")
    history.forget([6])
    return work


def test_a_rebuilt_history_says_the_same(marked: Work) -> None:
    before = knowledge(marked)
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked) == before
    marked.close()
    assert knowledge(marked) == before


def test_a_lost_database_is_made_again_by_a_scan(marked: Work) -> None:
    before = knowledge(marked)
    marked.close()
    marked.database.unlink()
    marked.history.scan(marked.pictures)
    assert knowledge(marked) == {name: each for name, each in before.items() if name != "cat.png"}
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked) == before


def test_files_alone_are_enough_for_what_is_in_their_records(marked: Work) -> None:
    marked.close()
    marked.database.unlink()
    (marked.database.parent / NOTES_NAME).unlink()
    marked.history.rebuild(marked.pictures)
    found = knowledge(marked)
    assert set(found) == {"source.png", "extended.png", "photo.jpg", "deleted.png"}
    assert found["extended.png"][2][4][1][2] == "source.png"  # the parent, by its pixels


def test_marks_follow_a_picture_that_was_moved_before_the_rebuild(marked: Work) -> None:
    os.rename(marked.pictures / "extended.png", marked.pictures / "renamed.png")
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked)["renamed.png"][1][1] == 5


def test_a_missing_picture_gets_its_marks_back_after_a_rebuild(marked: Work, tmp_path: Path) -> None:
    os.rename(marked.pictures / "extended.png", tmp_path / "away.png")
    marked.history.rebuild(marked.pictures)
    assert "extended.png" not in marked.names()
    os.rename(tmp_path / "away.png", marked.pictures / "extended.png")
    marked.history.scan(marked.pictures)
    assert knowledge(marked)["extended.png"][1][1] == 5


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda content: b"this is no database" * 100,
    "cut": lambda content: content[: len(content) // 3],
    "first page": lambda content: content[:100] + b"\xff" * 3996 + content[4096:],
    "header": lambda content: b"\0" * 100 + content[100:],
    "all": lambda content: b"\xff" * len(content),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_set_aside_and_made_again(marked: Work, damage: str) -> None:
    before = knowledge(marked)
    marked.close()
    damaged = DAMAGES[damage](marked.database.read_bytes())
    marked.database.write_bytes(damaged)
    history = History.open(marked.database, thorough=True)
    marked.opened = history
    assert history.damaged is not None
    assert history.damaged.read_bytes() == damaged
    history.rebuild(marked.pictures)
    assert knowledge(marked) == before
    marked.close()
    assert marked.history.damaged is None


def test_damage_inside_is_found_by_a_thorough_check(marked: Work) -> None:
    marked.close()
    with closing(sqlite3.connect(marked.database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'picture'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(marked.database.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 64] = b"\xee" * 64
    marked.database.write_bytes(content)
    with closing(History.open(marked.database)) as history, pytest.raises(HistoryError, match="damaged"):
        history.check()
    with closing(History.open(marked.database, thorough=True)) as history:
        assert history.damaged is not None
        assert history.damaged.read_bytes() == bytes(content)


def test_a_damaged_index_of_words_is_found_by_a_thorough_check(marked: Work) -> None:
    before = knowledge(marked)
    with closing(sqlite3.connect(marked.database)) as connection, connection:
        connection.execute("UPDATE picture_text_data SET block = x'0102030405' WHERE id > 10")
    assert marked.history.recover() is not None
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked) == before
    assert marked.history.recover() is None


def test_cut_and_foreign_lines_in_the_notes_are_skipped(marked: Work) -> None:
    before = knowledge(marked)
    marked.close()
    notes = marked.database.parent / NOTES_NAME
    content = notes.read_bytes()
    junk = (
        b'\n{"content": 3}\n[1]\nnull\n\xff\xfe\n{"content": "x", "tags": [1]}\n' + b"[" * 5000 + b'\n{"content":"cut'
    )
    notes.write_bytes(b"\n" + junk + content + junk)
    marked.database.unlink()
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked) == before


def test_notes_are_shortened_without_losing_any(marked: Work) -> None:
    before = knowledge(marked)
    notes = marked.database.parent / NOTES_NAME
    notes.write_bytes(notes.read_bytes() * 100)
    long = notes.stat().st_size
    marked.history.tidy()
    assert notes.stat().st_size < long / 50
    marked.close()
    marked.database.unlink()
    marked.history.rebuild(marked.pictures)
    assert knowledge(marked) == before


def test_what_was_deleted_long_ago_is_removed_for_good(marked: Work) -> None:
    (marked.pictures / "deleted.png").unlink()
    marked.history.scan(marked.pictures)
    marked.history.tidy()
    assert marked.history.restore([6]) == (6,)
    marked.history.forget([6])
    marked.close()
    long_ago = int((datetime.now() - timedelta(days=31)).timestamp()) * 1_000_000
    with closing(sqlite3.connect(marked.database)) as connection, connection:
        connection.execute("UPDATE picture SET forgotten = ?, missing = 1 WHERE id = 6", (long_ago,))
    marked.history.tidy()
    assert marked.history.restore([6]) == ()


def test_notes_are_readable_by_this_user_only(marked: Work) -> None:
    for file in (marked.database, marked.database.parent / NOTES_NAME):
        assert file.stat().st_mode & 0o077 == 0
