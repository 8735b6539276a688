"""Quantizing a checkpoint: chosen by cost, run as a job, resumed, and the result used or compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from sdxl_desktop.library.convert.build_folder import RECORD_FILE
from sdxl_desktop.library.quantize.calibration_prompts import read_prompts
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.checkpoint_jobs import quantization_plans
from sdxl_desktop.session.library_jobs import JobState
from sdxl_desktop.ui.library import quantize_dialog
from sdxl_desktop.ui.library.compare_dialog import CompareDialog
from sdxl_desktop.ui.library.free_resources import FreeResources
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.library.quantize_dialog import QuantizeDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.library.conftest import (
    LEFT,
    FakeLibraryService,
    OpenWindow,
    current_dialog,
    current_dialog_of,
    current_question,
    current_toast,
    press,
)
from tests.ui.library.conftest import start_import as bring
from tests.ui.library.test_jobs import rows, states
from tests.ui.library.test_library_dialog import choose

pytestmark = pytest.mark.usefixtures("plain_style")


def record_weights(folder: Path, weights: str) -> None:
    (folder / RECORD_FILE).write_text(json.dumps({"source": "someone/mine", "weights": weights, "files": {}}))


@pytest.fixture
def own(own: Path) -> Path:
    """The user folder, whose checkpoint "mine" is in fp16."""
    record_weights(own / "mine", "fp16")
    return own


@pytest.fixture
def dialog(window: MainWindow, page: LibraryDialog, qtbot: QtBot) -> QuantizeDialog:
    """The dialog before "mine" is quantized."""
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    return current_dialog_of(QuantizeDialog, window, qtbot)


@pytest.fixture
def room(own: Path) -> FreeResources:
    """More than enough of every resource."""
    return FreeResources(memory_bytes=10**12, disk_bytes=10**12, library_folder=own)


def opened(own: Path, room: FreeResources, window: MainWindow, qtbot: QtBot) -> QuantizeDialog:
    """The dialog for "mine" on a computer with the resources `room`."""
    dialog = QuantizeDialog(
        "Mine", quantization_plans(own / "mine", Library(own.parent / "none shipped", own)), room, window
    )
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def start_quantization(dialog: QuantizeDialog, service: FakeLibraryService, qtbot: QtBot) -> None:
    before = len(service.quantized)
    qtbot.mouseClick(dialog.start_button, LEFT)
    qtbot.waitUntil(lambda: len(service.quantized) == before + 1)


def test_every_method_is_offered_with_what_it_costs_and_int8_is_suggested(dialog: QuantizeDialog) -> None:
    lines = dialog.method_table.row_texts()
    assert [line.split(":")[0] for line in lines] == ["int8", "int4", "hybrid", "full"]
    for line in lines:
        assert "on the disk" in line
        assert "of memory" in line
    assert [line.endswith("suggested") for line in lines] == [True, False, False, False]
    assert dialog.method is QuantizationMethod.INT8
    assert dialog.name_edit.text() == "mine-int8"


def test_only_what_nothing_was_rounded_away_from_can_be_made_smaller(
    own: Path, open_window: OpenWindow, qtbot: QtBot
) -> None:
    record_weights(own / "mine", "int8")
    page = open_window().library_controller.open_dialog()
    qtbot.waitUntil(lambda: bool(page.row_texts()))
    choose(page, qtbot, "Mine")
    assert not page.details.quantize_button.isVisible()


def test_methods_that_learn_ask_from_what_and_their_time_follows_the_samples(
    dialog: QuantizeDialog, qtbot: QtBot
) -> None:
    assert not dialog.samples_field.isVisible()
    qtbot.mouseClick(dialog.method_table.button(QuantizationMethod.HYBRID), LEFT)
    assert dialog.samples_field.isVisible()
    assert dialog.name_edit.text() == "mine-hybrid"
    few = dialog.method_table.row_texts()
    assert "from 15 pictures of 64 × 64 at 7 steps" in dialog.text()
    dialog.samples_field.setValue(2000)
    many = dialog.method_table.row_texts()
    assert many[:2] == few[:2]
    assert many[2] != few[2]
    assert "from 286 pictures" in dialog.text()


def test_what_was_chosen_is_what_is_made(
    dialog: QuantizeDialog, own: Path, library_service: FakeLibraryService, tmp_path: Path, qtbot: QtBot
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a fox\na heart\n")
    qtbot.mouseClick(dialog.method_table.button(QuantizationMethod.FULL), LEFT)
    dialog.set_prompts_file(words)
    assert "2 prompts" in dialog.text()
    dialog.samples_field.setValue(12)
    dialog.name_edit.selectAll()
    qtbot.keyClicks(dialog.name_edit, "small one")
    start_quantization(dialog, library_service, qtbot)
    (note,) = library_service.quantized
    assert (note.source, note.method, note.name) == (str(own / "mine"), "full", "small one")
    assert (note.prompts, note.samples) == (str(words), 12)


def test_a_name_of_ones_own_stays_when_the_method_changes(dialog: QuantizeDialog, qtbot: QtBot) -> None:
    dialog.name_edit.selectAll()
    qtbot.keyClicks(dialog.name_edit, "tiny")
    qtbot.mouseClick(dialog.method_table.button(QuantizationMethod.INT4), LEFT)
    assert dialog.name_edit.text() == "tiny"


@pytest.mark.parametrize("name", ["mine", "a/b", ""])
def test_a_name_that_cannot_be_is_not_started(dialog: QuantizeDialog, name: str, qtbot: QtBot) -> None:
    dialog.name_edit.setText(name)
    assert not dialog.start_button.isEnabled()
    qtbot.keyClick(dialog.name_edit, Qt.Key.Key_Return)
    assert dialog.isVisible()


def test_a_list_of_prompts_that_cannot_be_read_says_why(dialog: QuantizeDialog, tmp_path: Path, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.method_table.button(QuantizationMethod.HYBRID), LEFT)
    dialog.prompts_choice.setCurrentIndex(1)
    assert "Choose the file" in dialog.text()
    assert not dialog.start_button.isEnabled()
    (tmp_path / "empty.txt").write_text("\n")
    dialog.set_prompts_file(tmp_path / "empty.txt")
    assert "no prompts" in dialog.text()
    assert not dialog.start_button.isEnabled()
    dialog.prompts_choice.setCurrentIndex(0)
    assert dialog.start_button.isEnabled()


def test_a_list_of_prompts_is_read_when_it_is_chosen_and_not_at_every_letter(
    dialog: QuantizeDialog, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("a fox\na hen\n")
    qtbot.mouseClick(dialog.method_table.button(QuantizationMethod.HYBRID), LEFT)
    reads: list[Path] = []

    def counted(file: Path) -> tuple[str, ...]:
        reads.append(file)
        return read_prompts(file)

    monkeypatch.setattr(quantize_dialog, "read_prompts", counted)
    dialog.set_prompts_file(tmp_path / "mine.txt")
    qtbot.keyClicks(dialog.name_edit, "-by-fox")
    assert "2 prompts in" in dialog.text()
    assert reads == [tmp_path / "mine.txt"]


def test_it_runs_as_a_job_and_then_can_be_used_or_compared_with_what_it_was_made_from(
    dialog: QuantizeDialog, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_quantization(dialog, library_service, qtbot)
    qtbot.waitUntil(lambda: "Compressing (unet) · 40% · about 2 min left" in rows(window)[0])
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])
    assert "10 MB on the disk, was 20 MB" in rows(window)[0]
    assert "mine-int8 is ready" in current_toast(window).accessibleName()
    page = current_dialog(window)
    qtbot.waitUntil(lambda: any(words.startswith("mine-int8") for words in page.row_texts()))
    press(qtbot, page.jobs, "Use it")
    assert window.parameters_panel.value().checkpoint == "mine-int8"
    press(qtbot, page.jobs, "Compare with mine")
    comparing = current_dialog_of(CompareDialog, window, qtbot)
    note = comparing.value(Path(), window.preferences.settings().preferences.execution)
    assert (note.first.name, note.second.name) == ("mine", "mine-int8")


def test_an_outcome_is_dismissed_without_throwing_anything_away(
    dialog: QuantizeDialog, own: Path, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.may_finish.set()
    start_quantization(dialog, library_service, qtbot)
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])
    qtbot.mouseClick(current_dialog(window).jobs.rows[0].discard_button, LEFT)
    assert states(window) == []
    assert library_service.cleaned_up == []
    assert (own / "mine-int8").is_dir()


def test_it_waits_for_what_is_being_imported(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    bring(window, qtbot, "someone/tiny-xl")
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    qtbot.mouseClick(current_dialog_of(QuantizeDialog, window, qtbot).start_button, LEFT)
    assert states(window) == [("tiny-xl", JobState.RUNNING), ("mine-int8", JobState.WAITING)]
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])


def test_closing_the_window_stops_it_and_the_next_start_continues_the_same_way(
    dialog: QuantizeDialog, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_quantization(dialog, library_service, qtbot)
    again = open_window()
    assert states(again) == [("mine-int8", JobState.PAUSED)]
    assert "mine-int8 is not finished" in again.canvas_area.toast.accessibleName()
    library_service.may_finish.set()
    press(qtbot, again.canvas_area.toast, "Continue")
    qtbot.waitUntil(lambda: states(again) == [("mine-int8", JobState.DONE)])
    assert library_service.quantized[0] == library_service.quantized[1]
    assert library_service.cleaned_up == []
    assert states(open_window()) == []


def test_giving_it_up_discards_what_there_is(
    dialog: QuantizeDialog, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_quantization(dialog, library_service, qtbot)
    qtbot.mouseClick(current_dialog(window).jobs.rows[0].discard_button, LEFT)
    press(qtbot, current_question(window), "Discard")
    qtbot.waitUntil(lambda: library_service.cleaned_up == ["mine-int8"])
    assert states(window) == []


def test_a_failure_says_what_why_and_what_next(
    dialog: QuantizeDialog, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.error = QuantizationError(
        "There is not enough memory.", why="It takes 9 GB.", next_step="Choose int8."
    )
    library_service.may_finish.set()
    start_quantization(dialog, library_service, qtbot)
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.FAILED)])
    for message in ("There is not enough memory.", "It takes 9 GB.", "Choose int8."):
        assert message in rows(window)[0]
    press(qtbot, current_dialog(window), "Try again")
    qtbot.waitUntil(lambda: states(window) == [("mine-int8", JobState.DONE)])


def test_what_cannot_be_made_smaller_after_all_says_why_on_the_page(
    own: Path, page: LibraryDialog, qtbot: QtBot
) -> None:
    rounded = b'<data element_type="u8" size="4096"/>'
    for part in ("text_encoder", "text_encoder_2", "unet", "vae_decoder"):
        (own / "mine" / part / "openvino_model.xml").write_bytes(rounded)
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Make smaller")
    qtbot.waitUntil(lambda: "int8 already" in page.details.notice_text())


def test_what_a_checkpoint_cannot_be_made_into_is_shown_with_the_reason(
    own: Path, window: MainWindow, room: FreeResources, qtbot: QtBot
) -> None:
    index = own / "mine" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "text_encoder": [None, None]}))
    dialog = opened(own, room, window, qtbot)
    assert not dialog.method_table.button(QuantizationMethod.HYBRID).isEnabled()
    assert "drawn from words" in dialog.method_table.row_texts()[2]
    assert dialog.method_table.button(QuantizationMethod.INT8).isEnabled()


def test_too_little_memory_is_reported_and_too_little_disk_is_not_started_with(
    own: Path, window: MainWindow, room: FreeResources, qtbot: QtBot
) -> None:
    dialog = opened(own, replace(room, memory_bytes=10**8), window, qtbot)
    assert "Close other programs" in dialog.text()
    assert dialog.start_button.isEnabled()
    dialog.close()
    dialog = opened(own, replace(room, disk_bytes=10**8), window, qtbot)
    assert "Not enough room on the disk" in dialog.text()
    assert "Close other programs" not in dialog.text()
    assert not dialog.start_button.isEnabled()


def test_with_the_page_closed_the_message_leads_to_both_answers(
    dialog: QuantizeDialog, window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_quantization(dialog, library_service, qtbot)
    page = current_dialog(window)
    page.close()
    library_service.may_finish.set()
    qtbot.waitUntil(current_toast(window).isVisible)
    press(qtbot, current_toast(window), "Use or compare it")
    assert page.isVisible()
    assert page.jobs.rows[0].use_button.isVisible()
    assert page.jobs.rows[0].compare_button.isVisible()


def test_a_second_one_of_the_same_kind_gets_another_name(
    dialog: QuantizeDialog, window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    start_quantization(dialog, library_service, qtbot)
    press(qtbot, page, "Make smaller")
    qtbot.waitUntil(lambda: any(other.isVisible() for other in window.findChildren(QuantizeDialog)))
    second = current_dialog_of(QuantizeDialog, window, qtbot)
    assert second.name_edit.text() == "mine-int8-2"
    second.name_edit.setText("mine-int8")
    assert not second.start_button.isEnabled()
