"""Imports run one after another while the window is used; they pause, resume, fail, and their results are used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_errors import AccessError, ConnectionLostError
from sdxl_desktop.session.library_jobs import JobState
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import wait_until_idle
from tests.ui.library.conftest import (
    LEFT,
    FakeLibraryService,
    OpenWindow,
    button_in,
    current_dialog,
    current_import_dialog,
    current_question,
    current_toast,
    press,
    start_import,
)
from tests.unit.library.fake_safetensors import write_sparse_file

pytestmark = pytest.mark.usefixtures("plain_style")

INT8 = WeightFormat.INT8


def states(window: MainWindow) -> list[tuple[str, JobState]]:
    return [(job.spec.name, job.state) for job in window.library_controller.actions.jobs.jobs]


def rows(window: MainWindow) -> list[str]:
    return [row.text() for row in current_dialog(window).jobs.rows]


def test_a_job_shows_where_it_stands_and_then_can_be_used(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: "25%" in rows(window)[0])
    assert "Downloading (unet)" in rows(window)[0]
    assert "about 4 min left" in rows(window)[0]
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: current_toast(window).isVisible())
    assert "tiny-xl is ready" in current_toast(window).accessibleName()
    assert rows(window) == []
    assert library_service.started_imports == [("tiny-xl", INT8)]
    assert window.parameters_panel.value().checkpoint != "tiny-xl"
    press(qtbot, current_toast(window), "Use it")
    assert window.parameters_panel.value().checkpoint == "tiny-xl"


def test_the_page_lists_what_has_come_without_being_asked(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: any(words.startswith("tiny-xl") for words in current_dialog(window).row_texts()))


def test_jobs_run_one_after_the_other(window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot) -> None:
    start_import(window, qtbot, "someone/first")
    start_import(window, qtbot, "someone/second")
    assert states(window) == [("first", JobState.RUNNING), ("second", JobState.WAITING)]
    assert "Waiting for its turn" in rows(window)[1]
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: states(window) == [])
    assert library_service.started_imports == [("first", INT8), ("second", INT8)]


def test_the_window_draws_while_a_job_runs_and_the_page_is_closed(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    current_dialog(window).close()
    window.parameters_panel.set_prompt("a fox")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert len(window.session.results) == 1
    assert states(window) == [("tiny-xl", JobState.RUNNING)]
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: states(window) == [])


def test_how_far_it_is_stands_beside_the_selector(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    button = next(
        found for found in window.parameters_panel.findChildren(QToolButton) if found.accessibleName() == "Checkpoints"
    )
    qtbot.waitUntil(lambda: button.text() == "25%")
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: button.text() == "")


def test_pause_keeps_it_and_resume_continues(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: "25%" in rows(window)[0])
    press(qtbot, current_dialog(window), "Pause")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.PAUSED)])
    assert "Paused at 25%" in rows(window)[0]
    assert library_service.cleaned_up == []
    library_service.may_finish.set()
    press(qtbot, current_dialog(window), "Resume")
    qtbot.waitUntil(lambda: states(window) == [])
    assert len(library_service.started_imports) == 2


def test_a_paused_one_lets_the_next_go_first(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/first")
    start_import(window, qtbot, "someone/second")
    qtbot.mouseClick(current_dialog(window).jobs.rows[0].action_button, LEFT)
    qtbot.waitUntil(lambda: states(window) == [("first", JobState.PAUSED), ("second", JobState.RUNNING)])


def test_discard_asks_and_discards_what_there_is(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.mouseClick(current_dialog(window).jobs.rows[0].discard_button, LEFT)
    press(qtbot, current_question(window), "Keep")
    assert states(window) == [("tiny-xl", JobState.RUNNING)]
    qtbot.mouseClick(current_dialog(window).jobs.rows[0].discard_button, LEFT)
    press(qtbot, current_question(window), "Discard")
    qtbot.waitUntil(lambda: library_service.cleaned_up == ["tiny-xl"])
    assert states(window) == []


def test_a_failure_says_what_why_and_what_next_and_can_be_tried_again(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.error = ConnectionLostError("The connection broke.", why="No answer came.", next_step="Try again.")
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.FAILED)])
    for words in ("The connection broke.", "No answer came.", "Try again."):
        assert words in rows(window)[0]
    press(qtbot, current_dialog(window), "Try again")
    qtbot.waitUntil(lambda: states(window) == [])


def test_a_failure_is_reported_over_the_canvas_where_the_page_is_closed(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.error = ConnectionLostError("The connection broke.")
    start_import(window, qtbot, "someone/tiny-xl")
    current_dialog(window).close()
    library_service.may_finish.set()
    qtbot.waitUntil(window.canvas_area.banner.isVisible)
    assert "The connection broke." in window.canvas_area.banner.accessibleName()


def test_where_the_hub_wants_to_know_who_asks_the_row_leads_to_the_token(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.error = AccessError("The hub keeps it back.")
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.FAILED)])
    press(qtbot, current_dialog(window), "Enter a token")
    dialog = window.findChild(TokenDialog)
    assert dialog is not None
    dialog.token_field.token_saved.emit()
    qtbot.waitUntil(lambda: states(window) == [])


def test_closing_the_window_pauses_and_the_next_start_offers_to_continue(
    window: MainWindow, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: len(library_service.started_imports) == 1)
    again = open_window()
    assert library_service.cleaned_up == []
    assert states(again) == [("tiny-xl", JobState.PAUSED)]
    assert "tiny-xl is not finished" in again.canvas_area.toast.accessibleName()
    library_service.may_finish.set()
    press(qtbot, again.canvas_area.toast, "Continue")
    qtbot.waitUntil(lambda: states(again) == [])
    assert library_service.queries == ["someone/tiny-xl"] * 2
    assert library_service.started_imports == [("tiny-xl", INT8)] * 2
    third = open_window()
    assert states(third) == []
    assert not third.canvas_area.toast.isVisible()


def test_what_continues_keeps_the_name_and_format_that_were_chosen(
    window: MainWindow, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    page = window.library_controller.open_dialog()
    qtbot.mouseClick(page.add_button, LEFT)
    page.add_panel.query_edit.setText("someone/tiny-xl")
    press(qtbot, page, "Look up")
    import_dialog = current_import_dialog(window, qtbot)
    import_dialog.name_edit.setText("my own name")
    qtbot.mouseClick(import_dialog.format_table.button(WeightFormat.FP16), LEFT)
    qtbot.mouseClick(import_dialog.start_button, LEFT)
    qtbot.waitUntil(lambda: len(library_service.started_imports) == 1)
    again = open_window()
    press(qtbot, again.canvas_area.toast, "Continue")
    qtbot.waitUntil(lambda: library_service.started_imports == [("my own name", WeightFormat.FP16)] * 2)


def test_an_addition_that_came_can_be_put_among_the_additions(
    window: MainWindow, library_service: FakeLibraryService, tmp_path: Path, qtbot: QtBot
) -> None:
    library_service.file = write_sparse_file(tmp_path / "style.safetensors", {"lora_unet_a.lora_down.weight": (4, 8)})
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/style")
    qtbot.waitUntil(
        lambda: current_toast(window).isVisible() and "style is there" in current_toast(window).accessibleName()
    )
    press(qtbot, current_toast(window), "Add it")
    assert [lora.use.file for lora in window.parameters_panel.value().additions.loras] == [library_service.file]


def test_a_checkpoint_that_is_removed_again_is_not_used(
    window: MainWindow, paths: AppPaths, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(current_toast(window).isVisible)
    before = window.parameters_panel.value().checkpoint
    shutil.rmtree(paths.checkpoints / "tiny-xl")
    window.checkpoint_controller.rescan()
    press(qtbot, current_toast(window), "Use it")
    assert window.parameters_panel.value().checkpoint == before
    assert button_in(window.parameters_panel, "Generate").isEnabled()
