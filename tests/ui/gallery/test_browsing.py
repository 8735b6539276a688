"""Looking at the pictures: opening, days, keys, mouse, search, filters, what is missing."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.history.entries import HistoryFilter, PictureKind
from sdxl_desktop.ui.gallery.details_panel import DetailsPanel
from sdxl_desktop.ui.gallery.filter_bar import FilterBar, FilterChoice
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import MakeWindow
from tests.ui.gallery.conftest import COUNT, PER_DAY, entry_now, picture_pixels, wait_listed
from tests.ui.widget_lookup import find_named, label_texts, menu_action, rgb


def shown_names(window: MainWindow) -> list[str]:
    entries = window.features.gallery.page.entries
    found = [entries.entry_at(number) for number in range(len(entries.ids))]
    return [entry.file.name for entry in found if entry is not None]


def current_name(window: MainWindow) -> str:
    page = window.features.gallery.page
    entry = page.entries.entry(page.grid.current or -1)
    return "" if entry is None else entry.file.name


def test_all_pictures_are_listed_by_day_newest_first(gallery: MainWindow, pictures: list[Path]) -> None:
    page = gallery.features.gallery.page
    assert shown_names(gallery) == [file.name for file in pictures]
    groups = page.grid.layout_of_cells.groups
    assert [group.count for group in groups] == [PER_DAY] * 3
    assert [group.title for group in groups][:2] == ["Today", "Yesterday"]
    assert "12 pictures" in label_texts(page)


def test_the_thumbnails_are_those_of_the_files(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    qtbot.waitUntil(lambda: page.thumbnails.is_idle and page.thumbnails.nbytes > 0, timeout=10_000)
    shown = page.grid.viewport().grab().toImage()
    for number in (0, 5, 11):
        middle = page.grid.layout_of_cells.rect(number).center() - QPoint(0, page.grid.scroll_y)
        if page.grid.viewport().rect().contains(middle):
            assert abs(rgb(shown.pixelColor(middle))[0] - int(picture_pixels(number)[0, 0, 0])) <= 2


def test_ctrl_g_and_esc_open_and_close_it(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    assert page.grid.hasFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Escape)
    assert not gallery.features.gallery.is_open
    menu_action(gallery, "gallery").trigger()
    assert gallery.features.gallery.is_open
    find_named(page, QPushButton, "Back").click()
    assert not gallery.features.gallery.is_open
    find_named(gallery.canvas_area, QPushButton, "All pictures").click()
    assert gallery.features.gallery.is_open


def test_the_keys_move_and_select(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    grid = gallery.features.gallery.page.grid
    names = [file.name for file in pictures]
    qtbot.keyClick(grid, Qt.Key.Key_Home)
    assert current_name(gallery) == names[0]
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    assert (current_name(gallery), len(grid.selected)) == (names[1], 1)
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    assert current_name(gallery) == names[PER_DAY + 1], "the row below is the next day"
    qtbot.keyClick(grid, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
    assert (current_name(gallery), len(grid.selected)) == (names[-1], COUNT - PER_DAY - 1)
    qtbot.keyClick(grid, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(grid, Qt.Key.Key_Space)
    assert len(grid.selected) == COUNT - PER_DAY - 2, "Ctrl moves the focus only, Space takes it out"
    qtbot.keyClick(grid, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(grid.selected) == COUNT
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
        qtbot.keyClick(grid, key)
    assert len(grid.selected) == 1


def test_click_ctrl_shift_and_rubber_band_select(gallery: MainWindow, qtbot: QtBot) -> None:
    grid = gallery.features.gallery.page.grid
    view, ids = grid.viewport(), gallery.features.gallery.page.entries.ids

    def middle(number: int) -> QPoint:
        return grid.layout_of_cells.rect(number).center() - QPoint(0, grid.scroll_y)

    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(view, left, pos=middle(1))
    assert grid.selected == [ids[1]]
    qtbot.mouseClick(view, left, Qt.KeyboardModifier.ShiftModifier, pos=middle(3))
    assert grid.selected == list(ids[1:4])
    qtbot.mouseClick(view, left, Qt.KeyboardModifier.ControlModifier, pos=middle(2))
    assert grid.selected == [ids[1], ids[3]]
    start = grid.layout_of_cells.rect(0).topLeft() - QPoint(5, 5)
    qtbot.mousePress(view, left, pos=start)
    assert grid.selected == []
    qtbot.mouseMove(view, middle(1))
    qtbot.mouseRelease(view, left, pos=middle(1))
    assert grid.selected == list(ids[:2])


def test_the_selection_survives_a_new_picture_and_another_order(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    chosen = page.entries.ids[5]
    page.grid.select(chosen)
    gallery.parameters_panel.set_prompt("something new")
    gallery.controller.generate()
    wait_listed(qtbot, page, COUNT + 1)
    assert page.grid.selected == [chosen]
    assert page.entries.numbers[chosen] == 6


def test_typing_searches_the_prompts(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    qtbot.keyClicks(page.grid, "c")
    assert page.filters.search.hasFocus()
    qtbot.keyClicks(page.filters.search, "astle")
    wait_listed(qtbot, page, 4)
    found = [page.entries.entry(one) for one in page.entries.ids]
    assert all("castle" in entry.prompt for entry in found if entry is not None)
    qtbot.keyClick(page.filters.search, Qt.Key.Key_Return)
    assert page.grid.hasFocus()


def test_where_nothing_matches_it_says_so_and_offers_to_clear(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    page.filters.search.setText("zebra")
    wait_listed(qtbot, page, 0)
    assert "Nothing matches" in label_texts(page)
    page.empty.button.click()
    wait_listed(qtbot, page, COUNT)
    assert page.filters.value() == HistoryFilter()


def test_without_pictures_it_says_what_to_do(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window()
    window.features.gallery.open()
    page = window.features.gallery.page
    wait_listed(qtbot, page, 0)
    assert "No pictures yet" in label_texts(page)
    page.empty.button.click()
    assert not window.features.gallery.is_open


def test_the_filters_make_the_filter(qtbot: QtBot) -> None:
    bar = FilterBar()
    qtbot.addWidget(bar)
    for name, text in (
        ("Kind", "Inpainting"),
        ("Size", "1024 a side and more"),
        ("Rating", "★★★ and better"),
        ("Star and mask", "Starred"),
    ):
        choice = find_named(bar, FilterChoice, name)
        choice.setCurrentIndex(choice.findText(text))
    bar.search.setText(" fox ")
    assert bar.value() == HistoryFilter(
        text="fox",
        kinds=frozenset([PictureKind.INPAINTING]),
        min_size=Size(1024, 1024),
        min_rating=3,
        starred=True,
    )
    with qtbot.waitSignal(bar.changed):
        bar.clear()
    assert bar.value() == HistoryFilter()


def test_a_missing_file_is_shown_as_missing_with_the_reason(
    gallery: MainWindow, qtbot: QtBot, pictures: list[Path]
) -> None:
    page = gallery.features.gallery.page
    pictures[2].unlink()
    page.thumbnails.forget(pictures[2])
    page.grid.viewport().update()
    page.grid.select(page.entries.ids[2])
    gallery.features.gallery.close()
    gallery.features.gallery.open()
    panel = page.findChild(DetailsPanel)
    assert panel is not None
    qtbot.waitUntil(lambda: "missing" in label_texts(panel), timeout=10_000)
    assert "not there any more" in label_texts(panel)
    gallery.features.gallery.actions.open_on_canvas(entry_now(gallery, qtbot, lambda entry: True, 2))
    qtbot.waitUntil(lambda: "missing" in page.banner.accessibleName(), timeout=10_000)
    assert gallery.features.gallery.is_open


def test_the_details_have_every_setting_and_copy_it(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    page.grid.select(page.entries.ids[3])
    qtbot.waitUntil(lambda: "1003" in label_texts(page.details), timeout=10_000)
    texts = label_texts(page.details)
    for expected in ("a red fox number 3", "blurry", "Starter", "13", "64 × 64", "picture-03.png"):
        assert expected in texts
    find_named(page.details, QToolButton, "Copy Seed").click()
    assert QGuiApplication.clipboard().text() == "1003"


def test_the_slider_changes_the_size_and_keeps_the_place(gallery: MainWindow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    page.bar.size_slider.setValue(page.bar.size_slider.maximum())
    assert page.grid.cell_side == 400
    page.grid.select(page.entries.ids[8])
    page.bar.step_size(-1)
    assert 8 in page.grid.visible_numbers()


def test_only_what_is_near_is_decoded(gallery: MainWindow, qtbot: QtBot, pictures: list[Path]) -> None:
    page = gallery.features.gallery.page
    qtbot.waitUntil(lambda: page.thumbnails.is_idle, timeout=10_000)
    for file in pictures:
        page.thumbnails.forget(file)
    page.grid.set_cell_side(400)
    qtbot.waitUntil(lambda: page.thumbnails.nbytes > 0 and page.thumbnails.is_idle, timeout=10_000)
    assert isinstance(page.thumbnails.thumbnail(pictures[0]), QImage)
    assert page.thumbnails.thumbnail(pictures[-1]) is None
