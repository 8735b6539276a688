"""A picture grows in steps of eight pixels, never inwards, never beyond what a picture may have."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.session.document.document import MAX_SIDE, Document
from sdxl_desktop.session.document.expansion import BOTTOM, HANDLES, LEFT, RIGHT, TOP, EdgeHandle, Expansion

PICTURE = Size(400, 300)


def test_an_edge_goes_out_in_steps_of_eight_and_not_in() -> None:
    assert Expansion().dragged(RIGHT, 99.0, 500.0, PICTURE) == Expansion(right=96)
    assert Expansion().dragged(RIGHT, 101.0, 0.0, PICTURE) == Expansion(right=104)
    assert Expansion().dragged(LEFT, -33.0, 0.0, PICTURE) == Expansion(left=32)
    assert Expansion().dragged(TOP, 0.0, -16.0, PICTURE) == Expansion(top=16)
    assert Expansion().dragged(BOTTOM, 0.0, 16.0, PICTURE) == Expansion(bottom=16)
    assert not Expansion().dragged(LEFT, 80.0, 0.0, PICTURE), "inwards there is nothing to be had"
    assert Expansion(right=96).dragged(RIGHT, -40.0, 0.0, PICTURE) == Expansion(right=56), (
        "but what was added can go again"
    )


def test_a_corner_moves_both_its_edges() -> None:
    assert Expansion().dragged(EdgeHandle(-1, 1), -24.0, 40.0, PICTURE) == Expansion(left=24, bottom=40)
    assert Expansion().dragged(EdgeHandle(1, -1), 24.0, 40.0, PICTURE) == Expansion(right=24)


def test_even_takes_the_opposite_edge_along_and_keeps_a_corners_shape() -> None:
    assert Expansion().dragged(LEFT, -24.0, 0.0, PICTURE, symmetric=True) == Expansion(left=24, right=24)
    assert Expansion().dragged(TOP, 0.0, -24.0, PICTURE, symmetric=True) == Expansion(top=24, bottom=24)
    grown = Expansion().dragged(EdgeHandle(1, 1), 400.0, 8.0, PICTURE, symmetric=True)
    assert grown == Expansion(right=400, bottom=304), "the picture's shape, to eight pixels"


def test_the_grown_box_lies_around_the_picture() -> None:
    grown = Expansion(8, 16, 24, 32)
    assert grown.box(PICTURE) == Rect(-8, -16, 432, 348)
    assert grown.size(PICTURE) == Size(432, 348)
    document = Document()
    document.set_picture(np.zeros((300, 400, 3), np.uint8))
    document.extend(grown.left, grown.top, grown.right, grown.bottom)
    assert document.size == grown.size(PICTURE)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("grip", HANDLES)
def test_nothing_grows_beyond_the_largest_picture(grip: EdgeHandle, even: bool) -> None:
    start = Expansion(8, 8, 8, 8)
    grown = start.dragged(grip, 1e6 * grip.across, 1e6 * grip.down, PICTURE, symmetric=even).size(PICTURE)
    assert max(grown.width, grown.height) <= MAX_SIDE
    assert max(grown.width, grown.height) > MAX_SIDE - 24


def test_arrows_move_the_selected_edge_out_and_back() -> None:
    growth, held = Expansion().nudged(RIGHT, None, 8, PICTURE)
    assert (growth, held) == (Expansion(right=8), RIGHT)
    growth, held = growth.nudged(RIGHT, held, 64, PICTURE)
    assert (growth, held) == (Expansion(right=72), RIGHT)
    growth, held = growth.nudged(LEFT, held, 64, PICTURE)
    assert (growth, held) == (Expansion(right=8), RIGHT)
    growth, held = growth.nudged(LEFT, held, 64, PICTURE)
    assert (growth, held) == (Expansion(), RIGHT), "not beyond the picture's own edge"
    growth, held = growth.nudged(LEFT, held, 8, PICTURE)
    assert (growth, held) == (Expansion(left=8), LEFT), "then the other edge is taken in hand"
    growth, held = growth.nudged(TOP, held, 8, PICTURE)
    assert (growth, held) == (Expansion(left=8, top=8), TOP)
