"""The queue in the window: its list, keys, menu, undo, pausing, editing, and what comes back at the next start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.session.queue.generation_queue import Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.generate_bar import GenerateBar
from sdxl_desktop.ui.queue.queue_panel import QueuePanel
from sdxl_desktop.ui.queue.queue_windows import QueueDialog, QueuePopover
from tests.typed import not_none
from tests.ui.conftest import GatedEngine, MakeWindow, wait_until_idle
from tests.ui.inpainting_engine import InpaintingEngine, disc_mask, photo
from tests.ui.widget_lookup import find_child, find_named, menu_action, repeated_mnemonics

Drawing = tuple[MainWindow, GatedEngine]


@pytest.fixture
def drawing(make_window: MakeWindow) -> Drawing:
    """A window that draws a picture, with three more in its queue."""
    engine = GatedEngine()
    window = make_window(engine)
    for prompt in ("first", "second", "third", "fourth"):
        add(window, prompt)
    return window, engine


def add(window: MainWindow, prompt: str) -> None:
    window.parameters_panel.set_prompt(prompt)
    window.controller.add_to_queue()


def prompts(window: MainWindow) -> list[str]:
    return [item.request.prompts.prompt for item in window.session.queue.listed(window.session.loaded)]


def open_page(window: MainWindow) -> QueuePanel:
    menu_action(window, "queue list").trigger()
    return find_child(window, QueueDialog).panel


def select(panel: QueuePanel, *rows: int) -> None:
    """Without `setCurrentIndex` of the view, which extends the selection if an earlier test pressed Shift or Ctrl."""
    model, selection = panel.view.model(), panel.view.selectionModel()
    selection.setCurrentIndex(model.index(rows[0], 0), selection.SelectionFlag.ClearAndSelect)
    for row in rows[1:]:
        selection.select(model.index(row, 0), selection.SelectionFlag.Select)


def action_of(menu: QMenu, words: str) -> QAction:
    return next(action for action in menu.actions() if action.text().replace("&", "") == words)


def toast_button(window: MainWindow, words: str) -> QPushButton:
    return next(found for found in window.canvas_area.toast.findChildren(QPushButton) if found.text() == words)


def finish(drawing: Drawing, qtbot: QtBot) -> None:
    window, engine = drawing
    engine.gate.set()
    qtbot.waitUntil(lambda: not window.session.queue.items, timeout=10_000)
    wait_until_idle(qtbot, window)


def test_the_list_says_what_is_drawn_and_what_waits(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    panel = open_page(window)
    model = panel.view.model()
    assert model.rowCount() == 4
    said = [str(model.index(row, 0).data(Qt.ItemDataRole.AccessibleTextRole)) for row in range(4)]
    assert said[0].startswith("first, Drawing")
    assert said[1] == "second, 64 × 64 · Starter"
    assert "4 pictures to be drawn" in "\n".join(label.text() for label in panel.findChildren(QLabel))
    assert panel.view.accessibleName() == "Queue"
    finish(drawing, qtbot)
    assert model.rowCount() == 0
    assert any("Nothing waits" in label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_keys_move_remove_and_undo(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    panel = open_page(window)
    alt, view = Qt.KeyboardModifier.AltModifier, panel.view
    select(panel, 3)
    qtbot.keyClick(view, Qt.Key.Key_Up, alt)
    assert prompts(window) == ["first", "second", "fourth", "third"]
    assert [not_none(view.current_item()).request.prompts.prompt] == ["fourth"], "it stays selected"
    for _ in range(3):
        qtbot.keyClick(view, Qt.Key.Key_Up, alt)
    assert prompts(window) == ["first", "fourth", "second", "third"], "never before what is drawn"
    qtbot.keyClick(view, Qt.Key.Key_Down, alt)
    assert prompts(window) == ["first", "second", "fourth", "third"]
    select(panel, 1, 2)
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert prompts(window) == ["first", "third"]
    assert [not_none(view.current_item()).request.prompts.prompt] == ["third"]
    toast_button(window, "Undo").click()
    assert prompts(window) == ["first", "second", "fourth", "third"]


def test_dropped_rows_go_where_they_are_dropped(drawing: Drawing) -> None:
    window, _ = drawing
    model = open_page(window).view.model()
    data = model.mimeData([model.index(3, 0)])
    model.dropMimeData(data, Qt.DropAction.MoveAction, 1, 0, model.index(-1, -1))
    assert prompts(window) == ["first", "fourth", "second", "third"]
    assert not model.flags(model.index(0, 0)) & Qt.ItemFlag.ItemIsDragEnabled, "what is drawn stays"


def test_the_context_menu(drawing: Drawing) -> None:
    window, _ = drawing
    panel = open_page(window)
    select(panel, 3)
    menu = panel.build_menu(not_none(panel.view.current_item()))
    assert repeated_mnemonics(action.text() for action in menu.actions()) == []
    action_of(menu, "Run next").trigger()
    assert prompts(window) == ["first", "fourth", "second", "third"]
    select(panel, 2)
    action_of(panel.build_menu(not_none(panel.view.current_item())), "Duplicate").trigger()
    assert sorted(prompts(window)) == ["first", "fourth", "second", "second", "third"]
    select(panel, 4)
    priorities = not_none(panel.build_menu(not_none(panel.view.current_item())).findChild(QMenu))
    action_of(priorities, "High").trigger()
    assert prompts(window)[1] == "third"
    assert window.session.queue.listed()[1].priority is Priority.HIGH
    select(panel, 2)
    action_of(panel.build_menu(not_none(panel.view.current_item())), "Pause this one").trigger()
    assert window.session.queue.listed()[-1].state is ItemState.PAUSED
    select(panel, 4)
    action_of(panel.build_menu(not_none(panel.view.current_item())), "Continue").trigger()
    assert not any(item.state is ItemState.PAUSED for item in window.session.queue.items)


def test_removing_what_is_drawn_cancels_it_alone(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    panel = open_page(window)
    select(panel, 0)
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: prompts(window)[0] == "second")
    assert prompts(window) == ["second", "third", "fourth"]


def test_escape_stops_one_and_never_empties_the_queue(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    for left in (["second", "third", "fourth"], ["third", "fourth"]):
        window.controller.escape()
        qtbot.waitUntil(lambda left=left: prompts(window) == left)  # type: ignore[misc]


def test_it_is_filled_while_it_is_on_hold(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    menu_action(window, "pause").trigger()
    for prompt in ("one", "two"):
        add(window, prompt)
    menu_action(window, "queue next").trigger()
    assert (window.session.run, len(window.session.queue.waiting)) == (None, 3)
    bar = find_child(window, GenerateBar)
    assert bar.list_button.text() == "3 waiting"
    window.parameters_panel.set_prompt("now")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert [result.request.prompts.prompt for result in window.session.results] == ["now"], "a click draws at once"
    next(button for button in bar.findChildren(QPushButton) if button.text() == "Continue").click()
    qtbot.waitUntil(lambda: not window.session.queue.items, timeout=10_000)
    assert [result.request.prompts.prompt for result in window.session.results] == ["now", "two", "one", "two"]
    assert window.session.queue.hold is Hold.NONE


def test_a_run_is_paused_and_continued_with_its_button(drawing: Drawing, qtbot: QtBot) -> None:
    window, engine = drawing
    bar = find_child(window, GenerateBar)
    engine.seconds_per_step = 0.02
    assert bar.pause_button.isVisible()
    engine.gate.set()
    qtbot.waitUntil(lambda: window.session.run is not None and window.session.run.progress.step > 0)
    bar.pause_button.click()
    wait_until_idle(qtbot, window)
    first = window.session.queue.listed()[0]
    assert first.state is ItemState.WAITING
    assert not bar.pause_button.isVisible()
    panel = open_page(window)
    assert panel.pause_button.text() == "Continue"
    before = len(window.session.queue.items)
    assert before in (3, 4)
    panel.pause_button.click()
    qtbot.waitUntil(lambda: not window.session.queue.items, timeout=10_000)
    assert [result.request.prompts.prompt for result in window.session.results] == [
        "first",
        "second",
        "third",
        "fourth",
    ]


def test_an_item_is_edited_in_the_panels(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    panel = open_page(window)
    select(panel, 2)
    qtbot.keyClick(panel.view, Qt.Key.Key_Return)
    assert window.parameters_panel.value().prompts.prompt == "third"
    assert "third" not in [request.prompts.prompt for request in window.session.waiting], "not drawn half changed"
    window.parameters_panel.set_prompt("changed")
    toast_button(window, "Save to the queue").click()
    assert prompts(window) == ["first", "second", "changed", "fourth"]
    select(panel, 1)
    find_named(panel, QPushButton, "Edit").click()
    select(panel, 2)
    find_named(panel, QPushButton, "Edit").click()
    assert [item.state for item in window.session.queue.items].count(ItemState.PAUSED) == 1, "one at a time"


def test_an_edited_item_keeps_the_picture_it_is_drawn_on(make_window: MakeWindow, qtbot: QtBot, shipped: Path) -> None:
    (shipped / "starter" / "vae_encoder").mkdir()
    for suffix in ("xml", "bin"):
        (shipped / "starter" / "vae_encoder" / f"openvino_model.{suffix}").write_text("not a network")
    window = make_window(InpaintingEngine())
    window.document.set_picture(photo(), "photo.png")
    window.document.set_mask(disc_mask())
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    window.features.queue.pause()
    add(window, "a hat")
    (item,) = window.session.queue.items
    source = not_none(item.request.edit)
    window.document.set_picture(photo()[::-1].copy(), "other.png")
    window.features.queue.edit(item.id)
    window.parameters_panel.set_prompt("a cap")
    toast_button(window, "Save to the queue").click()
    (edited,) = window.session.queue.items
    assert edited.request.prompts.prompt == "a cap"
    assert not_none(edited.request.edit).picture.digest == source.picture.digest
    assert not_none(not_none(edited.request.edit).mask).digest == not_none(source.mask).digest


def test_an_edited_item_keeps_the_latents_it_starts_from(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(settings=Settings(preferences=Preferences(keep_latents="steps")))
    window.parameters_panel.set_prompt("a hat")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    done = window.session.results[0]
    start = ResumePoint(not_none(done.picture.latents), 2)
    window.features.queue.pause()
    window.session.enqueue(replace(done.request, start=start))
    (item,) = window.session.queue.items
    window.features.queue.edit(item.id)
    window.parameters_panel.set_prompt("a cap")
    toast_button(window, "Save to the queue").click()
    (edited,) = window.session.queue.items
    assert (edited.request.prompts.prompt, edited.request.start) == ("a cap", start)
    window.features.queue.edit(edited.id)
    window.parameters_panel.set_seed(done.picture.seed + 1)
    toast_button(window, "Save to the queue").click()
    assert window.session.queue.items[0].request.start == start, "another seed cannot go on from a step"
    assert "seed" in window.canvas_area.banner.accessibleName()


def test_the_popover_opens_at_the_number_and_leads_to_the_window(drawing: Drawing, qtbot: QtBot) -> None:
    window, _ = drawing
    bar = find_child(window, GenerateBar)
    bar.list_button.click()
    popover = find_child(window, QueuePopover)
    assert popover.isVisible()
    assert popover.panel.view.model().rowCount() == 4
    find_named(popover, QPushButton, "Open the queue in a window").click()
    assert not popover.isVisible()
    assert find_child(window, QueueDialog).isVisible()


def test_the_next_start_shows_it_as_it_was_and_asks(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    window.features.queue.pause()
    for prompt in ("one", "two", "three"):
        add(window, prompt)
    window.session.change_queue(lambda queue: queue.moved([queue.items[2].id], 0))
    window.close_now()
    again = make_window()
    assert prompts(again) == ["three", "one", "two"]
    assert (again.session.run, again.session.queue.hold is Hold.NONE) == (None, False)
    assert "3 pictures are still to be drawn" in "\n".join(
        label.text() for label in again.canvas_area.toast.findChildren(QLabel)
    )
    toast_button(again, "Continue").click()
    qtbot.waitUntil(lambda: not again.session.queue.items, timeout=10_000)
    again.close_now()
    third = make_window()
    assert third.session.queue.items == ()
    assert not third.canvas_area.toast.isVisible()


def test_pausing_and_quitting_goes_on_at_the_step(make_window: MakeWindow, qtbot: QtBot) -> None:
    engine = GatedEngine(seconds_per_step=0.2)
    window = make_window(engine)
    add(window, "one")
    engine.gate.set()
    qtbot.waitUntil(lambda: window.session.run is not None and window.session.run.progress.step > 0)
    window.close()
    answer = next(button for button in window.findChildren(QPushButton) if button.text() == "Pause and quit")
    with qtbot.waitSignal(window.closed):
        answer.click()
    again = make_window()
    (item,) = again.session.queue.items
    assert not_none(item.start).step >= 1
    again.features.queue.continue_queue()
    qtbot.waitUntil(lambda: not again.session.queue.items, timeout=10_000)


def test_a_failed_one_can_be_tried_again(drawing: Drawing, qtbot: QtBot) -> None:
    window, engine = drawing
    engine.error = EngineError("It broke.", why="It is hot.")
    engine.gate.set()
    wait_until_idle(qtbot, window)
    panel = open_page(window)
    failed = window.session.queue.listed()[-1]
    assert (failed.state, failed.request.prompts.prompt) == (ItemState.FAILED, "first")
    engine.error = None
    select(panel, 3)
    action_of(panel.build_menu(failed), "Try again").trigger()
    window.features.queue.continue_queue()
    qtbot.waitUntil(lambda: not window.session.queue.items, timeout=10_000)
    assert len(window.session.results) == 4


def test_arranging_can_be_turned_off(make_window: MakeWindow) -> None:
    window = make_window()
    window.features.queue.pause()
    for name in ("starter", "wide", "starter"):
        assert window.parameters_panel.select_checkpoint(name)
        add(window, name)
    assert prompts(window) == ["starter", "starter", "wide"]
    panel = open_page(window)
    assert any("Arranged" in label.text() for label in panel.findChildren(QLabel) if label.isVisible())
    window.preferences.set_value(replace(window.preferences.value(), arrange_queue=False))
    assert prompts(window) == ["starter", "wide", "starter"]


class Told:
    """Stands for the desktop: remembers what it was told."""

    def __init__(self) -> None:
        self.notifications: list[str] = []
        self.progress: list[float | None] = []

    def notify(self, title: str, text: str) -> bool:
        self.notifications.append(title)
        return True

    def show_progress(self, fraction: float | None) -> None:
        self.progress.append(fraction)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("preferences", "in_front", "told"),
    [(Preferences(), False, 1), (Preferences(), True, 0), (Preferences(notify_when_done=False), False, 0)],
    ids=["behind", "in front", "not wanted"],
)
def test_the_desktop_is_told_once_when_all_is_drawn_and_nobody_looks(
    preferences: Preferences,
    in_front: bool,
    told: int,
    drawing: Drawing,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window, _ = drawing
    desktop = Told()
    window.features.queue.desktop = desktop  # type: ignore[assignment]
    window.preferences.set_value(preferences)
    monkeypatch.setattr(
        "sdxl_desktop.ui.queue.queue_controller.QApplication.activeWindow",
        staticmethod(lambda: window if in_front else None),
    )
    finish(drawing, qtbot)
    assert len(desktop.notifications) == told
    assert desktop.progress[-1] is None
    assert max(value for value in desktop.progress if value is not None) > 0
