"""Checkpoints come in one after the other while the window lives on; they pause, go on, fail, and are used."""

from __future__ import annotations

import shutil
from pathlib import Path

from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.errors import AccessError, ConnectionLostError
from sdxl_desktop.session.bringing import JobState
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import wait_until_idle
from tests.ui.library.conftest import (
    LEFT,
    OpenWindow,
    PretendHands,
    begin,
    button_in,
    press,
    the_page,
    the_question,
    the_sheet,
    the_toast,
)
from tests.unit.library.heads import write_hollow

INT8 = WeightFormat.INT8


def states(window: MainWindow) -> list[tuple[str, JobState]]:
    return [(job.note.name, job.state) for job in window.library.verbs.bringing.jobs]


def rows(window: MainWindow) -> list[str]:
    return [row.text() for row in the_page(window).jobs.rows]


def test_a_job_shows_where_it_stands_and_then_can_be_used(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: "25%" in rows(window)[0])
    assert "Downloading (unet)" in rows(window)[0]
    assert "about 4 min left" in rows(window)[0]
    hands.gate.set()
    qtbot.waitUntil(lambda: the_toast(window).isVisible())
    assert "tiny-xl is ready" in the_toast(window).accessibleName()
    assert rows(window) == []
    assert hands.begun == [("tiny-xl", INT8)]
    assert window.desk.value().checkpoint != "tiny-xl"
    press(qtbot, the_toast(window), "Use it")
    assert window.desk.value().checkpoint == "tiny-xl"


def test_the_page_lists_what_has_come_without_being_asked(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.gate.set()
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: any(words.startswith("tiny-xl") for words in the_page(window).lines()))


def test_jobs_run_one_after_the_other(window: MainWindow, hands: PretendHands, qtbot: QtBot) -> None:
    begin(window, qtbot, "someone/first")
    begin(window, qtbot, "someone/second")
    assert states(window) == [("first", JobState.RUNNING), ("second", JobState.WAITING)]
    assert "Waiting for its turn" in rows(window)[1]
    hands.gate.set()
    qtbot.waitUntil(lambda: states(window) == [])
    assert hands.begun == [("first", INT8), ("second", INT8)]


def test_the_window_draws_while_a_job_runs_and_the_page_is_closed(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    the_page(window).close()
    window.desk.use_prompt("a fox")
    window.verbs.generate()
    wait_until_idle(qtbot, window)
    assert len(window.session.results) == 1
    assert states(window) == [("tiny-xl", JobState.RUNNING)]
    hands.gate.set()
    qtbot.waitUntil(lambda: states(window) == [])


def test_how_far_it_is_stands_beside_the_selector(window: MainWindow, hands: PretendHands, qtbot: QtBot) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    button = next(found for found in window.desk.findChildren(QToolButton) if found.accessibleName() == "Checkpoints")
    qtbot.waitUntil(lambda: button.text() == "25%")
    hands.gate.set()
    qtbot.waitUntil(lambda: button.text() == "")


def test_pause_keeps_it_and_resume_goes_on(window: MainWindow, hands: PretendHands, qtbot: QtBot) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: "25%" in rows(window)[0])
    press(qtbot, the_page(window), "Pause")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.PAUSED)])
    assert "Paused at 25%" in rows(window)[0]
    assert hands.thrown == []
    hands.gate.set()
    press(qtbot, the_page(window), "Resume")
    qtbot.waitUntil(lambda: states(window) == [])
    assert len(hands.begun) == 2


def test_a_paused_one_lets_the_next_go_first(window: MainWindow, hands: PretendHands, qtbot: QtBot) -> None:
    begin(window, qtbot, "someone/first")
    begin(window, qtbot, "someone/second")
    qtbot.mouseClick(the_page(window).jobs.rows[0].act, LEFT)
    qtbot.waitUntil(lambda: states(window) == [("first", JobState.PAUSED), ("second", JobState.RUNNING)])


def test_discard_asks_and_throws_away_what_there_is(window: MainWindow, hands: PretendHands, qtbot: QtBot) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.mouseClick(the_page(window).jobs.rows[0].discard, LEFT)
    press(qtbot, the_question(window), "Keep")
    assert states(window) == [("tiny-xl", JobState.RUNNING)]
    qtbot.mouseClick(the_page(window).jobs.rows[0].discard, LEFT)
    press(qtbot, the_question(window), "Discard")
    qtbot.waitUntil(lambda: hands.thrown == ["tiny-xl"])
    assert states(window) == []


