"""Where the grid places pictures and headings, against a plain enumeration."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QPoint, QRect

from sdxl_desktop.ui.gallery.grid_layout import GAP, HEADING_HEIGHT, MARGIN, GridLayout, Group


def layouts() -> list[GridLayout]:
    dice = random.Random(1)
    return [
        GridLayout(
            [Group(f"day {day}", dice.randint(1, 40)) for day in range(dice.randint(1, 8))],
            side=dice.choice((80, 130, 400)),
            width=dice.choice((60, 300, 777, 1900)),
        )
        for _ in range(15)
    ]


def rects_by_enumeration(layout: GridLayout) -> list[QRect]:
    """Return the cells by walking over all groups, rows and columns."""
    rects, top = [], 0
    for group in layout.groups:
        top += HEADING_HEIGHT
        for first in range(0, group.count, layout.columns):
            for column in range(min(layout.columns, group.count - first)):
                rects.append(QRect(MARGIN + column * (layout.side + GAP), top, layout.side, layout.side))
            top += layout.side + GAP
    return rects


def test_every_picture_has_its_own_place_below_its_heading() -> None:
    for layout in layouts():
        assert [layout.rect(number) for number in range(layout.count)] == rects_by_enumeration(layout)
        assert layout.height >= layout.rect(layout.count - 1).bottom()


def test_a_point_and_a_rectangle_find_the_pictures_that_they_touch() -> None:
    dice = random.Random(2)
    for layout in layouts():
        rects = rects_by_enumeration(layout)
        for _ in range(20):
            point = QPoint(dice.randint(0, layout.width), dice.randint(0, layout.height))
            expected = next((number for number, rect in enumerate(rects) if rect.contains(point)), None)
            assert layout.number_at(point) == expected
            band = QRect(point, QPoint(dice.randint(0, layout.width), dice.randint(0, layout.height))).normalized()
            touched = [number for number, rect in enumerate(rects) if rect.intersects(band)]
            assert layout.numbers_in(band) == touched


def test_visible_pictures_and_headings_are_those_of_the_band() -> None:
    for layout in layouts():
        rects = rects_by_enumeration(layout)
        every = [(group.title, rect) for group, rect in layout.headings(0, layout.height)]
        for top in range(0, layout.height, layout.height // 6):
            bottom = top + 250
            shown = [number for number, rect in enumerate(rects) if rect.bottom() >= top and rect.top() <= bottom]
            assert list(layout.visible(top, bottom)) == shown
            titles = [group.title for group, _ in layout.headings(top, bottom)]
            assert titles == [title for title, rect in every if rect.bottom() >= top and rect.top() <= bottom]


def test_up_and_down_stay_in_the_column_across_days() -> None:
    layout = GridLayout([Group("a", 7), Group("b", 2), Group("c", 9)], side=100, width=2 * MARGIN + 4 * 108 - GAP)
    assert layout.columns == 4
    assert layout.below(1, 1) == 5
    assert layout.below(5, 1) == 8
    assert layout.below(3, 1) == 6, "a shorter row: its last picture"
    assert layout.below(8, 1) == 10
    assert layout.below(10, -1) == 8
    assert layout.below(11, -1) == 8
    assert layout.below(0, -1) == 0
    assert layout.below(17, 1) == 17
    assert layout.below(0, 100) == 17
    assert layout.below(17, -100) == 0


def test_an_empty_grid_has_nothing() -> None:
    layout = GridLayout()
    assert (layout.count, layout.height, layout.number_at(QPoint(0, 0)), list(layout.visible(0, 500))) == (
        0,
        0,
        None,
        [],
    )
    assert layout.below(0, 1) == 0


@pytest.mark.parametrize("width", [1, 2 * MARGIN + 100, 2 * MARGIN + 208, 2 * MARGIN + 207])
def test_there_is_at_least_one_column_and_none_is_cut_off(width: int) -> None:
    layout = GridLayout([Group("a", 5)], side=100, width=width)
    assert layout.columns >= 1
    if layout.columns > 1:
        assert layout.rect(layout.columns - 1).right() < width
