"""The library's threads answer whatever happens in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.library_thread import DefaultLibraryService, LibraryThread
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_state import ImportJobSpec


class FailingCleanupService(DefaultLibraryService):
    """Cannot throw anything away."""

    def clean_up_import(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
        raise PermissionError(13, "Permission denied", name)


@pytest.fixture
def thread(tmp_path: Path, qtbot: QtBot) -> Iterator[LibraryThread]:
    made = LibraryThread(FailingCleanupService())
    made.library = lambda: Library(tmp_path / "shipped", tmp_path / "own")
    yield made
    made.close()


def test_what_cannot_be_discarded_is_reported(thread: LibraryThread, qtbot: QtBot) -> None:
    with qtbot.waitSignal(thread.cleanup_failed, timeout=3000) as failed:
        thread.discard(ImportJobSpec(what="someone/xl", name="xl", title="XL"), None)
    assert "Permission denied" in str(failed.args[0])


def test_a_question_that_fails_is_answered_with_the_error(thread: LibraryThread, qtbot: QtBot) -> None:
    answers: list[object] = []

    def work() -> None:
        raise ZeroDivisionError("division by zero")

    thread.submit(work, lambda _: None, answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert "division by zero" in str(answers[0])


def test_a_question_whose_failure_nobody_takes_is_reported(thread: LibraryThread, qtbot: QtBot) -> None:
    def work() -> None:
        raise LookupError("nobody thought of this")

    with qtbot.waitSignal(thread.cleanup_failed, timeout=3000) as failed:
        thread.submit(work, lambda _: None)
    assert "nobody thought of this" in str(failed.args[0])
