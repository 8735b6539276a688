"""The strip after a restart: the pictures of earlier sessions, which are no part of the present work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import MakeWindow, wait_until_idle
from tests.ui.gallery.conftest import COUNT, picture_pixels


def wait_filled(qtbot: QtBot, window: MainWindow, count: int = COUNT) -> None:
    qtbot.waitUntil(lambda: len(window.session.results) == count, timeout=10_000)


def test_it_has_the_earlier_pictures_oldest_first_and_shows_the_last(
    pictures: list[Path], make_window: MakeWindow, qtbot: QtBot
) -> None:
    window = make_window()
    wait_filled(qtbot, window)
    assert [result.saved_to for result in window.session.results] == pictures[::-1]
    shown = window.canvas_area.shown_result
    assert shown is not None
    np.testing.assert_array_equal(shown.picture.pixels, picture_pixels(0))
    window.canvas_area.go_to(0)
    window.controller.results.apply_settings()
    assert window.parameters_panel.value().prompts.prompt == "a green apple number 11"


def test_the_picture_that_was_shown_is_shown_again(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> None:
    first = make_window()
    wait_filled(qtbot, first)
    first.canvas_area.go_to(3)
    shown = first.canvas_area.shown_result
    assert shown is not None
    first.close_now()
    second = make_window()
    wait_filled(qtbot, second)
    again = second.canvas_area.shown_result
    assert again is not None
    assert again.saved_to == shown.saved_to


def test_the_pictures_of_a_session_are_there_after_it(make_window: MakeWindow, qtbot: QtBot) -> None:
    first = make_window()
    first.parameters_panel.set_prompt("a lighthouse")
    first.controller.generate()
    wait_until_idle(qtbot, first)
    made = first.session.results[-1]
    first.close_now()
    second = make_window()
    qtbot.waitUntil(lambda: bool(second.session.results), timeout=10_000)
    again = second.session.results[-1]
    assert again.saved_to == made.saved_to
    assert again.request.prompts == made.request.prompts
    np.testing.assert_array_equal(again.picture.pixels, made.picture.pixels)


def test_they_are_no_work_to_be_kept(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    wait_filled(qtbot, window)
    assert not window.project_controller.files.unsaved()
    work = window.project_controller.recovery
    work.autosave()
    assert work.flush(5)
    window.close_now()
    again = make_window()
    wait_filled(qtbot, again)
    assert again.session.results[0].is_earlier


def test_a_new_result_follows_them_and_is_shown(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    wait_filled(qtbot, window)
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert len(window.session.results) == COUNT + 1
    assert window.canvas_area.shown_result is window.session.results[-1]
    assert not window.session.results[-1].is_earlier


def test_the_picture_on_the_canvas_stays_there(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(start=False)
    window.document.set_picture(picture_pixels(3))
    window.canvas_area.show_document()
    window.start()
    wait_filled(qtbot, window)
    assert window.canvas_area.shown_result is None
    assert window.canvas_area.canvas_editor.is_attached


def test_missing_and_damaged_files_are_left_out(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> None:
    pictures[0].unlink()
    pictures[1].write_bytes(b"damaged")
    window = make_window()
    wait_filled(qtbot, window, COUNT - 2)
    assert window.session.results[-1].saved_to == pictures[2]


def test_the_gallery_opens_at_the_picture_on_the_canvas(
    pictures: list[Path], make_window: MakeWindow, qtbot: QtBot
) -> None:
    window = make_window()
    wait_filled(qtbot, window)
    window.canvas_area.go_to(COUNT - 1 - 7)
    window.features.gallery.open()
    page = window.features.gallery.page
    qtbot.waitUntil(lambda: page.grid.current is not None, timeout=10_000)
    qtbot.waitUntil(lambda: page.grid.selected == [page.entries.ids[7]], timeout=10_000)


def test_size_and_details_of_the_gallery_are_as_they_were(make_window: MakeWindow) -> None:
    first = make_window()
    first.features.gallery.page.bar.size_slider.setValue(14)
    first.features.gallery.page.bar.details_button.setChecked(False)
    side = first.features.gallery.page.grid.cell_side
    first.close_now()
    page = make_window().features.gallery.page
    assert page.grid.cell_side == side
    assert page.details.isHidden()
