"""From Generate to a saved picture: what the window shows, cancelling, queueing, and what an error leaves unchanged."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine, gradient
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import GatedEngine, MakeWindow, wait_until_idle
from tests.ui.widget_lookup import find_child, find_named, rgb

pytestmark = pytest.mark.usefixtures("plain_style")


def button(window: MainWindow) -> QPushButton:
    return find_child(window, QPushButton, "generate")


def prompt_edit(window: MainWindow) -> QPlainTextEdit:
    return next(edit for edit in window.findChildren(QPlainTextEdit) if edit.accessibleName() == "Prompt")


def visible_text(window: MainWindow) -> str:
    return "\n".join(label.text() for label in window.findChildren(QLabel) if label.isVisible())


def test_generate_draws_what_was_typed_and_keeps_the_picture(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = FakeEngine()
    window = make_window(engine)
    qtbot.keyClicks(prompt_edit(window), "a red heart")
    qtbot.mouseClick(button(window), Qt.MouseButton.LeftButton)
    wait_until_idle(qtbot, window)

    (request,) = engine.requests
    assert request.prompts.prompt == "a red heart"
    assert (request.sampling.steps, request.sampling.guidance_scale) == (3, 4.0), "the checkpoint's own values"
    (result,) = window.session.results
    assert result.saved_to is not None
    record = read_record(result.saved_to)
    assert record is not None
    assert record.request.prompts == Prompts(prompt="a red heart")
    shown = window.canvas_area.canvas.image()
    assert shown is not None
    assert (shown.width(), shown.height()) == (64, 64)
    expected = gradient(request.sampling.size, request.sampling.seed)[10, 50]
    assert rgb(shown.pixelColor(50, 10)) == tuple(expected)


def test_the_preview_is_on_the_canvas_while_it_draws(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(FakeEngine(seconds_per_step=0.05))
    window.controller.generate()
    qtbot.waitUntil(lambda: window.session.run is not None and window.session.run.preview is not None)
    shown = window.canvas_area.canvas.image()
    assert shown is not None
    assert (shown.width(), shown.height()) == (64, 64), "a preview is shown as large as its picture will be"
    assert "Denoising" in visible_text(window)
    assert "of 3" in visible_text(window)
    wait_until_idle(qtbot, window)


def test_preview_can_be_turned_off(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine()
    window = make_window(engine, settings=Settings(preferences=Preferences(preview=False)))
    window.controller.generate()
    assert window.session.run is not None
    assert not window.session.run.request.execution.preview
    engine.gate.set()
    wait_until_idle(qtbot, window)


def test_generate_becomes_cancel_and_cancel_stops(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(GatedEngine())
    assert button(window).text() == "Generate"
    qtbot.mouseClick(button(window), Qt.MouseButton.LeftButton)
    assert button(window).text() == "Cancel"
    qtbot.mouseClick(button(window), Qt.MouseButton.LeftButton)
    wait_until_idle(qtbot, window)
    assert button(window).text() == "Generate"
    assert window.session.results == []
    assert "Cancelled." in visible_text(window)
    assert window.canvas_area.empty_state.isVisible(), "with nothing drawn the invitation is back"


def test_ctrl_enter_generates_even_from_the_prompt_and_escape_cancels(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(GatedEngine())
    edit = prompt_edit(window)
    window.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    qtbot.keyClicks(edit, "a fox")
    qtbot.keyClick(edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert window.session.run is not None
    assert window.session.run.request.prompts.prompt == "a fox", "and no line break was typed"
    qtbot.keyClick(edit, Qt.Key.Key_Escape)
    wait_until_idle(qtbot, window)
    assert window.session.results == []


def test_ctrl_shift_enter_queues_and_the_queue_is_drawn_in_order(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine()
    window = make_window(engine)
    window.activateWindow()
    edit = prompt_edit(window)
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for word in ("a", "b", "c"):
        qtbot.keyClicks(edit, word)
        qtbot.keyClick(edit, Qt.Key.Key_Return, keys)
    assert "2 waiting" in visible_text(window)
    engine.gate.set()
    qtbot.waitUntil(lambda: len(window.session.results) == 3, timeout=10_000)
    assert [request.prompts.prompt for request in engine.requests] == ["a", "ab", "abc"]
    wait_until_idle(qtbot, window)


def test_cancel_leaves_the_queue_and_clearing_it_can_be_undone(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine()
    window = make_window(engine)
    for word in ("a", "b", "c"):
        window.parameters_panel.set_prompt(word)
        window.controller.add_to_queue()
    window.controller.escape()
    qtbot.waitUntil(lambda: window.session.run is not None and window.session.run.request.prompts.prompt == "b")
    assert [request.prompts.prompt for request in window.session.waiting] == ["c"]
    clear = next(
        found for found in window.parameters_panel.findChildren(QPushButton) if found.text() == "Clear the queue"
    )
    assert clear.isVisible()
    qtbot.mouseClick(clear, Qt.MouseButton.LeftButton)
    assert not window.session.waiting
    assert not clear.isVisible()
    assert window.session.run is not None, "what is being drawn goes on"
    undo = next(found for found in window.canvas_area.toast.findChildren(QPushButton) if found.text() == "Undo")
    qtbot.mouseClick(undo, Qt.MouseButton.LeftButton)
    assert [request.prompts.prompt for request in window.session.waiting] == ["c"]
    engine.gate.set()
    qtbot.waitUntil(lambda: len(window.session.results) == 2, timeout=10_000)
    wait_until_idle(qtbot, window)


def test_generate_while_drawing_starts_nothing_and_says_how_to_queue(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine()
    window = make_window(engine)
    window.controller.generate()
    window.controller.generate()
    assert len(window.session.waiting) == 0
    assert "Ctrl+Shift+Enter" in visible_text(window)
    engine.gate.set()
    wait_until_idle(qtbot, window)


def test_a_failure_is_reported_in_full_and_nothing_typed_is_lost(
    make_window: MakeWindow, qtbot: QtBot, app: QApplication
) -> None:
    problem = EngineError("It broke.", why="The card is hot.", next_step="Wait a little.")
    engine = FakeEngine(error=problem)
    window = make_window(engine)
    before = replace(window.parameters_panel.value(), prompts=Prompts(prompt="precious words", negative_prompt="dust"))
    window.parameters_panel.set_value(replace(before, seed_locked=True))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    for words in ("It broke.", "The card is hot.", "Wait a little."):
        assert words in visible_text(window)
    assert window.parameters_panel.value() == replace(before, seed_locked=True)

    copy = next(found for found in window.canvas_area.banner.findChildren(QPushButton) if found.text() == "Copy")
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert app.clipboard().text() == str(problem)

    engine.error = None
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert not window.canvas_area.banner.isVisible()
    assert len(window.session.results) == 1


def test_after_a_failure_the_queue_waits_until_it_is_resumed(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine(error=EngineError("It broke."))
    window = make_window(engine)
    window.controller.generate()
    window.controller.add_to_queue()
    engine.gate.set()
    wait_until_idle(qtbot, window)
    engine.error = None
    go_on = next(found for found in window.canvas_area.banner.findChildren(QPushButton) if "waiting" in found.text())
    assert go_on.isVisible()
    qtbot.mouseClick(go_on, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(window.session.results) == 1)
    wait_until_idle(qtbot, window)


def test_several_pictures_each_with_the_next_seed(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    workspace = window.parameters_panel.value()
    assert workspace.sampling is not None
    window.parameters_panel.set_value(
        replace(workspace, sampling=replace(workspace.sampling, seed=41, count=3), seed_locked=True)
    )
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert [result.picture.seed for result in window.session.results] == [41, 42, 43]
    assert window.canvas_area.current_row() == 2, "the newest is on the canvas"


def test_without_a_checkpoint_it_says_what_to_do(make_window: MakeWindow, qtbot: QtBot, shipped: object) -> None:
    import shutil

    shutil.rmtree(str(shipped))
    window = make_window()
    assert "No checkpoint found" in visible_text(window)
    assert not button(window).isEnabled()
    window.controller.generate()
    assert "There is no checkpoint to draw with." in visible_text(window)


def test_what_is_asked_before_the_checkpoints_are_read_is_drawn_then(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(start=False)
    window.parameters_panel.set_prompt("a red heart")
    assert button(window).isEnabled()
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.mouseClick(button(window), Qt.MouseButton.LeftButton)
    assert "no checkpoint" not in visible_text(window).lower()
    window.start()
    wait_until_idle(qtbot, window)
    assert [result.request.prompts.prompt for result in window.session.results] == ["a red heart"]


def test_escape_takes_back_what_waits_for_the_checkpoints(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(start=False)
    window.controller.generate()
    window.controller.compare()
    window.controller.escape()
    window.start()
    assert button(window).isEnabled()
    assert window.session.run is None
    assert not window.session.results


def test_a_prompt_given_at_the_start_is_drawn_at_once(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(prompt="a yellow star")
    qtbot.waitUntil(lambda: len(window.session.results) == 1)
    assert window.session.results[0].request.prompts.prompt == "a yellow star"
    assert window.parameters_panel.value().prompts.prompt == "a yellow star"
    wait_until_idle(qtbot, window)


def test_an_example_fills_the_prompt(window: MainWindow, qtbot: QtBot) -> None:
    chip = next(
        found for found in window.canvas_area.empty_state.findChildren(QPushButton) if "red heart" in found.text()
    )
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert window.parameters_panel.value().prompts.prompt == chip.text()


def test_what_was_typed_before_an_example_comes_back_with_undo(window: MainWindow, qtbot: QtBot) -> None:
    edit = prompt_edit(window)
    qtbot.keyClicks(edit, "my own words")
    window.parameters_panel.set_prompt("an example")
    edit.undo()
    assert edit.toPlainText() == "my own words"


def test_a_picture_dropped_on_the_prompt_leaves_no_path_in_it(window: MainWindow) -> None:
    files, words = QMimeData(), QMimeData()
    files.setUrls([QUrl.fromLocalFile("/somewhere/picture.png")])
    words.setText("words")
    assert not prompt_edit(window).canInsertFromMimeData(files)
    assert prompt_edit(window).canInsertFromMimeData(words)


def test_choosing_a_checkpoint_applies_what_it_was_made_for(window: MainWindow, qtbot: QtBot) -> None:
    choice = find_named(window.parameters_panel, QComboBox, "Checkpoint")
    choice.setCurrentIndex(choice.findText("Wide"))
    sampling = window.parameters_panel.value().sampling
    assert sampling is not None
    assert (sampling.size.width, sampling.steps, sampling.guidance_scale) == (128, 5, 7.0)


def test_closing_while_it_draws_stops_the_engine(make_window: MakeWindow, qtbot: QtBot) -> None:
    ended = threading.Event()

    class Watched(GatedEngine):
        def generate(
            self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
        ) -> None:
            super().generate(request, emit, cancel, pausing)
            ended.set()

    window = make_window(Watched())
    window.controller.generate()
    with qtbot.waitSignal(window.closed):
        window.close_now()
    assert ended.is_set()
