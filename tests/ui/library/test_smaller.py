"""A smaller checkpoint is made of one: chosen by what it costs, made as a job, gone on with, and used or compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from sdxl_desktop.library.convert.workspace import RECORD
from sdxl_desktop.library.quantize.errors import QuantizationError
from sdxl_desktop.library.quantize.method import Method
from sdxl_desktop.library.quantize.prompts import read_prompts
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.bringing import JobState
from sdxl_desktop.session.tasks import ways
from sdxl_desktop.ui.library import smaller_sheet
from sdxl_desktop.ui.library.compare_sheet import CompareSheet
from sdxl_desktop.ui.library.page import LibraryPage
from sdxl_desktop.ui.library.room import Room
from sdxl_desktop.ui.library.smaller_sheet import SmallerSheet
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.library.conftest import LEFT, OpenWindow, PretendHands, press, sheet_of, the_page, the_question, the_toast
from tests.ui.library.conftest import begin as bring
from tests.ui.library.test_jobs import rows, states
from tests.ui.library.test_page import choose


def record_weights(folder: Path, weights: str) -> None:
    (folder / RECORD).write_text(json.dumps({"source": "someone/mine", "weights": weights, "files": {}}))


@pytest.fixture
def own(own: Path) -> Path:
    """The person's folder, whose "mine" is in fp16."""
    record_weights(own / "mine", "fp16")
    return own


@pytest.fixture
def sheet(window: MainWindow, page: LibraryPage, qtbot: QtBot) -> SmallerSheet:
    """What is asked before "mine" is made smaller."""
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    return sheet_of(SmallerSheet, window, qtbot)


@pytest.fixture
def room(own: Path) -> Room:
    """More than enough of everything."""
    return Room(memory=10**12, disk=10**12, home=own)


def opened(own: Path, room: Room, window: MainWindow, qtbot: QtBot) -> SmallerSheet:
    """The sheet for "mine" on a computer with that much room."""
    sheet = SmallerSheet("Mine", ways(own / "mine", Library(own.parent / "none shipped", own)), room, window)
    qtbot.addWidget(sheet)
    sheet.show()
    return sheet


def begin(sheet: SmallerSheet, hands: PretendHands, qtbot: QtBot) -> None:
    before = len(hands.quantized)
    qtbot.mouseClick(sheet.start, LEFT)
    qtbot.waitUntil(lambda: len(hands.quantized) == before + 1)


def test_every_method_is_offered_with_what_it_costs_and_int8_is_suggested(sheet: SmallerSheet) -> None:
    lines = sheet.methods.lines()
    assert [line.split(":")[0] for line in lines] == ["int8", "int4", "hybrid", "full"]
    for line in lines:
        assert "on the disk" in line
        assert "of memory" in line
    assert [line.endswith("suggested") for line in lines] == [True, False, False, False]
    assert sheet.method is Method.INT8
    assert sheet.name.text() == "mine-int8"


def test_only_what_nothing_was_rounded_away_from_can_be_made_smaller(
    own: Path, open_window: OpenWindow, qtbot: QtBot
) -> None:
    record_weights(own / "mine", "int8")
    page = open_window().library.open_page()
    qtbot.waitUntil(lambda: bool(page.lines()))
    choose(page, qtbot, "Mine")
    assert not page.details.smaller.isVisible()


def test_methods_that_learn_ask_from_what_and_their_time_follows_the_samples(sheet: SmallerSheet, qtbot: QtBot) -> None:
    assert not sheet.samples.isVisible()
    qtbot.mouseClick(sheet.methods.button(Method.HYBRID), LEFT)
    assert sheet.samples.isVisible()
    assert sheet.name.text() == "mine-hybrid"
    few = sheet.methods.lines()
    assert "from 15 pictures of 64 × 64 at 7 steps" in sheet.text()
    sheet.samples.setValue(2000)
    many = sheet.methods.lines()
    assert many[:2] == few[:2]
    assert many[2] != few[2]
    assert "from 286 pictures" in sheet.text()


