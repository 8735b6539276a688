"""Every tool, driven by real events, against masks computed from geometry alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QAbstractButton

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.ui.painting.mask_menu import MaskMenu
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from sdxl_desktop.ui.widgets.fields import IntField
from tests.typed import arrays_equal
from tests.ui.painting import reference_masks
from tests.ui.painting.conftest import LEFT, CanvasDriver, picture
from tests.ui.widget_lookup import find_child, find_named

SHIFT, ALT, CONTROL = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)
PRESS, MOVE, RELEASE = QEvent.Type.TabletPress, QEvent.Type.TabletMove, QEvent.Type.TabletRelease


def off_by(one: UInt8Array, other: UInt8Array) -> int:
    """Return the largest difference of two masks."""
    return int(np.abs(one.astype(int) - other).max())


# brush and eraser


@pytest.mark.parametrize("size", [1, 2, 7, 40, 180])
@pytest.mark.parametrize("hardness", [0.0, 0.55, 1.0])
def test_a_stroke_is_its_tip_swept_along_the_line(canvas_driver: CanvasDriver, size: int, hardness: float) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=size, hardness=hardness)
    canvas_driver.drag((60, 70), (120, 110), (240, 190))
    expected = reference_masks.paint_over(
        reference_masks.empty(), reference_masks.stroke((60, 70), (240, 190), size, hardness)
    )
    assert off_by(canvas_driver.mask, expected) <= 1


@pytest.mark.parametrize("opacity", [0.1, 0.5, 0.9])
def test_two_strokes_cover_what_the_first_left_and_one_stroke_never_more_than_its_opacity(
    canvas_driver: CanvasDriver, opacity: float
) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=30, hardness=0.7, opacity=opacity)
    canvas_driver.drag((60, 100), (200, 100), (60, 100), (200, 100))
    once = reference_masks.paint_over(
        reference_masks.empty(), reference_masks.stroke((60, 100), (200, 100), 30, 0.7), round(opacity * 255) / 255
    )
    assert off_by(canvas_driver.mask, once) <= 1
    canvas_driver.drag((100, 60), (100, 160))
    twice = reference_masks.paint_over(
        once, reference_masks.stroke((100, 60), (100, 160), 30, 0.7), round(opacity * 255) / 255
    )
    assert off_by(canvas_driver.mask, twice) <= 2


def test_a_stroke_by_key_has_the_size_hardness_and_opacity_of_the_keys(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.HAND, size=40, hardness=0.5)
    canvas_driver.key(Qt.Key.Key_B)
    for key, held in (
        (Qt.Key.Key_BracketRight, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_BracketRight, SHIFT),
        (Qt.Key.Key_6, Qt.KeyboardModifier.NoModifier),
    ):
        canvas_driver.key(key, held)
    canvas_driver.drag((100, 100), (200, 150))
    expected = reference_masks.paint_over(
        reference_masks.empty(), reference_masks.stroke((100, 100), (200, 150), 46, 0.6), 0.6
    )
    assert off_by(canvas_driver.mask, expected) <= 1


def test_a_stroke_after_shift_drag_has_the_size_of_the_ring(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=20, hardness=1.0)
    canvas_driver.drag((200, 150), (215, 150), (222, 150), keys=SHIFT)
    canvas_driver.drag((200, 150), (200, 150))
    expected = reference_masks.paint_over(
        reference_masks.empty(), reference_masks.stroke((200, 150), (200, 150), 20 + 2 * 22)
    )
    assert off_by(canvas_driver.mask, expected) <= 1


def test_the_eraser_takes_exactly_its_stroke_out_of_what_is_there(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((50, 50), (350, 250))
    canvas_driver.select_tool(ToolKind.ERASER, size=50, hardness=0.4, opacity=0.8)
    canvas_driver.drag((30, 150), (200, 150))
    expected = reference_masks.erase_from(
        reference_masks.box(50, 50, 350, 250), reference_masks.stroke((30, 150), (200, 150), 50, 0.4), 0.8
    )
    assert off_by(canvas_driver.mask, expected) <= 1


def test_what_is_painted_beyond_the_picture_is_cut_at_its_edge(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=60, hardness=1.0)
    canvas_driver.drag((-20, 100), (20, 100))
    assert (
        off_by(
            canvas_driver.mask,
            reference_masks.paint_over(reference_masks.empty(), reference_masks.stroke((-20, 100), (20, 100), 60)),
        )
        <= 1
    )


# the pen


@pytest.mark.parametrize("pressure", [0.25, 0.5, 1.0])
def test_a_steady_pen_draws_a_line_as_wide_as_it_is_pressed(canvas_driver: CanvasDriver, pressure: float) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=80, hardness=0.8)
    canvas_driver.pen(PRESS, 80, 90, pressure)
    canvas_driver.pen(MOVE, 200, 150, pressure)
    canvas_driver.pen(MOVE, 260, 180, pressure)
    canvas_driver.pen(RELEASE, 260, 180, 0.0)
    expected = reference_masks.paint_over(
        reference_masks.empty(), reference_masks.stroke((80, 90), (260, 180), 80 * pressure, 0.8)
    )
    assert off_by(canvas_driver.mask, expected) <= 1


def test_growing_pressure_makes_a_wedge(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=60, hardness=1.0)
    places = [(60 + 30 * step, 0.2 + 0.1 * step) for step in range(9)]
    canvas_driver.pen(PRESS, places[0][0], 150, places[0][1])
    for x, pressure in places[1:]:
        canvas_driver.pen(MOVE, x, 150, pressure)
    canvas_driver.pen(RELEASE, places[-1][0], 150, 0.0)
    for column in range(70, 290, 5):
        radius = 30 * (0.2 + 0.8 * (column + 0.5 - 60) / 240)
        covered = canvas_driver.mask[:, column].sum() / 255
        assert covered == pytest.approx(2 * radius, abs=0.8), column


def test_the_pens_eraser_takes_away_whatever_tool_is_selected(canvas_driver: CanvasDriver) -> None:
    for tool in (ToolKind.BRUSH, ToolKind.LASSO):
        canvas_driver.document.clear_mask()
        canvas_driver.document.invert()
        canvas_driver.select_tool(tool, size=40, hardness=1.0)
        canvas_driver.pen(PRESS, 100, 100, 1.0, eraser=True)
        canvas_driver.pen(MOVE, 180, 140, 1.0, eraser=True)
        canvas_driver.pen(RELEASE, 180, 140, 0.0, eraser=True)
        expected = 255 - reference_masks.paint_over(
            reference_masks.empty(), reference_masks.stroke((100, 100), (180, 140), 40)
        )
        assert off_by(canvas_driver.mask, expected) <= 1


# shapes


def test_an_ellipse_covers_each_pixel_as_far_as_it_lies_in_it(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.ELLIPSE)
    canvas_driver.drag((61, 43), (90, 90), (202, 161))
    expected = np.rint(255 * reference_masks.ellipse(61, 43, 202, 161)).astype(np.uint8)
    assert off_by(canvas_driver.mask, expected) <= 8, "about a thirtieth of a pixel"
    assert abs(int(canvas_driver.mask.sum()) - int(expected.sum())) < 0.002 * expected.sum()


def test_shift_makes_a_circle_and_alt_takes_it_away(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.ELLIPSE)
    canvas_driver.press(100, 100, ALT)
    canvas_driver.release(180, 130, ALT | SHIFT)
    expected = 255 - np.rint(255 * reference_masks.ellipse(100, 100, 180, 180)).astype(np.uint8)
    assert off_by(canvas_driver.mask, expected) <= 8


def test_a_lasso_covers_half_of_the_pixels_that_its_closing_line_halves(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.LASSO)
    canvas_driver.drag((50, 50), (150, 50), (150, 150))
    rows, columns = np.mgrid[: reference_masks.HEIGHT, : reference_masks.WIDTH]
    inside = (rows >= 50) & (columns < 150)
    expected = np.where(inside & (columns > rows), 255, np.where(inside & (columns == rows), 128, 0))
    assert np.array_equal(canvas_driver.mask, expected)


def test_a_lasso_with_alt_takes_its_inside_away(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.LASSO)
    canvas_driver.drag((20, 20), (120, 20), (120, 80), (20, 80), keys=ALT)
    assert np.array_equal(canvas_driver.mask, 255 - reference_masks.box(20, 20, 120, 80))


# by colour


def hills() -> UInt8Array:
    """Return two grey hills under noise: a selection by tolerance has a ragged edge and islands."""
    rows, columns = np.mgrid[: reference_masks.HEIGHT, : reference_masks.WIDTH]
    height = 180 * np.exp(-((columns - 120) ** 2 + (rows - 150) ** 2) / 4000)
    height += 170 * np.exp(-((columns - 290) ** 2 + (rows - 140) ** 2) / 3000)
    noise = np.random.default_rng(2).integers(0, 12, (*rows.shape, 3))
    return np.asarray(height[..., None] + 40 + noise).astype(np.uint8)


@pytest.mark.parametrize("tolerance", [0, 10, 24, 60, 255])
@pytest.mark.parametrize("contiguous", [True, False])
def test_selecting_by_colour_takes_what_is_within_the_tolerance(
    canvas_driver: CanvasDriver, tolerance: int, contiguous: bool
) -> None:
    canvas_driver.document.open(hills())
    canvas_driver.canvas.show_actual_size()
    canvas_driver.select_tool(ToolKind.COLOUR, tolerance=tolerance, contiguous=contiguous)
    canvas_driver.drag((160, 150), (160, 150))
    expected = reference_masks.similar_pixels(hills(), 160, 150, tolerance, contiguous=contiguous)
    assert np.array_equal(canvas_driver.mask, expected)
    canvas_driver.drag((160, 150), (160, 150), keys=ALT)
    assert not canvas_driver.mask.any()


# the whole mask


def test_invert_and_clear_by_key_and_by_menu(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((50, 60), (170, 140))
    drawn = reference_masks.box(50, 60, 170, 140)
    canvas_driver.key(Qt.Key.Key_I, CONTROL)
    assert np.array_equal(canvas_driver.mask, 255 - drawn)
    canvas_driver.trigger_menu_item("Invert")
    assert np.array_equal(canvas_driver.mask, drawn)
    canvas_driver.trigger_menu_item("Clear")
    assert not canvas_driver.mask.any()
    canvas_driver.key(Qt.Key.Key_I, CONTROL)
    canvas_driver.key(Qt.Key.Key_Delete)
    assert not canvas_driver.mask.any()


@pytest.mark.parametrize("pixels", [1, 8, 25])
def test_grow_and_shrink_by_the_number_in_the_menu(canvas_driver: CanvasDriver, pixels: int) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((100, 80), (220, 180))
    find_named(find_child(canvas_driver.bar, MaskMenu), IntField, "Pixels to grow, shrink or feather by").setValue(
        pixels
    )
    canvas_driver.trigger_menu_item("Grow")
    assert np.array_equal(canvas_driver.mask, reference_masks.grown_box(100, 80, 220, 180, pixels))
    canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    canvas_driver.trigger_menu_item("Shrink")
    assert np.array_equal(
        canvas_driver.mask, reference_masks.box(100 + pixels, 80 + pixels, 220 - pixels, 180 - pixels)
    )


@pytest.mark.parametrize("pixels", [4, 16])
def test_feather_blurs_the_edge_to_both_sides(canvas_driver: CanvasDriver, pixels: int) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((100, 80), (220, 180))
    find_named(find_child(canvas_driver.bar, MaskMenu), IntField, "Pixels to grow, shrink or feather by").setValue(
        pixels
    )
    canvas_driver.trigger_menu_item("Feather")
    assert np.abs(canvas_driver.mask - reference_masks.blurred_box(100, 80, 220, 180, pixels / 2)).max() <= 6
    assert (
        np.abs(canvas_driver.mask[130, 95:105].astype(int) - 255 + canvas_driver.mask[130, 95:105][::-1]) <= 2
    ).all(), "evenly"


def test_fill_holes_fills_what_a_loop_of_the_brush_goes_around(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=12, hardness=1.0)
    corners = [(80, 80), (200, 80), (200, 180), (80, 180), (80, 80)]
    for start, end in pairwise(corners):
        canvas_driver.drag(start, end)
    loop = canvas_driver.mask
    assert loop[130, 140] == 0
    canvas_driver.trigger_menu_item("Fill holes")
    expected = loop.copy()
    expected[80:180, 80:200] = 255
    assert np.array_equal(canvas_driver.mask, expected)


# each gesture is one undo step


def _take_and_drag(tool: ToolKind, *points: tuple[int, int]) -> Callable[[CanvasDriver], None]:
    def gesture(it: CanvasDriver) -> None:
        it.select_tool(tool)
        it.drag(*points)

    return gesture


def _extend(it: CanvasDriver) -> None:
    it.select_tool(ToolKind.FRAME)
    it.key(Qt.Key.Key_Right)
    it.key(Qt.Key.Key_Return)


GESTURES: dict[str, Callable[[CanvasDriver], None]] = {
    "brush stroke": _take_and_drag(ToolKind.BRUSH, (50, 50), (90, 80), (140, 60)),
    "eraser stroke": _take_and_drag(ToolKind.ERASER, (50, 50), (190, 80), (240, 160)),
    "rectangle": _take_and_drag(ToolKind.RECTANGLE, (20, 20), (60, 70)),
    "ellipse": _take_and_drag(ToolKind.ELLIPSE, (20, 20), (60, 70)),
    "lasso": _take_and_drag(ToolKind.LASSO, (20, 20), (60, 20), (60, 70)),
    "select by colour": _take_and_drag(ToolKind.COLOUR, (100, 80), (100, 80)),
    "invert mask": lambda it: it.key(Qt.Key.Key_I, CONTROL),
    "clear mask": lambda it: it.key(Qt.Key.Key_Delete),
    "grow mask": lambda it: it.trigger_menu_item("Grow"),
    "shrink mask": lambda it: it.trigger_menu_item("Shrink"),
    "feather mask": lambda it: it.trigger_menu_item("Feather"),
    "fill holes": lambda it: it.trigger_menu_item("Fill holes"),
    "extend picture": _extend,
}


@pytest.mark.parametrize("name", GESTURES)
@pytest.mark.parametrize("by_key", [True, False])
def test_every_gesture_is_one_step_back_and_forth(canvas_driver: CanvasDriver, name: str, by_key: bool) -> None:
    mask = reference_masks.box(150, 100, 300, 220) - reference_masks.box(190, 140, 230, 180)
    canvas_driver.document.open(canvas_driver.document.picture, mask)
    canvas_driver.bar.set_undo_redo("", "")
    before = canvas_driver.mask
    GESTURES[name](canvas_driver)
    after = canvas_driver.mask
    assert before.shape != after.shape or not np.array_equal(before, after)
    assert canvas_driver.document.undo_text == f"Undo {name}"
    _back(canvas_driver, by_key)
    assert np.array_equal(canvas_driver.mask, before)
    assert not canvas_driver.document.can_undo, "one step, no more"
    _forth(canvas_driver, by_key)
    assert np.array_equal(canvas_driver.mask, after)
    assert arrays_equal(canvas_driver.document.picture, picture()) or name == "extend picture"


def _back(driver: CanvasDriver, by_key: bool) -> None:
    if by_key:
        driver.key(Qt.Key.Key_Z, CONTROL)
    else:
        driver.qtbot.mouseClick(find_named(driver.bar, QAbstractButton, "Undo"), LEFT)


def _forth(driver: CanvasDriver, by_key: bool) -> None:
    if by_key:
        driver.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    else:
        driver.qtbot.mouseClick(find_named(driver.bar, QAbstractButton, "Redo"), LEFT)


@pytest.mark.parametrize("tool", list(ToolKind))
def test_every_tool_is_taken_up_by_a_click(canvas_driver: CanvasDriver, tool: ToolKind) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH if tool is not ToolKind.BRUSH else ToolKind.HAND)
    canvas_driver.qtbot.mouseClick(find_named(canvas_driver.bar, QAbstractButton, tool.label), LEFT)
    assert canvas_driver.bar.value().tool is tool
