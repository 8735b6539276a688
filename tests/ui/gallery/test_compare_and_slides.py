"""Comparison with linked zoom, and the slide show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.gallery.slide_show import SlideShow
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.buttons import Switch
from tests.ui.gallery.conftest import COUNT, picture_pixels
from tests.ui.gallery.test_gallery_actions import select
from tests.ui.widget_lookup import find_child, rgb


@pytest.mark.parametrize("count", [2, 4])
def test_zooming_and_moving_one_picture_does_so_with_all(gallery: MainWindow, qtbot: QtBot, count: int) -> None:
    page = gallery.features.gallery.page
    select(gallery, *range(count))
    qtbot.keyClick(page.grid, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    views = page.compare_page.views
    assert page.is_comparing
    assert len(views) == count
    qtbot.keyClicks(views[1], "+++")
    qtbot.keyClick(views[1], Qt.Key.Key_Left)
    assert {round(view.zoom, 6) for view in views} == {round(views[1].zoom, 6)}
    assert {(view.viewport.centre.x(), view.viewport.centre.y()) for view in views} == {
        (views[1].viewport.centre.x(), views[1].viewport.centre.y())
    }
    find_child(page.compare_page, Switch).setChecked(False)
    before = views[0].zoom
    qtbot.keyClicks(views[1], "0")
    assert views[0].zoom == before
    qtbot.keyClick(views[1], Qt.Key.Key_Escape)
    assert not page.is_comparing
    assert gallery.features.gallery.is_open
    assert page.grid.hasFocus()


def test_one_or_five_pictures_are_not_compared(gallery: MainWindow) -> None:
    page = gallery.features.gallery.page
    for chosen in (range(1), range(5)):
        select(gallery, *chosen)
        assert not page.bar.compare_button.isEnabled()
        page.compare()
        assert not page.is_comparing


@pytest.fixture
def slides(gallery: MainWindow, qtbot: QtBot) -> SlideShow:
    select(gallery, 2)
    qtbot.keyClick(gallery.features.gallery.page.grid, Qt.Key.Key_F5)
    show = gallery.features.gallery.slide_show
    assert show is not None
    return show


def test_the_slide_show_walks_pauses_and_ends(gallery: MainWindow, slides: SlideShow, qtbot: QtBot) -> None:
    page = gallery.features.gallery.page
    ids = page.entries.ids
    assert slides.current == ids[2]
    qtbot.keyClick(slides, Qt.Key.Key_Right)
    assert slides.current == ids[3]
    image = slides.image()
    assert image is not None
    assert rgb(image.pixelColor(3, 3)) == tuple(int(value) for value in picture_pixels(3)[0, 0])
    qtbot.keyClick(slides, Qt.Key.Key_Space)
    assert slides.is_paused
    qtbot.keyClick(slides, Qt.Key.Key_End)
    qtbot.keyClick(slides, Qt.Key.Key_Right)
    assert slides.current == ids[0], "after the last comes the first"
    qtbot.keyClick(slides, Qt.Key.Key_Left)
    assert slides.current == ids[COUNT - 1]
    qtbot.keyClick(slides, Qt.Key.Key_Space)
    assert not slides.is_paused
    qtbot.keyClick(slides, Qt.Key.Key_Escape)
    assert gallery.features.gallery.slide_show is None
    assert page.grid.selected == [ids[COUNT - 1]], "the gallery goes where the show ended"


def test_a_missing_picture_does_not_stop_the_show(
    gallery: MainWindow, slides: SlideShow, qtbot: QtBot, pictures: list[Path]
) -> None:
    pictures[5].unlink()
    for _ in range(3):
        slides.step(1)
    assert slides.current == gallery.features.gallery.page.entries.ids[5]
    assert slides.image() is None
    slides.grab()
    slides.step(1)
    assert slides.image() is not None
    slides.close()
