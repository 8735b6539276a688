"""Work survives the window: after closing, logging out or a crash, the next start continues it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.session.document import autosave
from sdxl_desktop.session.document.project_content import ProjectError
from sdxl_desktop.ui import close_guard
from sdxl_desktop.ui.main_window import MainWindow
from tests.typed import arrays_equal
from tests.ui.conftest import GatedEngine, MakeWindow, make_checkpoint, wait_until_idle
from tests.ui.inpainting_engine import InpaintingEngine, disc_mask, photo
from tests.ui.test_project_controller import work_state
from tests.ui.widget_lookup import menu_action

pytestmark = pytest.mark.usefixtures("plain_style")

UNSAVED = Settings(preferences=Preferences(watermark=False, autosave=False))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = make_checkpoint(tmp_path / "shipped" / "starter", title="Starter")
    shutil.copytree(folder / "vae_decoder", folder / "vae_encoder")
    return tmp_path / "shipped"


def work_on(window: MainWindow, qtbot: QtBot, prompt: str = "a fox in the snow", runs: int = 2) -> tuple[Any, ...]:
    """Put a picture, a mask, a prompt and unsaved results into a window; return the state that would be missed."""
    window.document.set_picture(photo(), f"{prompt}.png")
    window.document.set_mask(disc_mask())
    window.parameters_panel.set_prompt(prompt)
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    for _ in range(runs):
        window.controller.generate()
        wait_until_idle(qtbot, window)
    return work_state(window)


def earlier_work_actions(window: MainWindow) -> list[QAction]:
    """Return the entries of File, Earlier work."""
    menu = next(menu for menu in window.menuBar().findChildren(QMenu) if menu.title() == "Earlier &work")
    menu.aboutToShow.emit()
    return [action for action in menu.actions() if action.text()]


def question(window: MainWindow) -> QMessageBox:
    """Return the window's question."""
    (box,) = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return box


def answer(qtbot: QtBot, window: MainWindow, words: str) -> None:
    box = question(window)
    next(button for button in box.buttons() if button.text() == words).click()
    qtbot.waitUntil(lambda: not any(box.isVisible() for box in window.findChildren(QMessageBox)))
    qtbot.wait(1)


@pytest.mark.parametrize("way", ["close", "close_now"])
def test_what_was_worked_on_comes_back_quietly_after_an_orderly_end(
    make_window: MakeWindow, qtbot: QtBot, way: str
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot)
    getattr(window, way)()
    again = make_window(InpaintingEngine())
    assert work_state(again) == before
    assert again.canvas_area.result_strip.isVisible()
    assert not again.canvas_area.toast.isVisible()
    again.close()
    assert work_state(make_window(InpaintingEngine())) == before, "without a change too"


