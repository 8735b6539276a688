"""Shapes cover exactly their area, on whole pixels and between them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import mask_shapes


def filled(outline: mask_shapes.Outline, width: int = 100, height: int = 80) -> UInt8Array:
    whole = np.zeros((height, width), np.uint8)
    found = mask_shapes.outline_coverage(outline, width, height)
    if found is not None:
        rect, amount = found
        whole[rect.y : rect.bottom, rect.x : rect.right] = amount
    return whole


def test_a_rectangle_on_whole_pixels_is_exact_whichever_corner_comes_first() -> None:
    expected = np.zeros((80, 100), np.uint8)
    expected[20:50, 10:60] = 255
    for corners in ((10, 20, 60, 50), (60, 50, 10, 20), (60, 20, 10, 50)):
        assert np.array_equal(filled(mask_shapes.rectangle(*corners)), expected)


def test_parts_of_pixels_are_covered_in_part() -> None:
    mask = filled(mask_shapes.rectangle(10.25, 20.5, 12.0, 21.75))
    assert mask[20, 10] == round(255 * 0.75 * 0.5)
    assert mask[21, 11] == round(255 * 0.75)


@pytest.mark.parametrize("box", [(10.0, 10.0, 60.0, 50.0), (2.3, 4.7, 3.4, 70.1)])
def test_an_ellipse_has_the_area_of_an_ellipse(box: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = box
    area = np.pi * (x1 - x0) * (y1 - y0) / 4
    assert filled(mask_shapes.ellipse(*box)).sum() / 255 == pytest.approx(area, rel=0.01)


def test_any_polygon_matches_one_drawn_sixteen_times_larger() -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        corners = random.uniform(-60, 160, (3, 2))
        large = Image.new("L", (1600, 1280))
        ImageDraw.Draw(large).polygon([(16 * x, 16 * y) for x, y in corners.tolist()], fill=255)
        expected = np.asarray(large.reduce(16)).astype(int)
        assert np.abs(filled(mask_shapes.polygon(corners.tolist())) - expected).max() < 24
        assert np.abs(filled(mask_shapes.polygon(corners.tolist())) - expected).mean() < 0.5


def test_a_loop_around_the_same_place_twice_covers_it_once() -> None:
    square = [(10, 10), (40, 10), (40, 40), (10, 40)]
    assert filled(mask_shapes.polygon(square + square)).max() == 255
    assert np.array_equal(filled(mask_shapes.polygon(square + square)), filled(mask_shapes.polygon(square)))


def test_a_figure_of_eight_is_filled_on_both_sides() -> None:
    mask = filled(mask_shapes.polygon([(10, 10), (50, 50), (50, 10), (10, 50)]))
    assert mask[30, 15] == mask[30, 45] == 255


@pytest.mark.parametrize(
    "corners", [[], [(1.0, 1.0)], [(1.0, 1.0), (9.0, 9.0)], [(200.0, 0.0), (300.0, 0.0), (300.0, 9.0)]]
)
def test_what_has_no_area_in_the_picture_covers_nothing(corners: list[tuple[float, float]]) -> None:
    assert not filled(mask_shapes.polygon(corners)).any()


def test_a_shape_around_the_whole_picture_covers_all_of_it() -> None:
    assert (filled(mask_shapes.rectangle(-1000, -1000, 1000, 1000)) == 255).all()
