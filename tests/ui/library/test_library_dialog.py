"""The library dialog: the list, the details, and the actions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QToolButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.library.convert.build_folder import RECORD_FILE, hash_file
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import make_checkpoint, wait_until_idle
from tests.ui.library.conftest import LEFT, OpenWindow, current_dialog, current_question, press

pytestmark = pytest.mark.usefixtures("plain_style")


def record(folder: Path) -> None:
    """Record the content of `folder`, as an import does."""
    files = {str(file.relative_to(folder)): hash_file(file) for file in folder.rglob("*") if file.is_file()}
    about = {"source": "stabilityai/stable-diffusion-xl-base-1.0@0123456789ab", "weights": "int8", "family": "ssd-1b"}
    (folder / RECORD_FILE).write_text(json.dumps({**about, "files": files}))


def line(page: LibraryDialog, start: str) -> str:
    return next((line for line in page.row_texts() if line.startswith(start)), "")


def choose(page: LibraryDialog, qtbot: QtBot, start: str) -> None:
    """Click the row whose text starts with `start`."""
    row = next(row for row, words in enumerate(page.row_texts()) if words.startswith(start))
    index = page.checkpoint_list.model().index(row, 0)
    qtbot.mouseClick(page.checkpoint_list.viewport(), LEFT, pos=page.checkpoint_list.visualRect(index).center())


def test_the_button_beside_the_selector_opens_the_page(window: MainWindow, qtbot: QtBot) -> None:
    button = next(
        button
        for button in window.parameters_panel.findChildren(QToolButton)
        if button.accessibleName() == "Checkpoints"
    )
    qtbot.mouseClick(button, LEFT)
    assert current_dialog(window).isVisible()


def test_it_lists_what_is_there_with_format_and_size_and_marks_the_one_that_draws(
    own: Path, open_window: OpenWindow, qtbot: QtBot
) -> None:
    record(own / "mine")
    (own / "mine" / "unet" / "openvino_model.bin").write_bytes(bytes(3_000_000))
    window = open_window()
    page = window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: len(page.row_texts()) == 3)
    mine = line(page, "Mine")
    assert "SSD-1B" in mine
    assert "int8" in mine
    assert "3 MB" in mine
    chosen = window.parameters_panel.checkpoint()
    assert chosen is not None
    assert [words.endswith("draws now") for words in page.row_texts()].count(True) == 1
    assert line(page, chosen.title).endswith("draws now")


def test_the_details_say_what_a_user_asks(own: Path, page: LibraryDialog, qtbot: QtBot) -> None:
    record(own / "mine")
    choose(page, qtbot, "Starter")
    choose(page, qtbot, "Mine")
    message = page.details.text()
    for fact in ("64 × 64", "7 steps", "Euler", "UNet", str(own / "mine"), "draws from words"):
        assert fact in message, fact


def test_licence_and_source_come_from_what_was_recorded(own: Path, open_window: OpenWindow, qtbot: QtBot) -> None:
    record(own / "mine")
    page = open_window().library_controller.open_dialog()
    qtbot.waitUntil(lambda: bool(page.row_texts()))
    choose(page, qtbot, "Mine")
    assert "OpenRAIL++-M" in page.details.text()
    assert "stabilityai/stable-diffusion-xl-base-1.0" in page.details.text()


def test_one_that_vanished_is_shown_as_missing_until_it_is_forgotten(
    own: Path, window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    shutil.rmtree(own / "mine")
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "Missing" in line(page, "Mine"))
    choose(page, qtbot, "Mine")
    assert "gone" in page.details.notice_text()
    assert not page.details.use_button.isVisible()
    press(qtbot, page, "Forget")
    qtbot.waitUntil(lambda: not any(words.startswith("Mine") for words in page.row_texts()))


def test_one_that_was_missing_and_is_back_is_not_called_missing_any_more(
    own: Path, tmp_path: Path, window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    shutil.move(own / "mine", tmp_path / "unplugged")
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "Missing" in line(page, "Mine"))
    choose(page, qtbot, "Mine")
    assert "gone" in page.details.notice_text()
    shutil.move(tmp_path / "unplugged", own / "mine")
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "Missing" not in line(page, "Mine"))
    assert page.details.use_button.isVisible()
    assert page.details.notice_text() == ""


def test_one_that_is_damaged_says_why_and_cannot_be_used(
    own: Path, window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    shutil.rmtree(own / "mine" / "vae_decoder")
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "Cannot be used" in line(page, "mine"))
    choose(page, qtbot, "mine")
    assert "vae_decoder" in page.details.notice_text()
    assert not page.details.use_button.isEnabled()


def test_use_chooses_it_in_the_selector(window: MainWindow, page: LibraryDialog, qtbot: QtBot) -> None:
    choose(page, qtbot, "Wide")
    press(qtbot, page, "Use")
    assert window.parameters_panel.value().checkpoint == "wide"
    assert line(page, "Wide").endswith("draws now")
    assert not page.details.use_button.isEnabled()


def test_enter_on_a_line_uses_it(window: MainWindow, page: LibraryDialog, qtbot: QtBot) -> None:
    page.checkpoint_list.setFocus()
    qtbot.keyClick(page.checkpoint_list, Qt.Key.Key_Home)
    while not page.details.text().startswith("Wide"):
        qtbot.keyClick(page.checkpoint_list, Qt.Key.Key_Down)
    qtbot.keyClick(page.checkpoint_list, Qt.Key.Key_Return)
    assert window.parameters_panel.value().checkpoint == "wide"
    assert page.isVisible()


def test_verify_reads_every_file(own: Path, open_window: OpenWindow, qtbot: QtBot) -> None:
    record(own / "mine")
    page = open_window().library_controller.open_dialog()
    qtbot.waitUntil(lambda: bool(page.row_texts()))
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Verify")
    qtbot.waitUntil(lambda: "All is well" in page.details.notice_text())
    (own / "mine" / "unet" / "openvino_model.bin").write_text("not a networK")
    press(qtbot, page, "Verify")
    qtbot.waitUntil(lambda: "has changed" in page.details.notice_text())
    assert "unet" in page.details.notice_text()


def test_remove_asks_first_and_says_how_large_it_is(
    own: Path, window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    (own / "mine" / "unet" / "openvino_model.bin").write_bytes(bytes(5_000_000))
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "5 MB" in line(page, "Mine"))
    choose(page, qtbot, "Mine")
    press(qtbot, page, "Remove")
    box = current_question(window)
    assert "5 MB" in box.informativeText()
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (own / "mine").is_dir(), "Enter keeps it"
    press(qtbot, page, "Remove")
    press(qtbot, current_question(window), "Remove")
    qtbot.waitUntil(lambda: len(page.row_texts()) == 2)
    assert not (own / "mine").exists()
    assert "Removed Mine" in page.toast.accessibleName()
    assert page.toast.isVisible(), "told where it was asked for, and not in the window behind"
    assert not window.canvas_area.toast.isVisible()
    assert [checkpoint.name for checkpoint in window.checkpoint_controller.checkpoints] == ["starter", "wide"]


def test_what_comes_with_the_application_cannot_be_removed(
    window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    choose(page, qtbot, "Wide")
    assert not page.details.remove_button.isVisible()
    qtbot.keyClick(page.checkpoint_list, Qt.Key.Key_Delete)
    assert not window.findChildren(QMessageBox)


def test_it_says_when_one_was_used_last(window: MainWindow, page: LibraryDialog, qtbot: QtBot) -> None:
    assert "used" not in line(page, "Mine")
    choose(page, qtbot, "Mine")
    if page.details.use_button.isEnabled():
        press(qtbot, page, "Use")
    window.parameters_panel.set_prompt("a fox")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: "used today" in line(page, "Mine"))


def test_a_checkpoint_that_is_copied_into_the_folder_appears_by_itself(
    own: Path, window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    make_checkpoint(own.parent / "elsewhere", title="Copied")
    shutil.copytree(own.parent / "elsewhere", own / "copied")
    qtbot.waitUntil(lambda: any(words.startswith("Copied") for words in page.row_texts()))
    assert "copied" in [checkpoint.name for checkpoint in window.checkpoint_controller.checkpoints]
    shutil.rmtree(own / "copied")
    qtbot.waitUntil(lambda: "Missing" in line(page, "Copied"))
    assert "copied" not in [checkpoint.name for checkpoint in window.checkpoint_controller.checkpoints]


def test_the_folder_may_come_to_be_later(open_window: OpenWindow, paths: AppPaths, qtbot: QtBot) -> None:
    window = open_window()
    own = paths.checkpoints
    assert not own.exists()
    make_checkpoint(own / "first", title="First")
    qtbot.waitUntil(lambda: "first" in [checkpoint.name for checkpoint in window.checkpoint_controller.checkpoints])


def test_escape_closes_the_page_and_it_opens_again_where_it_was(
    window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    choose(page, qtbot, "Wide")
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()
    assert window.library_controller.open_dialog() is page
    assert page.details.text().startswith("Wide")


def test_everything_on_the_page_can_be_reached_by_tab_and_has_a_name(page: LibraryDialog, qtbot: QtBot) -> None:
    wanted = {
        page.add_button,
        page.checkpoint_list,
        page.details.use_button,
        page.details.verify_button,
        page.details.folder_button,
        page.details.remove_button,
    }
    choose(page, qtbot, "Mine")
    wanted = {widget for widget in wanted if widget.isEnabled() and widget.isVisible()}
    assert {page.add_button, page.checkpoint_list} < wanted
    reached = set()
    page.add_button.setFocus()
    for _ in range(30):
        focus = page.focusWidget()
        assert focus is not None
        reached.add(focus)
        assert focus.accessibleName() or getattr(focus, "text", lambda: "")(), focus
        qtbot.keyClick(focus, Qt.Key.Key_Tab)
    assert wanted <= reached, wanted - reached
