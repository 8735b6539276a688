"""The window's history opens, answers and follows its folder without blocking."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.bridge.history_watch import HistoryWatch
from sdxl_desktop.history.entries import ChangeKind, HistoryEntry
from sdxl_desktop.history.errors import HistoryError, HistoryNewerError
from sdxl_desktop.history.store import History
from tests.unit.history.pictures import Work, work_in


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with work_in(tmp_path) as work:
        yield work


@pytest.fixture
def thread(work: Work, qtbot: QtBot) -> Iterator[HistoryThread]:
    made = HistoryThread(work.database)
    yield made
    made.close()
    made.close()


def entries(thread: HistoryThread, qtbot: QtBot) -> list[HistoryEntry]:
    answers: list[tuple[HistoryEntry, ...]] = []
    thread.read(lambda history: history.page(), answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    return list(answers[0])


def test_tasks_wait_until_it_is_open_and_run_off_the_main_thread(
    work: Work, thread: HistoryThread, qtbot: QtBot
) -> None:
    work.add("cat.png")
    work.close()
    main = threading.get_ident()
    threads: list[int] = []
    answers: list[int] = []

    def count(history: History) -> int:
        threads.append(threading.get_ident())
        return history.count()

    thread.read(count, answers.append)
    thread.write(lambda history: history.set_rating([1], 3), lambda _: answers.append(threading.get_ident()))
    assert not thread.is_open
    thread.open()
    thread.open()
    qtbot.waitUntil(lambda: len(answers) == 2)
    assert sorted(answers) == sorted([1, main])
    assert main not in threads
    assert entries(thread, qtbot)[0].rating == 3


def test_a_history_that_cannot_be_opened_fails_each_task_and_is_told_once(
    work: Work, thread: HistoryThread, qtbot: QtBot
) -> None:
    work.add("cat.png")
    work.close()
    with closing(sqlite3.connect(work.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
    told: list[object] = []
    failed: list[object] = []
    thread.open_failed.connect(told.append)
    thread.read(lambda history: history.count(), failed.append, failed.append)
    thread.open()
    qtbot.waitUntil(lambda: bool(failed))
    thread.write(lambda history: history.count(), failed.append, failed.append)
    assert failed == [thread.error, thread.error]
    assert told == [thread.error]
    assert isinstance(thread.error, HistoryNewerError)


def test_changes_are_told_on_the_main_thread(work: Work, thread: HistoryThread, qtbot: QtBot) -> None:
    work.add("cat.png")
    work.close()
    thread.open()
    with qtbot.waitSignal(thread.changed) as changed:
        thread.write(lambda history: history.set_starred([1], True))
    assert (changed.args[0].kind, changed.args[0].ids) == (ChangeKind.CHANGED, (1,))


def test_writing_that_was_asked_for_is_finished_when_the_window_closes(
    work: Work, thread: HistoryThread, qtbot: QtBot
) -> None:
    work.add("cat.png")
    work.close()
    thread.open()
    qtbot.waitUntil(lambda: thread.is_open)
    for rating in (1, 2, 3, 4, 5):
        thread.write(partial(History.set_rating, ids=[1], rating=rating))
    thread.close()
    qtbot.waitUntil(lambda: not any(each.name == "history" for each in threading.enumerate()))
    assert work.history.entries([1])[0].rating == 5


def test_the_folder_is_followed(work: Work, thread: HistoryThread, qtbot: QtBot) -> None:
    work.write("first.png", seed=1)
    watch = HistoryWatch(thread)
    thread.open()
    with qtbot.waitSignal(watch.scanned):
        watch.set_folder(work.pictures)
    assert [entry.file.name for entry in entries(thread, qtbot)] == ["first.png"]
    with qtbot.waitSignal(watch.scanned, timeout=10_000):
        work.write("sub/second.png", seed=2)
        os.rename(work.pictures / "first.png", work.pictures / "renamed.png")
    assert {entry.file.name for entry in entries(thread, qtbot)} == {"renamed.png", "second.png"}
    with qtbot.waitSignal(watch.scanned, timeout=10_000):
        os.rename(work.pictures / "sub" / "second.png", work.pictures / "sub" / "third.png")
    assert {entry.file.name for entry in entries(thread, qtbot)} == {"renamed.png", "third.png"}


def test_a_damaged_history_is_made_again_and_told(work: Work, thread: HistoryThread, qtbot: QtBot) -> None:
    for seed in range(3):
        work.add(f"{seed}.png", seed=seed)
    work.history.set_rating([2], 4)
    work.close()
    content = bytearray(work.database.read_bytes())
    with closing(sqlite3.connect(work.database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'picture'").fetchone()
    content[(page - 1) * 4096 : page * 4096 - 3000] = b"\xee" * 1096
    work.database.write_bytes(content)
    watch = HistoryWatch(thread)
    with qtbot.waitSignal(watch.reported, timeout=10_000) as told:
        thread.open()
        watch.set_folder(work.pictures)
    assert isinstance(told.args[0], HistoryError)
    assert "made again" in str(told.args[0])
    assert sorted(entry.rating for entry in entries(thread, qtbot)) == [0, 0, 4]
    assert len(list(work.database.parent.glob("*-damaged-*.sqlite3"))) == 1


def test_what_another_process_changes_is_told(work: Work, thread: HistoryThread, qtbot: QtBot) -> None:
    thread.open()
    qtbot.waitUntil(lambda: thread.is_open)
    with qtbot.waitSignal(thread.changed, timeout=10_000) as changed:
        work.add("cat.png")  # by connections of its own, as another process has them
    assert changed.args[0].kind is ChangeKind.RESET
