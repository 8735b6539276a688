"""A job compares two checkpoints; its numbers stay in the list and its report opens in the browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.session.library_jobs import JobState
from sdxl_desktop.ui.library.compare_dialog import CompareDialog
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.library.conftest import LEFT, FakeLibraryService, OpenWindow, current_dialog, current_dialog_of, press
from tests.ui.library.test_jobs import rows, states
from tests.ui.library.test_library_dialog import choose

pytestmark = pytest.mark.usefixtures("plain_style")

JOB = "mine ↔ starter"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[QUrl]:
    """The URLs that the desktop was asked to open."""
    urls: list[QUrl] = []

    def open_url(url: QUrl) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    return urls


@pytest.fixture
def dialog(window: MainWindow, page: LibraryDialog, qtbot: QtBot) -> CompareDialog:
    choose(page, qtbot, "Starter")
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Compare")
    return current_dialog_of(CompareDialog, window, qtbot)


def start_comparison(dialog: CompareDialog, service: FakeLibraryService, qtbot: QtBot) -> None:
    before = len(service.compared)
    qtbot.mouseClick(dialog.start_button, LEFT)
    qtbot.waitUntil(lambda: len(service.compared) == before + 1)


def test_the_others_that_draw_from_a_prompt_can_be_chosen(dialog: CompareDialog) -> None:
    offered = [dialog.other_choice.itemText(place) for place in range(dialog.other_choice.count())]
    assert offered == ["Starter (starter)", "Wide (wide)"]
    assert "4 pictures with each, 64 × 64 at 7 steps" in dialog.text()


def test_what_was_chosen_is_compared(
    dialog: CompareDialog, own: Path, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    dialog.other_choice.setCurrentIndex(1)
    dialog.prompts_field.setValue(3)
    dialog.seeds_field.setValue(2)
    assert "6 pictures with each" in dialog.text()
    start_comparison(dialog, library_service, qtbot)
    (note,) = library_service.compared
    assert (note.first, note.second.name) == (own / "mine", "wide")
    assert (note.prompts, note.seeds) == (3, 2)
    assert note.report_folder.parent == own.parent


def test_it_is_drawn_where_the_settings_say(
    dialog: CompareDialog, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    window.preferences.set_value(replace(window.preferences.settings().preferences, device="GPU", precision="f32"))
    start_comparison(dialog, library_service, qtbot)
    assert (library_service.compared[0].execution.device, library_service.compared[0].execution.precision) == (
        "GPU",
        "f32",
    )


def test_the_numbers_stay_in_the_list_and_the_report_opens(
    dialog: CompareDialog, window: MainWindow, library_service: FakeLibraryService, opened: list[QUrl], qtbot: QtBot
) -> None:
    start_comparison(dialog, library_service, qtbot)
    qtbot.waitUntil(lambda: "Drawing with mine (prompt 1 of 8) · 10%" in rows(window)[0])
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: states(window) == [(JOB, JobState.DONE)])
    page = QUrl.fromLocalFile(str(library_service.compared[0].report_folder / "comparison.html"))
    assert opened == [page]
    for fact in ("32.0 dB apart", "disk: 20 MB → 10 MB", "step: 1.25 s → 1.5 s", "drawing: 0.3 GB → 0.2 GB"):
        assert fact in rows(window)[0], fact
    assert "32.0 dB" in current_dialog(window).toast.accessibleName()
    press(qtbot, current_dialog(window).jobs, "Open the report")
    assert opened == [page, page]


def test_stop_ends_it_at_once_and_leaves_no_half_job(
    dialog: CompareDialog, window: MainWindow, library_service: FakeLibraryService, opened: list[QUrl], qtbot: QtBot
) -> None:
    start_comparison(dialog, library_service, qtbot)
    press(qtbot, current_dialog(window).jobs, "Stop")
    qtbot.waitUntil(lambda: states(window) == [])
    assert opened == []


def test_a_comparison_is_not_continued_at_the_next_start(
    dialog: CompareDialog, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_comparison(dialog, library_service, qtbot)
    assert states(open_window()) == []


def test_a_failure_can_be_tried_again(
    dialog: CompareDialog, window: MainWindow, library_service: FakeLibraryService, opened: list[QUrl], qtbot: QtBot
) -> None:
    library_service.error = CheckpointError("It cannot draw so.", next_step="Choose another.")
    library_service.may_finish.set()
    start_comparison(dialog, library_service, qtbot)
    qtbot.waitUntil(lambda: states(window) == [(JOB, JobState.FAILED)])
    assert "It cannot draw so. Choose another." in rows(window)[0]
    press(qtbot, current_dialog(window), "Try again")
    qtbot.waitUntil(lambda: states(window) == [(JOB, JobState.DONE)])


def test_with_a_single_checkpoint_there_is_nothing_to_compare(
    shipped: Path, open_window: OpenWindow, qtbot: QtBot
) -> None:
    for folder in ("wide",):
        (shipped / folder / "model_index.json").unlink()
    page = open_window().library_controller.open_dialog()
    qtbot.waitUntil(lambda: len(page.row_texts()) == 1)
    choose(page, qtbot, "Starter")
    assert not page.details.compare_button.isEnabled()
