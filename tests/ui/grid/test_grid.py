"""Grids in the window: chosen in a dialog, drawn through the queue, composed when complete, also after a restart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDialogButtonBox, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.history.entries import HistoryFilter, PictureKind
from sdxl_desktop.history.store import History
from sdxl_desktop.ui.grid.grid_dialog import GridDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import wait_until_idle
from tests.ui.test_workflow_panels import visible_text

MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def dialog(window: MainWindow) -> GridDialog:
    window.parameters_panel.set_prompt("a red heart")
    return window.features.grids.open()


def fill(dialog: GridDialog, axis: int, parameter: str, values: str) -> None:
    """Choose as a person does, by the label of the parameter."""
    choice = dialog.findChildren(QComboBox)[axis]
    choice.setCurrentIndex(choice.findText(parameter))
    dialog.findChildren(QLineEdit)[axis].setText(values)


def draw_button(dialog: GridDialog) -> QPushButton:
    return dialog.findChildren(QDialogButtonBox)[0].button(QDialogButtonBox.StandardButton.Ok)


def test_the_dialog_says_how_many_pictures(dialog: GridDialog) -> None:
    assert not draw_button(dialog).isEnabled()
    fill(dialog, 0, "Steps", "2-6:2")
    fill(dialog, 1, "Guidance scale", "1,5; 3")
    assert "3 × 2 = 6 pictures" in visible_text(dialog)
    assert draw_button(dialog).isEnabled()


@pytest.mark.parametrize(
    ("parameter", "values", "words"),
    [
        ("Steps", "1-1000:0", "larger step"),
        ("Seed", "1-500", "At most 400"),
        ("Guidance scale", "one - two", "not a number"),
    ],
)
def test_what_cannot_be_a_grid_is_said_at_once(dialog: GridDialog, parameter: str, values: str, words: str) -> None:
    fill(dialog, 0, parameter, values)
    assert words in visible_text(dialog)
    assert not draw_button(dialog).isEnabled()


def test_a_value_that_does_not_fit_keeps_the_dialog(dialog: GridDialog, window: MainWindow, qtbot: QtBot) -> None:
    fill(dialog, 0, "Steps", "2, many")
    qtbot.mouseClick(draw_button(dialog), Qt.MouseButton.LeftButton)
    assert "many" in visible_text(dialog)
    assert dialog.isVisible()
    assert not window.session.queue.items


def test_a_grid_is_drawn_and_composed(dialog: GridDialog, window: MainWindow, paths: AppPaths, qtbot: QtBot) -> None:
    fill(dialog, 0, "Steps", "2, 3")
    fill(dialog, 1, "Replace in the prompt", "red, blue")
    qtbot.mouseClick(draw_button(dialog), Qt.MouseButton.LeftButton)
    wait_until_idle(qtbot, window)
    made = {(one.request.sampling.steps, one.request.prompts.prompt) for one in window.session.results}
    assert made == {(steps, f"a {colour} heart") for steps in (2, 3) for colour in ("red", "blue")}
    assert len({one.request.sampling.seed for one in window.session.results}) == 1
    qtbot.waitUntil(lambda: "The grid is drawn" in visible_text(window))
    (file,) = paths.pictures.glob("*-grid.png")
    with Image.open(file) as image:
        assert image.width > 2 * 64
    with closing(History.open(paths.history)) as history:
        qtbot.waitUntil(lambda: any(one.tag.startswith("Grid a-red-heart") for one in history.tags()))
        (tagged,) = history.tags()
        assert {one.file for one in history.page(HistoryFilter(tag=tagged.tag))} == set(paths.pictures.glob("*.png"))
        (grid,) = history.page(HistoryFilter(kinds=frozenset({PictureKind.GRID})))
        seed = window.session.results[0].request.sampling.seed
        assert (grid.file, grid.prompt, grid.seed) == (file, "a red heart", seed)
        details = history.details(grid.id)
        assert details is not None
        assert details.record is not None
        assert {one.checkpoint_title for one in history.page()} == {grid.checkpoint_title}
    assert not window.features.grids.unfinished


def test_a_grid_goes_on_after_a_restart(make_window: MakeWindow, paths: AppPaths, qtbot: QtBot) -> None:
    first = make_window(FakeEngine(seconds_per_step=0.05))
    first.parameters_panel.set_prompt("a red heart")
    dialog = first.features.grids.open()
    fill(dialog, 0, "Steps", "2, 3, 4, 5")
    qtbot.mouseClick(draw_button(dialog), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(first.session.results) == 1)
    first.close_now()
    assert not list(paths.pictures.glob("*-grid.png"))

    second = make_window()
    qtbot.waitUntil(lambda: bool(second.session.queue.items))
    assert second.features.grids.unfinished
    second.features.queue.continue_queue()
    wait_until_idle(qtbot, second)
    qtbot.waitUntil(lambda: bool(list(paths.pictures.glob("*-grid.png"))))


def test_a_grid_of_which_the_rest_was_removed_shows_what_there_is(
    make_window: MakeWindow, paths: AppPaths, qtbot: QtBot
) -> None:
    window = make_window(FakeEngine(seconds_per_step=0.05))
    dialog = window.features.grids.open()
    fill(dialog, 0, "Steps", "2, 30, 31")
    qtbot.mouseClick(draw_button(dialog), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(window.session.results) == 1)
    window.features.queue.clear()
    window.session.cancel()
    wait_until_idle(qtbot, window)
    qtbot.waitUntil(lambda: bool(list(paths.pictures.glob("*-grid.png"))))


def test_without_saving_there_is_no_grid(dialog: GridDialog, window: MainWindow, qtbot: QtBot) -> None:
    window.preferences.set_value(replace(Preferences(), autosave=False))
    fill(dialog, 0, "Steps", "2, 3")
    qtbot.mouseClick(draw_button(dialog), Qt.MouseButton.LeftButton)
    assert "saving every picture" in visible_text(dialog)
    assert not window.session.queue.items