def test_what_was_chosen_is_what_is_made(
    sheet: SmallerSheet, own: Path, hands: PretendHands, tmp_path: Path, qtbot: QtBot
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a fox\na heart\n")
    qtbot.mouseClick(sheet.methods.button(Method.FULL), LEFT)
    sheet.use_file(words)
    assert "2 prompts" in sheet.text()
    sheet.samples.setValue(12)
    sheet.name.selectAll()
    qtbot.keyClicks(sheet.name, "small one")
    begin(sheet, hands, qtbot)
    (note,) = hands.quantized
    assert (note.source, note.method, note.name) == (str(own / "mine"), "full", "small one")
    assert (note.prompts, note.samples) == (str(words), 12)


def test_a_name_of_ones_own_stays_when_the_method_changes(sheet: SmallerSheet, qtbot: QtBot) -> None:
    sheet.name.selectAll()
    qtbot.keyClicks(sheet.name, "tiny")
    qtbot.mouseClick(sheet.methods.button(Method.INT4), LEFT)
    assert sheet.name.text() == "tiny"


@pytest.mark.parametrize("name", ["mine", "a/b", ""])
def test_a_name_that_cannot_be_is_not_started(sheet: SmallerSheet, name: str, qtbot: QtBot) -> None:
    sheet.name.setText(name)
    assert not sheet.start.isEnabled()
    qtbot.keyClick(sheet.name, Qt.Key.Key_Return)
    assert sheet.isVisible()


def test_a_list_of_prompts_that_cannot_be_read_says_why(sheet: SmallerSheet, tmp_path: Path, qtbot: QtBot) -> None:
    qtbot.mouseClick(sheet.methods.button(Method.HYBRID), LEFT)
    sheet.prompts.setCurrentIndex(1)
    assert "Choose the file" in sheet.text()
    assert not sheet.start.isEnabled()
    (tmp_path / "empty.txt").write_text("\n")
    sheet.use_file(tmp_path / "empty.txt")
    assert "no prompts" in sheet.text()
    assert not sheet.start.isEnabled()
    sheet.prompts.setCurrentIndex(0)
    assert sheet.start.isEnabled()


def test_a_list_of_prompts_is_read_when_it_is_chosen_and_not_at_every_letter(
    sheet: SmallerSheet, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("a fox\na hen\n")
    qtbot.mouseClick(sheet.methods.button(Method.HYBRID), LEFT)
    reads: list[Path] = []

    def counted(file: Path) -> tuple[str, ...]:
        reads.append(file)
        return read_prompts(file)

    monkeypatch.setattr(smaller_sheet, "read_prompts", counted)
    sheet.use_file(tmp_path / "mine.txt")
    qtbot.keyClicks(sheet.name, "-by-fox")
    assert "2 prompts in" in sheet.text()
    assert reads == [tmp_path / "mine.txt"]


def test_it_runs_as_a_job_and_then_can_be_used_or_compared_with_what_it_was_made_from(
    sheet: SmallerSheet, window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(sheet, hands, qtbot)
    qtbot.waitUntil(lambda: "Compressing (unet) · 40% · about 2 min left" in rows(window)[0])
    hands.gate.set()
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])
    assert "10 MB on the disk, was 20 MB" in rows(window)[0]
    assert "mine-int8 is ready" in the_toast(window).accessibleName()
    page = the_page(window)
    qtbot.waitUntil(lambda: any(words.startswith("mine-int8") for words in page.lines()))
    press(qtbot, page.jobs, "Use it")
    assert window.desk.value().checkpoint == "mine-int8"
    press(qtbot, page.jobs, "Compare with mine")
    comparing = sheet_of(CompareSheet, window, qtbot)
    note = comparing.value(Path(), window.settings().preferences.execution)
    assert (note.first.name, note.second.name) == ("mine", "mine-int8")


def test_an_outcome_is_dismissed_without_throwing_anything_away(
    sheet: SmallerSheet, own: Path, window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.gate.set()
    begin(sheet, hands, qtbot)
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])
    qtbot.mouseClick(the_page(window).jobs.rows[0].discard, LEFT)
    assert states(window) == []
    assert hands.thrown == []
    assert (own / "mine-int8").is_dir()


def test_it_waits_for_what_is_being_brought_in(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    bring(window, qtbot, "someone/tiny-xl")
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    qtbot.mouseClick(sheet_of(SmallerSheet, window, qtbot).start, LEFT)
    assert states(window) == [("tiny-xl", JobState.RUNNING), ("mine-int8", JobState.WAITING)]
    hands.gate.set()
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])