def test_results_without_a_picture_come_back_saved_or_not(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(settings=Settings(preferences=Preferences(autosave=True)))
    window.parameters_panel.set_prompt("a heart")
    for keeps in (True, False):
        window.preferences.set_value(Preferences(autosave=keeps))
        window.controller.generate()
        wait_until_idle(qtbot, window)
    files = [result.saved_to for result in window.session.results]
    assert [file is not None for file in files] == [True, False]
    window.close()
    again = make_window()
    assert [result.saved_to for result in again.session.results] == files
    assert again.canvas_area.shown_result is not None


def start_new_project(window: MainWindow) -> None:
    """Choose File, New; unsaved work need not be saved."""
    menu_action(window, "new").trigger()
    question = window.project_controller.files.question
    assert question is not None, "it is asked about what is not saved"
    question.button(QMessageBox.StandardButton.Discard).click()


def test_new_begins_afresh_and_what_was_there_can_be_found(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot)
    start_new_project(window)
    assert not window.document.has_picture
    assert not window.session.results
    assert window.parameters_panel.value().prompts.prompt == ""
    window.close()
    again = make_window(InpaintingEngine())
    assert not again.document.has_picture, "what was replaced on purpose does not come back by itself"
    (entry, _) = earlier_work_actions(again)
    assert "a fox in the snow.png, 2 results" in entry.text()
    entry.trigger()
    assert work_state(again) == before


def test_what_the_command_line_asks_for_wins_and_the_kept_work_is_offered(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot)
    window.close()
    Image.fromarray(photo()[:32]).save(tmp_path / "other.png")
    again = make_window(InpaintingEngine(), start=False)
    again.start(files=[tmp_path / "other.png"])
    assert again.document.name == "other.png"
    assert again.canvas_area.toast.isVisible()
    menu_action(again, "recover").trigger()
    assert work_state(again) == before
    again.close()
    last = make_window(InpaintingEngine())
    assert work_state(last) == before
    assert any("other.png" in entry.text() for entry in earlier_work_actions(last))


def test_each_of_two_windows_has_its_own_work(make_window: MakeWindow, qtbot: QtBot) -> None:
    first = make_window(InpaintingEngine(), settings=UNSAVED)
    one = work_on(first, qtbot, "one", runs=1)
    assert first.project_controller.recovery.flush(10)
    second = make_window(InpaintingEngine())
    assert not second.document.has_picture, "the first one's is not taken from it"
    two = work_on(second, qtbot, "two", runs=1)
    first.close()
    second.close()
    again = make_window(InpaintingEngine())
    assert work_state(again) == two, "the last one that was closed"
    assert again.canvas_area.toast.isVisible()
    third = make_window(InpaintingEngine())
    assert not third.document.has_picture, "the other one is offered by the first window"
    menu_action(again, "recover").trigger()
    assert work_state(again) == one


def test_work_that_brought_the_window_down_while_it_came_back_is_asked_about(
    make_window: MakeWindow, qtbot: QtBot, paths: AppPaths
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    work_on(window, qtbot, runs=1)
    window.close()
    again = make_window(InpaintingEngine())
    recovery, copy = paths.data / "recovery", paths.data / "copy"
    shutil.copytree(recovery, copy)  # what a crash at this moment would leave
    again.close()
    shutil.rmtree(recovery)
    copy.rename(recovery)
    third = make_window(InpaintingEngine())
    assert not third.document.has_picture
    assert third.canvas_area.toast.isVisible()


def test_all_earlier_work_can_be_discarded_but_not_without_a_question(
    make_window: MakeWindow, qtbot: QtBot, paths: AppPaths
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    for name in ("one", "two"):
        work_on(window, qtbot, name, runs=1)
        start_new_project(window)
    now = work_on(window, qtbot, "three", runs=1)
    assert len(earlier_work_actions(window)) == 3
    earlier_work_actions(window)[-1].trigger()
    answer(qtbot, window, "Cancel")
    assert len(earlier_work_actions(window)) == 3
    earlier_work_actions(window)[-1].trigger()
    question(window).button(QMessageBox.StandardButton.Discard).click()
    assert [entry.text() for entry in earlier_work_actions(window)] == ["Nothing yet"]
    window.close()
    assert work_state(make_window(InpaintingEngine())) == now


# a run in progress


@pytest.fixture
def drawing(make_window: MakeWindow, qtbot: QtBot) -> tuple[MainWindow, GatedEngine]:
    """A window that draws one picture and has another one queued."""
    engine = GatedEngine()
    window = make_window(engine, settings=UNSAVED)
    for prompt in ("first", "second"):
        window.parameters_panel.set_prompt(prompt)
        window.controller.add_to_queue()
    return window, engine


def waiting_prompts(window: MainWindow) -> list[str]:
    return [request.prompts.prompt for request in window.session.unfinished_requests]


def test_a_close_while_a_picture_is_drawn_asks_and_can_be_taken_back(
    drawing: tuple[MainWindow, GatedEngine], qtbot: QtBot
) -> None:
    window, _ = drawing
    assert not window.close()
    assert "1 more is waiting" in question(window).text()
    answer(qtbot, window, "Cancel")
    assert window.isVisible()
    assert waiting_prompts(window) == ["first", "second"]
    assert not window.close(), "and asks again the next time"
    answer(qtbot, window, "Cancel")


@pytest.mark.parametrize("way", ["Stop and quit", "logout"])
def test_what_was_not_drawn_is_offered_at_the_next_start(
    drawing: tuple[MainWindow, GatedEngine], make_window: MakeWindow, qtbot: QtBot, way: str
) -> None:
    window, _ = drawing
    if way == "logout":
        window.close_now()
    else:
        window.close()
        answer(qtbot, window, way)
    assert not window.isVisible()
    again = make_window()
    assert waiting_prompts(again) == ["first", "second"]
    assert again.session.run is None, "not without being asked"
    assert again.canvas_area.toast.isVisible()
    menu_action(again, "pause").trigger()
    qtbot.waitUntil(lambda: len(again.session.results) == 2)
    wait_until_idle(qtbot, again)
    assert waiting_prompts(again) == []
    again.close()
    third = make_window()
    assert len(third.session.results) == 2
    assert waiting_prompts(third) == []


def test_a_window_can_close_when_everything_is_drawn(
    drawing: tuple[MainWindow, GatedEngine], make_window: MakeWindow, qtbot: QtBot
) -> None:
    window, engine = drawing
    window.close()
    answer(qtbot, window, "Quit when it is finished")
    assert window.isVisible()
    with qtbot.waitSignal(window.closed):
        engine.gate.set()
    again = make_window()
    assert [result.request.prompts.prompt for result in again.session.results] == ["first", "second"]


def test_staying_after_all_is_possible_until_then(drawing: tuple[MainWindow, GatedEngine], qtbot: QtBot) -> None:
    window, engine = drawing
    window.close()
    answer(qtbot, window, "Quit when it is finished")
    window.canvas_area.toast.action_triggered.emit()
    engine.gate.set()
    wait_until_idle(qtbot, window)
    qtbot.wait(50)
    assert window.isVisible()


# a disk that cannot be written to


def test_why_work_could_not_be_kept_is_told_once_until_it_can_be_again(
    make_window: MakeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ProjectError("There is no room.")

    window = make_window(InpaintingEngine(), settings=UNSAVED)
    recovery = window.project_controller.recovery
    told: list[SdxlDesktopError] = []
    recovery.failed.connect(told.append)
    work_on(window, qtbot, runs=1)

    def keep() -> bool:
        window.document.grow(1)
        recovery.autosave()
        assert recovery.flush(10)
        QCoreApplication.processEvents()
        return recovery.save_error is None

    for expected in (1, 2):
        with monkeypatch.context() as patched:
            patched.setattr(autosave, "write_archive", fail)
            assert not keep()
            assert not keep()
        assert ["no room" in str(one) for one in told] == [True] * expected
        assert caplog.text.count("no room") == expected
        assert keep()


@pytest.fixture
def fill_recovery_folder(paths: AppPaths) -> Path:
    """Put a file in the place of the recovery folder."""
    paths.data.mkdir(parents=True, exist_ok=True)
    (paths.data / "recovery").write_text("in the way")
    return paths.data / "recovery"


def test_work_that_cannot_be_kept_is_asked_about(
    make_window: MakeWindow, qtbot: QtBot, fill_recovery_folder: Path
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot, runs=1)
    assert not window.close()
    assert "cannot be kept" in question(window).text()
    answer(qtbot, window, "Cancel")
    assert work_state(window) == before
    window.close()
    fill_recovery_folder.unlink()
    answer(qtbot, window, "Try again")
    qtbot.waitUntil(lambda: not window.isVisible())
    assert work_state(make_window(InpaintingEngine())) == before


@pytest.mark.parametrize("way", ["Quit without keeping it", "logout"])
def test_nobody_is_held_back_by_a_disk(
    make_window: MakeWindow, qtbot: QtBot, fill_recovery_folder: Path, way: str
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    work_on(window, qtbot, runs=1)
    if way == "logout":
        window.close_now()
    else:
        window.close()
        answer(qtbot, window, way)
    qtbot.waitUntil(lambda: not window.isVisible())


def test_new_changes_nothing_when_the_old_cannot_be_kept(
    make_window: MakeWindow, qtbot: QtBot, fill_recovery_folder: Path
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot, runs=1)
    reported: list[SdxlDesktopError] = []
    window.project_controller.failed.connect(reported.append)
    start_new_project(window)
    assert reported
    assert work_state(window) == before


def test_a_slow_disk_is_waited_for_and_then_asked_about(
    make_window: MakeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    before = work_on(window, qtbot, runs=1)
    monkeypatch.setattr(close_guard, "FLUSH_TIMEOUT_S", 0.0)
    while window.close():  # the disk may be so fast that even a timeout of zero is not exceeded
        window = make_window(InpaintingEngine())
        window.document.grow(1)
        before = work_state(window)
    assert "still being written" in question(window).text()
    assert window.project_controller.recovery.flush(10)
    answer(qtbot, window, "Try again")
    qtbot.waitUntil(lambda: not window.isVisible())
    assert work_state(make_window(InpaintingEngine())) == before


def test_a_logout_that_is_called_off_leaves_the_window_as_it_is(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(InpaintingEngine(), settings=UNSAVED)
    work_on(window, qtbot, runs=1)
    window.prepare_for_shutdown()
    assert window.isVisible()
    window.document.grow(2)
    mask = np.array(window.document.mask)
    window.close()
    assert arrays_equal(make_window(InpaintingEngine()).document.mask, mask)
