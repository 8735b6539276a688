"""A picture grows in steps of eight pixels, never inwards, never beyond what a picture may have."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.session.document.document import MAX_SIDE, Document
from sdxl_desktop.session.document.growth import BOTTOM, GRIPS, LEFT, RIGHT, TOP, Grip, Growth

PICTURE = Size(400, 300)


def test_an_edge_goes_out_in_steps_of_eight_and_not_in() -> None:
    assert Growth().dragged(RIGHT, 99.0, 500.0, PICTURE) == Growth(right=96)
    assert Growth().dragged(RIGHT, 101.0, 0.0, PICTURE) == Growth(right=104)
    assert Growth().dragged(LEFT, -33.0, 0.0, PICTURE) == Growth(left=32)
    assert Growth().dragged(TOP, 0.0, -16.0, PICTURE) == Growth(top=16)
    assert Growth().dragged(BOTTOM, 0.0, 16.0, PICTURE) == Growth(bottom=16)
    assert not Growth().dragged(LEFT, 80.0, 0.0, PICTURE), "inwards there is nothing to be had"
    assert Growth(right=96).dragged(RIGHT, -40.0, 0.0, PICTURE) == Growth(right=56), "but what was added can go again"


def test_a_corner_moves_both_its_edges() -> None:
    assert Growth().dragged(Grip(-1, 1), -24.0, 40.0, PICTURE) == Growth(left=24, bottom=40)
    assert Growth().dragged(Grip(1, -1), 24.0, 40.0, PICTURE) == Growth(right=24)


def test_even_takes_the_opposite_edge_along_and_keeps_a_corners_shape() -> None:
    assert Growth().dragged(LEFT, -24.0, 0.0, PICTURE, even=True) == Growth(left=24, right=24)
    assert Growth().dragged(TOP, 0.0, -24.0, PICTURE, even=True) == Growth(top=24, bottom=24)
    grown = Growth().dragged(Grip(1, 1), 400.0, 8.0, PICTURE, even=True)
    assert grown == Growth(right=400, bottom=304), "the picture's shape, to eight pixels"


def test_the_grown_box_lies_around_the_picture() -> None:
    grown = Growth(8, 16, 24, 32)
    assert grown.box(PICTURE) == Rect(-8, -16, 432, 348)
    assert grown.size(PICTURE) == Size(432, 348)
    document = Document()
    document.set_picture(np.zeros((300, 400, 3), np.uint8))
    document.extend(grown.left, grown.top, grown.right, grown.bottom)
    assert document.size == grown.size(PICTURE)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("grip", GRIPS)
def test_nothing_grows_beyond_the_largest_picture(grip: Grip, even: bool) -> None:
    start = Growth(8, 8, 8, 8)
    grown = start.dragged(grip, 1e6 * grip.across, 1e6 * grip.down, PICTURE, even=even).size(PICTURE)
    assert max(grown.width, grown.height) <= MAX_SIDE
    assert max(grown.width, grown.height) > MAX_SIDE - 24


def test_arrows_move_the_edge_in_hand_out_and_back() -> None:
    growth, held = Growth().nudged(RIGHT, None, 8, PICTURE)
    assert (growth, held) == (Growth(right=8), RIGHT)
    growth, held = growth.nudged(RIGHT, held, 64, PICTURE)
    assert (growth, held) == (Growth(right=72), RIGHT)
    growth, held = growth.nudged(LEFT, held, 64, PICTURE)
    assert (growth, held) == (Growth(right=8), RIGHT)
    growth, held = growth.nudged(LEFT, held, 64, PICTURE)
    assert (growth, held) == (Growth(), RIGHT), "not beyond the picture's own edge"
    growth, held = growth.nudged(LEFT, held, 8, PICTURE)
    assert (growth, held) == (Growth(left=8), LEFT), "then the other edge is taken in hand"
    growth, held = growth.nudged(TOP, held, 8, PICTURE)
    assert (growth, held) == (Growth(left=8, top=8), TOP)
