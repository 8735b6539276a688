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


def test_the_brush_paints_where_the_mouse_goes(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=30, hardness=0.6, opacity=0.7)
    places = [(50.0, 50.0), (120.0, 80.0), (200.0, 60.0)]
    atelier.drag(*places)
    assert np.array_equal(atelier.mask, drawn_by(Brush(size=30, hardness=0.6, opacity=0.7), *places))
    assert atelier.mask[50, 50] == 178


def test_the_brush_paints_the_right_pixels_at_any_zoom(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=3, hardness=1.0)
    atelier.canvas.zoom_to(16.0)
    middle = atelier.canvas.viewport.to_picture_point(QPointF(atelier.canvas.rect().center()))
    atelier.press(middle.x(), middle.y())
    atelier.release(middle.x(), middle.y())
    rows, columns = np.nonzero(atelier.mask > 127)
    assert abs(columns.mean() + 0.5 - middle.x()) <= 0.6
    assert abs(rows.mean() + 0.5 - middle.y()) <= 0.6


def test_each_stroke_is_one_step_to_undo(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=20)
    atelier.drag((50, 50), (90, 50), (130, 70))
    one = atelier.mask
    atelier.drag((50, 150), (90, 150), (130, 170))
    two = atelier.mask
    atelier.key(Qt.Key.Key_Z, CONTROL)
    assert np.array_equal(atelier.mask, one)
    atelier.key(Qt.Key.Key_Z, CONTROL)
    assert not atelier.mask.any()
    atelier.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    atelier.key(Qt.Key.Key_Y, CONTROL)
    assert np.array_equal(atelier.mask, two)


def test_quick_dabs_are_dabs_and_not_double_clicks(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=20)
    zoom = atelier.canvas.zoom
    atelier.double_click(100, 100)
    assert atelier.canvas.zoom == zoom
    assert atelier.mask[100, 100] == 255