def test_closing_the_window_stops_it_and_the_next_start_goes_on_the_same_way(
    sheet: SmallerSheet, open_window: OpenWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(sheet, hands, qtbot)
    again = open_window()
    assert states(again) == [("mine-int8", JobState.PAUSED)]
    assert "mine-int8 is not finished" in again.stage.toast.accessibleName()
    hands.gate.set()
    press(qtbot, again.stage.toast, "Go on")
    qtbot.waitUntil(lambda: states(again) == [("mine-int8", JobState.DONE)])
    assert hands.quantized[0] == hands.quantized[1]
    assert hands.thrown == []
    assert states(open_window()) == []


def test_giving_it_up_throws_away_what_there_is(
    sheet: SmallerSheet, window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(sheet, hands, qtbot)
    qtbot.mouseClick(the_page(window).jobs.rows[0].discard, LEFT)
    press(qtbot, the_question(window), "Discard")
    qtbot.waitUntil(lambda: hands.thrown == ["mine-int8"])
    assert states(window) == []


def test_a_failure_says_what_why_and_what_next(
    sheet: SmallerSheet, window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.fault = QuantizationError("There is not enough memory.", why="It takes 9 GB.", next_step="Choose int8.")
    hands.gate.set()
    begin(sheet, hands, qtbot)
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.FAILED)])
    for said in ("There is not enough memory.", "It takes 9 GB.", "Choose int8."):
        assert said in rows(window)[0]
    press(qtbot, the_page(window), "Try again")
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])


def test_what_cannot_be_made_smaller_after_all_says_why_on_the_page(own: Path, page: LibraryPage, qtbot: QtBot) -> None:
    rounded = b'<data element_type="u8" size="4096"/>'
    for part in ("text_encoder", "text_encoder_2", "unet", "vae_decoder"):
        (own / "mine" / part / "openvino_model.xml").write_bytes(rounded)
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    qtbot.waitUntil(lambda: "int8 already" in page.details.notice_text())


def test_what_a_checkpoint_cannot_be_made_into_is_shown_with_the_reason(
    own: Path, window: MainWindow, room: Room, qtbot: QtBot
) -> None:
    index = own / "mine" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "text_encoder": [None, None]}))
    sheet = opened(own, room, window, qtbot)
    assert not sheet.methods.button(Method.HYBRID).isEnabled()
    assert "drawn from words" in sheet.methods.lines()[2]
    assert sheet.methods.button(Method.INT8).isEnabled()


def test_too_little_memory_is_told_and_too_little_disk_is_not_begun_with(
    own: Path, window: MainWindow, room: Room, qtbot: QtBot
) -> None:
    sheet = opened(own, replace(room, memory=10**8), window, qtbot)
    assert "Close other programs" in sheet.text()
    assert sheet.start.isEnabled()
    sheet.close()
    sheet = opened(own, replace(room, disk=10**8), window, qtbot)
    assert "Not enough room on the disk" in sheet.text()
    assert "Close other programs" not in sheet.text()
    assert not sheet.start.isEnabled()


def test_with_the_page_closed_the_message_leads_to_both_answers(
    sheet: SmallerSheet, window: MainWindow, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(sheet, hands, qtbot)
    page = the_page(window)
    page.close()
    hands.gate.set()
    qtbot.waitUntil(the_toast(window).isVisible)
    press(qtbot, the_toast(window), "Use or compare it")
    assert page.isVisible()
    assert page.jobs.rows[0].use.isVisible()
    assert page.jobs.rows[0].compare.isVisible()


def test_a_second_one_of_the_same_kind_gets_another_name(
    sheet: SmallerSheet, window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    begin(sheet, hands, qtbot)
    press(qtbot, page, "Make smaller")
    qtbot.waitUntil(lambda: any(other.isVisible() for other in window.findChildren(SmallerSheet)))
    second = sheet_of(SmallerSheet, window, qtbot)
    assert second.name.text() == "mine-int8-2"
    second.name.setText("mine-int8")
    assert not second.start.isEnabled()
