"""Every tool, driven by real events, makes exactly the mask of its gesture."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from tests.ui.painting.conftest import CanvasDriver, picture

SHIFT, ALT, CONTROL = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def empty() -> UInt8Array:
    return np.zeros((300, 400), np.uint8)


def drawn_by(brush: Brush, *places: tuple[float, float]) -> UInt8Array:
    """Return the mask of the same stroke without a window."""
    document = Document()
    document.set_picture(picture())
    stroke = document.begin_stroke(brush)
    for place in places:
        stroke.move_to(*place)
    stroke.end()
    assert document.mask is not None
    return document.mask


def test_the_brush_paints_where_the_mouse_goes(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=30, hardness=0.6, opacity=0.7)
    places = [(50.0, 50.0), (120.0, 80.0), (200.0, 60.0)]
    canvas_driver.drag(*places)
    assert np.array_equal(canvas_driver.mask, drawn_by(Brush(size=30, hardness=0.6, opacity=0.7), *places))
    assert canvas_driver.mask[50, 50] == 178


def test_the_brush_paints_the_right_pixels_at_any_zoom(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=3, hardness=1.0)
    canvas_driver.canvas.zoom_to(16.0)
    middle = canvas_driver.canvas.viewport.to_picture_point(QPointF(canvas_driver.canvas.rect().center()))
    canvas_driver.press(middle.x(), middle.y())
    canvas_driver.release(middle.x(), middle.y())
    rows, columns = np.nonzero(canvas_driver.mask > 127)
    assert abs(columns.mean() + 0.5 - middle.x()) <= 0.6
    assert abs(rows.mean() + 0.5 - middle.y()) <= 0.6


def test_each_stroke_is_one_step_to_undo(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=20)
    canvas_driver.drag((50, 50), (90, 50), (130, 70))
    one = canvas_driver.mask
    canvas_driver.drag((50, 150), (90, 150), (130, 170))
    two = canvas_driver.mask
    canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    assert np.array_equal(canvas_driver.mask, one)
    canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    assert not canvas_driver.mask.any()
    canvas_driver.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    canvas_driver.key(Qt.Key.Key_Y, CONTROL)
    assert np.array_equal(canvas_driver.mask, two)


def test_quick_clicks_are_strokes_and_not_double_clicks(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=20)
    zoom = canvas_driver.canvas.zoom
    canvas_driver.double_click(100, 100)
    assert canvas_driver.canvas.zoom == zoom
    assert canvas_driver.mask[100, 100] == 255


def test_the_eraser_and_alt_take_away(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.ERASER, size=20, hardness=1.0)
    canvas_driver.drag((50, 50), (100, 50))
    assert np.array_equal(canvas_driver.mask, 255 - drawn_by(Brush(size=20, hardness=1.0), (50, 50), (100, 50)))
    canvas_driver.select_tool(ToolKind.BRUSH)
    canvas_driver.drag((50, 150), (100, 150), keys=ALT)
    assert canvas_driver.mask[150, 75] == 0
    canvas_driver.select_tool(ToolKind.ERASER)
    canvas_driver.drag((50, 50), (100, 50), keys=ALT)
    assert canvas_driver.mask[50, 75] == 255


def test_the_rectangle_is_exact(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((150, 120), (100, 90), (60, 40))
    expected = empty()
    expected[40:120, 60:150] = 255
    assert np.array_equal(canvas_driver.mask, expected)
    canvas_driver.drag((80, 60), (100, 100), keys=ALT)
    expected[60:100, 80:100] = 0
    assert np.array_equal(canvas_driver.mask, expected)
    assert canvas_driver.document.undo_text == "Undo rectangle"


def test_subtract_turns_shapes_round_and_x_turns_subtract(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.key(Qt.Key.Key_X)
    assert canvas_driver.bar.value().subtract
    canvas_driver.drag((10, 10), (50, 50))
    assert not canvas_driver.mask[10:50, 10:50].any()
    canvas_driver.drag((20, 20), (30, 30), keys=ALT)
    assert (canvas_driver.mask[20:30, 20:30] == 255).all()


def test_shift_makes_a_square(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.press(50, 50)
    canvas_driver.release(90, 70, SHIFT)
    expected = empty()
    expected[50:90, 50:90] = 255
    assert np.array_equal(canvas_driver.mask, expected)


def test_the_ellipse_is_the_one_in_its_box(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.ELLIPSE)
    canvas_driver.drag((60, 40), (200, 160))
    box = mask_shapes.outline_coverage(mask_shapes.ellipse(60, 40, 200, 160), 400, 300)
    assert box is not None
    expected = empty()
    expected[40:160, 60:200] = box[1]
    assert np.array_equal(canvas_driver.mask, expected)


def test_the_lasso_closes_by_itself(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.LASSO)
    canvas_driver.drag((50, 50), (150, 50), (150, 150))
    box = mask_shapes.outline_coverage(mask_shapes.polygon([(50, 50), (150, 50), (150, 150)]), 400, 300)
    assert box is not None
    expected = empty()
    expected[50:150, 50:150] = box[1]
    assert np.array_equal(canvas_driver.mask, expected)


def test_selecting_by_colour_takes_the_area_that_was_clicked(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.COLOUR, tolerance=8)
    canvas_driver.drag((100, 80), (100, 80))
    expected = empty()
    expected[40:120, 40:160] = 255
    assert np.array_equal(canvas_driver.mask, expected)
    canvas_driver.document.clear_mask()
    canvas_driver.select_tool(ToolKind.COLOUR, contiguous=False)
    canvas_driver.drag((100, 80), (100, 80))
    expected[40:120, 240:360] = 255
    assert np.array_equal(canvas_driver.mask, expected)


def test_shift_drag_sets_the_size_and_paints_nothing(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=40)
    canvas_driver.drag((100, 100), (110, 100), (125, 100), keys=SHIFT)
    assert canvas_driver.bar.value().size == 90
    assert not canvas_driver.mask.any()


def test_escape_takes_back_the_stroke_in_progress(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=40)
    canvas_driver.press(100, 100)
    canvas_driver.move(150, 100)
    assert canvas_driver.mask.any()
    canvas_driver.key(Qt.Key.Key_Escape)
    assert not canvas_driver.mask.any()
    canvas_driver.move(200, 100)
    canvas_driver.release(200, 100)
    assert not canvas_driver.mask.any()
    assert not canvas_driver.document.can_undo


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        (Qt.Key.Key_V, ToolKind.HAND),
        (Qt.Key.Key_B, ToolKind.BRUSH),
        (Qt.Key.Key_E, ToolKind.ERASER),
        (Qt.Key.Key_R, ToolKind.RECTANGLE),
        (Qt.Key.Key_O, ToolKind.ELLIPSE),
        (Qt.Key.Key_L, ToolKind.LASSO),
        (Qt.Key.Key_W, ToolKind.COLOUR),
        (Qt.Key.Key_F, ToolKind.FRAME),
    ],
)
def test_every_tool_has_its_key(canvas_driver: CanvasDriver, key: Qt.Key, tool: ToolKind) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH if tool is not ToolKind.BRUSH else ToolKind.HAND)
    canvas_driver.key(key)
    assert canvas_driver.bar.value().tool is tool


def test_keys_set_the_brush(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=100, hardness=0.5, opacity=1.0)
    canvas_driver.key(Qt.Key.Key_BracketRight)
    assert canvas_driver.bar.value().size > 100
    canvas_driver.key(Qt.Key.Key_BracketLeft)
    canvas_driver.key(Qt.Key.Key_BracketLeft)
    assert canvas_driver.bar.value().size < 100
    canvas_driver.key(Qt.Key.Key_BracketRight, SHIFT)
    assert canvas_driver.bar.value().hardness == pytest.approx(0.6)
    canvas_driver.key(Qt.Key.Key_BracketLeft, SHIFT)
    canvas_driver.key(Qt.Key.Key_BracketLeft, SHIFT)
    assert canvas_driver.bar.value().hardness == pytest.approx(0.4)
    canvas_driver.key(Qt.Key.Key_4)
    assert canvas_driver.bar.value().opacity == pytest.approx(0.4)
    canvas_driver.key(Qt.Key.Key_X)
    assert canvas_driver.bar.value().tool is ToolKind.ERASER


def test_a_small_brush_still_grows_by_its_key(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=1)
    for _ in range(3):
        canvas_driver.key(Qt.Key.Key_BracketRight)
    assert canvas_driver.bar.value().size == 4
    for _ in range(9):
        canvas_driver.key(Qt.Key.Key_BracketLeft)
    assert canvas_driver.bar.value().size == 1


def test_keys_invert_and_clear(canvas_driver: CanvasDriver) -> None:
    canvas_driver.key(Qt.Key.Key_I, CONTROL)
    assert (canvas_driver.mask == 255).all()
    canvas_driver.key(Qt.Key.Key_Delete)
    assert not canvas_driver.mask.any()


# the pen


def test_the_pens_pressure_sets_the_width(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=60, hardness=1.0)
    canvas_driver.pen(QEvent.Type.TabletPress, 60, 150, 0.2)
    for x, pressure in ((120, 0.4), (180, 0.6), (240, 0.8), (300, 1.0)):
        canvas_driver.pen(QEvent.Type.TabletMove, x, 150, pressure)
    canvas_driver.pen(QEvent.Type.TabletRelease, 300, 150, 0.0)
    widths = (canvas_driver.mask[:, [70, 130, 190, 250, 299]] > 127).sum(axis=0)
    assert (np.diff(widths) > 0).all()
    assert widths[-1] == pytest.approx(60, abs=1), "lifting the pen does not thin the end"
    assert canvas_driver.document.undo_text == "Undo brush stroke"


def test_the_pens_other_end_erases(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.BRUSH, size=40, hardness=1.0)
    canvas_driver.pen(QEvent.Type.TabletPress, 100, 100, 1.0, eraser=True)
    canvas_driver.pen(QEvent.Type.TabletMove, 150, 100, 1.0, eraser=True)
    canvas_driver.pen(QEvent.Type.TabletRelease, 150, 100, 0.0, eraser=True)
    assert canvas_driver.mask[100, 120] == 0
    assert canvas_driver.mask[200, 120] == 255