def test_the_eraser_and_alt_take_away(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    atelier.select_tool(ToolKind.ERASER, size=20, hardness=1.0)
    atelier.drag((50, 50), (100, 50))
    assert np.array_equal(atelier.mask, 255 - drawn_by(Brush(size=20, hardness=1.0), (50, 50), (100, 50)))
    atelier.select_tool(ToolKind.BRUSH)
    atelier.drag((50, 150), (100, 150), keys=ALT)
    assert atelier.mask[150, 75] == 0
    atelier.select_tool(ToolKind.ERASER)
    atelier.drag((50, 50), (100, 50), keys=ALT)
    assert atelier.mask[50, 75] == 255


def test_the_rectangle_is_exact(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.RECTANGLE)
    atelier.drag((150, 120), (100, 90), (60, 40))
    expected = empty()
    expected[40:120, 60:150] = 255
    assert np.array_equal(atelier.mask, expected)
    atelier.drag((80, 60), (100, 100), keys=ALT)
    expected[60:100, 80:100] = 0
    assert np.array_equal(atelier.mask, expected)
    assert atelier.document.undo_text == "Undo rectangle"


def test_subtract_turns_shapes_round_and_x_turns_subtract(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    atelier.select_tool(ToolKind.RECTANGLE)
    atelier.key(Qt.Key.Key_X)
    assert atelier.bar.value().subtract
    atelier.drag((10, 10), (50, 50))
    assert not atelier.mask[10:50, 10:50].any()
    atelier.drag((20, 20), (30, 30), keys=ALT)
    assert (atelier.mask[20:30, 20:30] == 255).all()


def test_shift_makes_a_square(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.RECTANGLE)
    atelier.press(50, 50)
    atelier.release(90, 70, SHIFT)
    expected = empty()
    expected[50:90, 50:90] = 255
    assert np.array_equal(atelier.mask, expected)


def test_the_ellipse_is_the_one_in_its_box(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.ELLIPSE)
    atelier.drag((60, 40), (200, 160))
    box = mask_shapes.outline_coverage(mask_shapes.ellipse(60, 40, 200, 160), 400, 300)
    assert box is not None
    expected = empty()
    expected[40:160, 60:200] = box[1]
    assert np.array_equal(atelier.mask, expected)


def test_the_lasso_closes_by_itself(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.LASSO)
    atelier.drag((50, 50), (150, 50), (150, 150))
    box = mask_shapes.outline_coverage(mask_shapes.polygon([(50, 50), (150, 50), (150, 150)]), 400, 300)
    assert box is not None
    expected = empty()
    expected[50:150, 50:150] = box[1]
    assert np.array_equal(atelier.mask, expected)


def test_selecting_by_colour_takes_the_area_that_was_clicked(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.COLOUR, tolerance=8)
    atelier.drag((100, 80), (100, 80))
    expected = empty()
    expected[40:120, 40:160] = 255
    assert np.array_equal(atelier.mask, expected)
    atelier.document.clear_mask()
    atelier.select_tool(ToolKind.COLOUR, contiguous=False)
    atelier.drag((100, 80), (100, 80))
    expected[40:120, 240:360] = 255
    assert np.array_equal(atelier.mask, expected)


def test_shift_drag_sets_the_size_and_paints_nothing(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=40)
    atelier.drag((100, 100), (110, 100), (125, 100), keys=SHIFT)
    assert atelier.bar.value().size == 90
    assert not atelier.mask.any()


def test_escape_takes_back_the_stroke_in_progress(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=40)
    atelier.press(100, 100)
    atelier.move(150, 100)
    assert atelier.mask.any()
    atelier.key(Qt.Key.Key_Escape)
    assert not atelier.mask.any()
    atelier.move(200, 100)
    atelier.release(200, 100)
    assert not atelier.mask.any()
    assert not atelier.document.can_undo


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
def test_every_tool_has_its_key(atelier: CanvasDriver, key: Qt.Key, tool: ToolKind) -> None:
    atelier.select_tool(ToolKind.BRUSH if tool is not ToolKind.BRUSH else ToolKind.HAND)
    atelier.key(key)
    assert atelier.bar.value().tool is tool


def test_keys_set_the_brush(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=100, hardness=0.5, opacity=1.0)
    atelier.key(Qt.Key.Key_BracketRight)
    assert atelier.bar.value().size > 100
    atelier.key(Qt.Key.Key_BracketLeft)
    atelier.key(Qt.Key.Key_BracketLeft)
    assert atelier.bar.value().size < 100
    atelier.key(Qt.Key.Key_BracketRight, SHIFT)
    assert atelier.bar.value().hardness == pytest.approx(0.6)
    atelier.key(Qt.Key.Key_BracketLeft, SHIFT)
    atelier.key(Qt.Key.Key_BracketLeft, SHIFT)
    assert atelier.bar.value().hardness == pytest.approx(0.4)
    atelier.key(Qt.Key.Key_4)
    assert atelier.bar.value().opacity == pytest.approx(0.4)
    atelier.key(Qt.Key.Key_X)
    assert atelier.bar.value().tool is ToolKind.ERASER


def test_a_small_brush_still_grows_by_its_key(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=1)
    for _ in range(3):
        atelier.key(Qt.Key.Key_BracketRight)
    assert atelier.bar.value().size == 4
    for _ in range(9):
        atelier.key(Qt.Key.Key_BracketLeft)
    assert atelier.bar.value().size == 1


def test_keys_invert_and_clear(atelier: CanvasDriver) -> None:
    atelier.key(Qt.Key.Key_I, CONTROL)
    assert (atelier.mask == 255).all()
    atelier.key(Qt.Key.Key_Delete)
    assert not atelier.mask.any()


# the pen


def test_the_pens_pressure_sets_the_width(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=60, hardness=1.0)
    atelier.pen(QEvent.Type.TabletPress, 60, 150, 0.2)
    for x, pressure in ((120, 0.4), (180, 0.6), (240, 0.8), (300, 1.0)):
        atelier.pen(QEvent.Type.TabletMove, x, 150, pressure)
    atelier.pen(QEvent.Type.TabletRelease, 300, 150, 0.0)
    widths = (atelier.mask[:, [70, 130, 190, 250, 299]] > 127).sum(axis=0)
    assert (np.diff(widths) > 0).all()
    assert widths[-1] == pytest.approx(60, abs=1), "lifting the pen does not thin the end"
    assert atelier.document.undo_text == "Undo brush stroke"


def test_the_pens_other_end_erases(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    atelier.select_tool(ToolKind.BRUSH, size=40, hardness=1.0)
    atelier.pen(QEvent.Type.TabletPress, 100, 100, 1.0, eraser=True)
    atelier.pen(QEvent.Type.TabletMove, 150, 100, 1.0, eraser=True)
    atelier.pen(QEvent.Type.TabletRelease, 150, 100, 0.0, eraser=True)
    assert atelier.mask[100, 120] == 0
    assert atelier.mask[200, 120] == 255