def test_a_failure_says_what_why_and_what_next_and_can_be_tried_again(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.fault = ConnectionLostError("The connection broke.", why="No answer came.", next_step="Try again.")
    hands.gate.set()
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.FAILED)])
    for words in ("The connection broke.", "No answer came.", "Try again."):
        assert words in rows(window)[0]
    press(qtbot, the_page(window), "Try again")
    qtbot.waitUntil(lambda: states(window) == [])


def test_a_failure_is_told_over_the_canvas_where_the_page_is_closed(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.fault = ConnectionLostError("The connection broke.")
    begin(window, qtbot, "someone/tiny-xl")
    the_page(window).close()
    hands.gate.set()
    qtbot.waitUntil(window.stage.banner.isVisible)
    assert "The connection broke." in window.stage.banner.accessibleName()


def test_where_the_hub_wants_to_know_who_asks_the_row_leads_to_the_token(
    window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.fault = AccessError("The hub keeps it back.")
    hands.gate.set()
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: states(window) == [("tiny-xl", JobState.FAILED)])
    press(qtbot, the_page(window), "Enter a token")
    dialog = window.findChild(TokenDialog)
    assert dialog is not None
    dialog.field.kept.emit()
    qtbot.waitUntil(lambda: states(window) == [])


def test_closing_the_window_pauses_and_the_next_start_offers_to_go_on(
    window: MainWindow, open_window: OpenWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: len(hands.begun) == 1)
    again = open_window()
    assert hands.thrown == []
    assert states(again) == [("tiny-xl", JobState.PAUSED)]
    assert "tiny-xl is not finished" in again.stage.toast.accessibleName()
    hands.gate.set()
    press(qtbot, again.stage.toast, "Go on")
    qtbot.waitUntil(lambda: states(again) == [])
    assert hands.asked == ["someone/tiny-xl"] * 2
    assert hands.begun == [("tiny-xl", INT8)] * 2
    third = open_window()
    assert states(third) == []
    assert not third.stage.toast.isVisible()


def test_what_goes_on_keeps_the_name_and_format_that_were_chosen(
    window: MainWindow, open_window: OpenWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    page = window.library.open_page()
    qtbot.mouseClick(page.add, LEFT)
    page.adding.edit.setText("someone/tiny-xl")
    press(qtbot, page, "Look up")
    sheet = the_sheet(window, qtbot)
    sheet.name.setText("my own name")
    qtbot.mouseClick(sheet.formats.button(WeightFormat.FP16), LEFT)
    qtbot.mouseClick(sheet.start, LEFT)
    qtbot.waitUntil(lambda: len(hands.begun) == 1)
    again = open_window()
    press(qtbot, again.stage.toast, "Go on")
    qtbot.waitUntil(lambda: hands.begun == [("my own name", WeightFormat.FP16)] * 2)


def test_an_addition_that_came_can_be_put_among_the_additions(
    window: MainWindow, hands: PretendHands, tmp_path: Path, qtbot: QtBot
) -> None:
    hands.file = write_hollow(tmp_path / "style.safetensors", {"lora_unet_a.lora_down.weight": (4, 8)})
    hands.gate.set()
    begin(window, qtbot, "someone/style")
    qtbot.waitUntil(lambda: the_toast(window).isVisible() and "style is there" in the_toast(window).accessibleName())
    press(qtbot, the_toast(window), "Add it")
    assert [lora.use.file for lora in window.desk.value().additions.loras] == [hands.file]


def test_a_checkpoint_that_is_gone_again_is_not_used(
    window: MainWindow, paths: AppPaths, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.gate.set()
    begin(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(the_toast(window).isVisible)
    before = window.desk.value().checkpoint
    shutil.rmtree(paths.checkpoints / "tiny-xl")
    window.readiness.look()
    press(qtbot, the_toast(window), "Use it")
    assert window.desk.value().checkpoint == before
    assert button_in(window.desk, "Generate").isEnabled()
