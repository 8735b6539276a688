"""On a new computer the empty canvas suggests an installed checkpoint, a fast one, and the best that fits."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.library.catalogue import catalogue, suggest_entries
from sdxl_desktop.ui.library.welcome_panel import WelcomePanel, cost_text
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import make_checkpoint, wait_until_idle
from tests.ui.library.conftest import LEFT, FakeLibraryService, OpenWindow, current_import_dialog, start_import

GB = 10**9


@pytest.fixture
def fresh(open_window: OpenWindow) -> MainWindow:
    """A window on a computer with only the application's own checkpoints."""
    return open_window()


def welcome_of(window: MainWindow) -> WelcomePanel:
    found = window.canvas_area.empty_state.welcome
    assert found is not None, "nothing is suggested"
    return found


def test_it_suggests_what_fits_the_memory(app: object) -> None:
    for memory in (9 * GB, 16 * GB, 64 * GB):
        offered = suggest_entries(memory)
        roles = [card.entry for card in WelcomePanel(offered).cards]
        assert roles == [offered.shipped, offered.fast, offered.best]


def test_where_nothing_fits_only_the_starter_is_left(app: object) -> None:
    assert [card.entry.id for card in WelcomePanel(suggest_entries(3 * GB)).cards] == ["starter"]


def test_each_card_says_how_large_it_is_and_how_long_it_takes(fresh: MainWindow) -> None:
    starter, *others = welcome_of(fresh).cards
    assert "Nothing to download" in starter.text()
    assert len(others) == 2
    for card in others:
        assert re.search(r"[1-9][\d.]* GB to download; about [1-9]\d* (s|min|h|h \d+ min) in all at ", card.text())


def test_what_comes_along_is_counted_too() -> None:
    known = {entry.id: entry for entry in catalogue()}
    assert cost_text(known["vega-rt"]).startswith("3.5 GB"), "0.2 of its own and Vega's 3.3"


def test_the_starter_draws_at_once(fresh: MainWindow, qtbot: QtBot) -> None:
    qtbot.mouseClick(welcome_of(fresh).cards[0].button, LEFT)
    wait_until_idle(qtbot, fresh)
    assert len(fresh.session.results) == 1
    assert "heart" in fresh.session.results[0].request.prompts.prompt


def test_another_card_leads_to_its_dialog(fresh: MainWindow, library_service: FakeLibraryService, qtbot: QtBot) -> None:
    card = welcome_of(fresh).cards[1]
    qtbot.mouseClick(card.button, LEFT)
    dialog = current_import_dialog(fresh, qtbot)
    assert library_service.queries == [card.entry.id]
    qtbot.mouseClick(dialog.start_button, LEFT)
    assert fresh.canvas_area.empty_state.welcome is None, "it has been chosen"
    library_service.may_finish.set()
    qtbot.waitUntil(lambda: fresh.library_controller.actions.jobs.jobs == ())


def test_dismissed_it_does_not_come_back(fresh: MainWindow, open_window: OpenWindow, qtbot: QtBot) -> None:
    qtbot.mouseClick(welcome_of(fresh).close_button, LEFT)
    assert fresh.canvas_area.empty_state.welcome is None
    fresh.checkpoint_controller.rescan()
    assert fresh.canvas_area.empty_state.welcome is None
    assert open_window().canvas_area.empty_state.welcome is None


def test_it_comes_again_until_it_is_dismissed(fresh: MainWindow, open_window: OpenWindow) -> None:
    assert welcome_of(open_window()).cards


def test_who_has_a_checkpoint_of_their_own_is_not_bothered(window: MainWindow) -> None:
    assert window.canvas_area.empty_state.welcome is None


def test_what_is_suggested_opens_no_window_of_its_own(fresh: MainWindow, qtbot: QtBot) -> None:
    fresh.library_controller.open_dialog()
    visible = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    assert set(visible) <= {fresh, fresh.library_controller.actions.dialog}


def test_the_window_keeps_the_keyboard(fresh: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(fresh.isActiveWindow)


def test_it_never_delays_drawing(fresh: MainWindow, qtbot: QtBot) -> None:
    fresh.parameters_panel.set_prompt("a fox")
    fresh.controller.generate()
    wait_until_idle(qtbot, fresh)
    assert len(fresh.session.results) == 1


def test_in_a_small_window_nothing_is_cut_off(fresh: MainWindow, qtbot: QtBot) -> None:
    for width, height in ((880, 560), (1280, 800), (900, 1000)):
        fresh.resize(width, height)
        qtbot.wait(50)
        shown = welcome_of(fresh)
        assert len(shown.cards) == 3
        for card in shown.cards:
            assert card.height() >= card.minimumSizeHint().height(), (width, height)
            bottom = card.mapTo(fresh.canvas_area.empty_state, card.rect().bottomLeft()).y()
            assert bottom <= fresh.canvas_area.empty_state.height(), (width, height)
            assert card.button.isVisible()


def test_without_any_checkpoint_the_page_is_one_click_away(
    shipped: Path, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    shutil.rmtree(shipped)
    window = open_window()
    assert window.canvas_area.empty_state.welcome is None
    empty = window.canvas_area.empty_state
    button = next(found for found in empty.findChildren(QPushButton) if found.text().startswith("Add a"))
    qtbot.mouseClick(button, LEFT)
    page = window.library_controller.actions.dialog
    assert page is not None
    assert page.is_add_panel_shown
    library_service.may_finish.set()
    start_import(window, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: window.parameters_panel.checkpoint() is not None)


def test_one_that_is_there_already_counts(own: Path, open_window: OpenWindow) -> None:
    make_checkpoint(own / "second", title="Second")
    assert open_window().canvas_area.empty_state.welcome is None
