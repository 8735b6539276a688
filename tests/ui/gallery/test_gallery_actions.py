"""What is done with pictures of the gallery: marks, tags, trash, files, canvas, settings, drawing again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QMenu
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.history.entries import NewPicture
from sdxl_desktop.ui.gallery.filter_bar import FilterChoice
from sdxl_desktop.ui.gallery.record_drawing import VARIATION_COUNT
from sdxl_desktop.ui.gallery.tag_editor import TagEditor
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import wait_until_idle
from tests.ui.gallery.conftest import COUNT, entry_now, picture_pixels, wait_listed
from tests.ui.widget_lookup import find_child, find_named, label_texts, repeated_mnemonics
from tests.unit.metadata.foreign_samples import png


def select(window: MainWindow, *numbers: int) -> None:
    """Select these positions of the list; the first is the current one."""
    page = window.features.gallery.page
    page.grid.select(page.entries.ids[numbers[0]])
    page.grid.set_selection([page.entries.ids[number] for number in numbers])


# marks


def test_digits_rate_and_the_filter_finds_the_rated(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    select(gallery, 1, 2)
    qtbot.keyClick(page.grid, Qt.Key.Key_4)
    entry_now(gallery, qtbot, lambda entry: entry.rating == 4, 1)
    select(gallery, 2)
    qtbot.keyClick(page.grid, Qt.Key.Key_0)
    entry_now(gallery, qtbot, lambda entry: entry.rating == 0, 2)
    find_named(page.filters, FilterChoice, "Rating").choose(3)
    wait_listed(qtbot, page, 1)


@pytest.mark.parametrize("key", ["*", "."])
def test_a_key_stars_and_takes_the_star_away(gallery: MainWindow, qtbot: QtBot, key: str) -> None:
    select(gallery, 0)
    grid = gallery.features.gallery.page.grid
    qtbot.keyClicks(grid, key)
    entry_now(gallery, qtbot, lambda entry: entry.starred)
    qtbot.keyClicks(grid, key)
    entry_now(gallery, qtbot, lambda entry: not entry.starred)


def test_tags_are_given_and_taken_for_several_pictures(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page

    def edit_tags() -> TagEditor:
        qtbot.keyClick(page.grid, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: page.findChild(TagEditor) is not None, timeout=10_000)
        editor = page.findChild(TagEditor)
        assert editor is not None
        return editor

    select(gallery, 0, 1)
    editor = edit_tags()
    editor.field.setText("to print & frame")
    editor.accept()
    entry_now(gallery, qtbot, lambda entry: entry.tags == ("to print & frame",), 1)
    qtbot.waitUntil(lambda: page.findChild(TagEditor) is None, timeout=10_000)
    select(gallery, 0, 5)
    editor = edit_tags()
    (box,) = editor.findChildren(QCheckBox)
    assert box.checkState() is Qt.CheckState.PartiallyChecked
    assert not editor.value().removed, "what only some have stays unless it is clicked"
    box.setCheckState(Qt.CheckState.Unchecked)
    editor.accept()
    entry_now(gallery, qtbot, lambda entry: entry.tags == (), 0)
    assert entry_now(gallery, qtbot, lambda entry: True, 1).tags == ("to print & frame",)


# the trash


def test_deleting_moves_files_to_the_trash_and_undo_brings_all_back(
    gallery: MainWindow, qtbot: QtBot, pictures: list[Path], home: Path
) -> None:
    page = gallery.features.gallery.page
    select(gallery, 0, 3)
    qtbot.keyClick(page.grid, Qt.Key.Key_5)
    entry_now(gallery, qtbot, lambda entry: entry.rating == 5)
    kept = [pictures[number].read_bytes() for number in (0, 3)]
    qtbot.keyClick(page.grid, Qt.Key.Key_Delete)
    wait_listed(qtbot, page, COUNT - 2)
    assert not pictures[0].exists()
    assert not pictures[3].exists()
    assert page.grid.current == page.entries.ids[0], "the next picture has the focus"
    assert [file for file in home.rglob("picture-00*") if "Trash" in str(file) and file.suffix == ".png"]
    page.toast.action_triggered.emit()
    wait_listed(qtbot, page, COUNT)
    assert [pictures[number].read_bytes() for number in (0, 3)] == kept
    assert entry_now(gallery, qtbot, lambda entry: True).rating == 5


def test_undo_does_not_replace_a_file_that_took_the_name(
    gallery: MainWindow, qtbot: QtBot, pictures: list[Path]
) -> None:
    page = gallery.features.gallery.page
    select(gallery, 1)
    gallery.features.gallery.delete()
    wait_listed(qtbot, page, COUNT - 1)
    pictures[1].write_bytes(b"another file")
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(page.entries.ids) >= COUNT, timeout=10_000)
    assert pictures[1].read_bytes() == b"another file"
    back = [page.entries.entry(one) for one in page.entries.ids]
    assert any(entry is not None and entry.seed == 1001 and entry.file.exists() for entry in back)


def test_a_missing_picture_can_be_taken_out(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    pictures[4].unlink()
    select(gallery, 4)
    gallery.features.gallery.delete()
    wait_listed(qtbot, gallery.features.gallery.page, COUNT - 1)


def test_a_deleted_picture_leaves_the_strip_and_returns(gallery: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(gallery.session.results) == COUNT, timeout=10_000)
    newest = gallery.session.results[-1].saved_to
    select(gallery, 0)
    gallery.features.gallery.delete()
    qtbot.waitUntil(lambda: len(gallery.session.results) == COUNT - 1, timeout=10_000)
    wait_listed(qtbot, gallery.features.gallery.page, COUNT - 1)
    gallery.features.gallery.page.toast.action_triggered.emit()
    qtbot.waitUntil(lambda: len(gallery.session.results) == COUNT, timeout=10_000)
    assert gallery.session.results[-1].saved_to == newest


@pytest.mark.skipif(os.name != "posix", reason="other systems' names are text")
def test_a_name_that_is_no_text_is_shown_dragged_and_never_lost(
    gallery: MainWindow, qtbot: QtBot, pictures: list[Path]
) -> None:
    page = gallery.features.gallery.page
    odd = pictures[0].with_name(os.fsdecode(b"odd-\xff\xfe.png"))
    Image.new("RGB", (20, 20)).save(odd)
    gallery.history.write(lambda history: history.add(NewPicture(file=odd, size=Size(20, 20))))
    wait_listed(qtbot, page, COUNT + 1)
    number = next(n for n in range(COUNT + 1) if (e := page.entries.entry_at(n)) is not None and e.file == odd)
    select(gallery, number)
    qtbot.waitUntil(lambda: "odd-" in label_texts(page.details), timeout=10_000)
    odd.rename(pictures[0].with_name("elsewhere.png"))
    page.thumbnails.forget(odd)
    page.grab()
    pictures[0].with_name("elsewhere.png").rename(odd)
    entry = entry_now(gallery, qtbot, lambda entry: True, number)
    assert gallery.features.gallery.actions.mime_of([entry]).urls()[0].toString().endswith("odd-%FF%FE.png")
    gallery.features.gallery.delete()
    qtbot.waitUntil(lambda: "trash" in page.banner.accessibleName() or not odd.exists(), timeout=10_000)
    assert odd.exists() or len(page.entries.ids) == COUNT


# files


def test_copy_and_drag_have_the_files(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    page, actions = gallery.features.gallery.page, gallery.features.gallery.actions
    select(gallery, 2)
    qtbot.keyClick(page.grid, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QGuiApplication.clipboard()
    assert [Path(url.toLocalFile()) for url in clipboard.mimeData().urls()] == [pictures[2]]
    assert clipboard.image().width() == 64
    pictures[5].unlink()
    entries = [entry for number in (2, 5, 7) if (entry := page.entries.entry_at(number)) is not None]
    assert [Path(url.toLocalFile()) for url in actions.mime_of(entries).urls()] == [pictures[2], pictures[7]]
    clipboard.clear()  # data that are there when Python ends crash Qt's offscreen platform


# the canvas and the settings


def test_enter_shows_the_picture_on_the_canvas_like_a_result(gallery: MainWindow, qtbot: QtBot) -> None:
    select(gallery, 7)
    qtbot.keyClick(gallery.features.gallery.page.grid, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not gallery.features.gallery.is_open, timeout=10_000)
    shown = gallery.canvas_area.shown_result
    assert shown is not None
    np.testing.assert_array_equal(shown.picture.pixels, picture_pixels(7))
    gallery.controller.results.apply_settings()
    assert gallery.parameters_panel.value().prompts.prompt == "an old castle number 7"
    rows = len(gallery.session.results)
    gallery.features.gallery.open()
    qtbot.keyClick(gallery.features.gallery.page.grid, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not gallery.features.gallery.is_open, timeout=10_000)
    assert len(gallery.session.results) == rows, "the same picture is not added twice"


def test_it_is_put_on_the_canvas_to_edit(gallery: MainWindow, qtbot: QtBot) -> None:
    entry = entry_now(gallery, qtbot, lambda entry: True, 3)
    gallery.features.gallery.actions.edit_on_canvas(entry)
    assert gallery.document.picture is not None
    np.testing.assert_array_equal(gallery.document.picture, picture_pixels(3))


def test_use_its_settings_restores_them(gallery: MainWindow, qtbot: QtBot) -> None:
    select(gallery, 8)
    qtbot.keyClick(gallery.features.gallery.page.grid, Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not gallery.features.gallery.is_open, timeout=10_000)
    value = gallery.parameters_panel.value()
    assert value.sampling is not None
    assert (value.prompts.prompt, value.prompts.negative_prompt) == ("a green apple number 8", "blurry")
    assert (value.sampling.seed, value.sampling.steps, value.seed_locked) == (1008, 18, True)


def test_draw_again_draws_one_picture_with_its_seed(gallery: MainWindow, qtbot: QtBot) -> None:
    gallery.document.set_picture(picture_pixels(1))  # the canvas does not turn it into another kind of run
    gallery.features.gallery.actions.draw_again(entry_now(gallery, qtbot, lambda entry: True, 6))
    qtbot.waitUntil(lambda: bool(gallery.session.results) and not gallery.session.results[-1].is_earlier)
    wait_until_idle(qtbot, gallery)
    made = gallery.session.results[-1]
    assert (made.picture.seed, made.request.sampling.count, made.request.edit) == (1006, 1, None)
    assert made.request.prompts.prompt == "a red fox number 6"


def test_variations_have_one_seed_and_different_directions(gallery: MainWindow, qtbot: QtBot) -> None:
    gallery.features.gallery.actions.make_variations(entry_now(gallery, qtbot, lambda entry: True, 0))

    def made() -> list[tuple[int, int, float]]:
        own = [result.request.sampling for result in gallery.session.results if not result.is_earlier]
        return [(one.seed, one.variation_seed, one.variation_strength) for one in own]

    qtbot.waitUntil(lambda: len(made()) == VARIATION_COUNT, timeout=10_000)
    wait_until_idle(qtbot, gallery)
    assert {seed for seed, _, _ in made()} == {1000}
    assert len({varied for _, varied, _ in made()}) == VARIATION_COUNT
    assert all(0 < strength < 1 for _, _, strength in made())


def test_the_settings_of_another_program_are_used(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    page = gallery.features.gallery.page
    file = pictures[0].with_name("other.png")
    png(parameters="a blue owl\nSteps: 13, Sampler: Euler, CFG scale: 3, Seed: 77, Size: 64x64, Model: owls")(file)
    gallery.history.write(lambda history: history.scan(file.parent))
    wait_listed(qtbot, page, COUNT + 1)
    number = next(n for n in range(COUNT + 1) if (e := page.entries.entry_at(n)) is not None and e.file == file)
    select(gallery, number)
    qtbot.waitUntil(lambda: "a blue owl" in label_texts(page.details), timeout=10_000)
    assert page.details.use_button.isVisibleTo(page.details)
    qtbot.mouseClick(page.details.use_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: gallery.parameters_panel.value().prompts.prompt == "a blue owl", timeout=10_000)


def test_a_picture_without_a_record_says_so(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    page = gallery.features.gallery.page
    plain = pictures[0].with_name("plain.png")
    Image.new("RGB", (20, 20)).save(plain)
    gallery.history.write(lambda history: history.add(NewPicture(file=plain, size=Size(20, 20))))
    wait_listed(qtbot, page, COUNT + 1)
    found = [page.entries.entry(one) for one in page.entries.ids]
    entry = next(one for one in found if one is not None and one.file == plain)
    gallery.features.gallery.actions.use_settings(entry)
    qtbot.waitUntil(lambda: "plain.png" in page.banner.accessibleName(), timeout=10_000)
    gallery.features.gallery.actions.open_on_canvas(entry)
    qtbot.waitUntil(lambda: gallery.document.has_picture, timeout=10_000)


@pytest.mark.parametrize("count", [1, 2, COUNT])
def test_the_menu_has_no_mnemonic_twice(gallery: MainWindow, qtbot: QtBot, count: int) -> None:
    page = gallery.features.gallery.page
    select(gallery, *range(count))
    page.menu_requested.emit(page.grid.mapToGlobal(page.grid.rect().center()))
    qtbot.waitUntil(lambda: bool(page.findChildren(QMenu)))
    menu = find_child(page, QMenu)
    assert len(menu.actions()) > 5
    assert repeated_mnemonics(action.text() for action in menu.actions()) == []
    menu.close()
