"""The frame shows what will be drawn and follows the mask; its tool expands the picture, by mouse and by key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.document import MAX_SIDE
from sdxl_desktop.session.document.frame import Frame, FramePolicy
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.painting.frame_layer import DIM_ALPHA
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from tests.ui.painting import reference_masks
from tests.ui.painting.conftest import LEFT, CanvasDriver, picture, pixels_in

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
POLICY = FramePolicy(requested_size=Size(512, 512), only_masked=10)


def shown(driver: CanvasDriver) -> UInt8Array:
    corner = driver.canvas.viewport.picture_rect().topLeft().toPoint()
    return driver.screen()[corner.y() : corner.y() + 300, corner.x() : corner.x() + 400]


def reported(driver: CanvasDriver) -> list[Frame | None]:
    frames: list[Frame | None] = []
    driver.canvas_editor.frame_changed.connect(frames.append)
    return frames


# display


def test_the_frame_lies_around_the_mask_and_what_is_outside_is_dimmed(canvas_driver: CanvasDriver) -> None:
    canvas_driver.canvas_editor.set_frame_policy(POLICY)
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((150, 100), (230, 180))
    assert canvas_driver.canvas_editor.frame == Frame(Rect(140, 90, 100, 100), Size(512, 512))
    canvas_driver.key(Qt.Key.Key_A)  # not a tool's key: nothing changes
    screen, plain = shown(canvas_driver), picture()
    ground = canvas_driver.canvas.palette().color(QPalette.ColorRole.Dark)
    share = DIM_ALPHA / 255
    dimmed = plain * (1 - share) + share * np.array([ground.red(), ground.green(), ground.blue()])
    outside = np.ones((300, 400), bool)
    outside[89:191, 139:241] = False
    outside[:90, 140:260] = False  # the label
    assert np.abs(screen[outside] - dimmed[outside]).max() <= 2
    inside = ~outside
    inside[:92] = inside[188:] = False
    inside[:, :142] = inside[:, 238:] = False
    inside[98:182, 148:232] = False  # the mask
    assert np.array_equal(screen[inside], plain[inside])


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_the_line_is_seen_on_any_picture(canvas_driver: CanvasDriver, grey: int) -> None:
    canvas_driver.document.open(np.full((300, 400, 3), grey, np.uint8), reference_masks.box(150, 100, 230, 180))
    canvas_driver.canvas.show_actual_size()
    canvas_driver.canvas_editor.set_frame_policy(POLICY)
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    row = shown(canvas_driver)[190, 150:235].astype(int).max(axis=1)
    assert (np.abs(row - grey) > 60).sum() > 30, "at least every other pixel of it"
    assert row.max() - row.min() > 150, "both light and dark"


@pytest.mark.parametrize("hidden_by", ["hand", "frame", "key", "put away", "whole", "no policy"])
def test_the_frame_is_seen_while_painting_only(canvas_driver: CanvasDriver, hidden_by: str) -> None:
    canvas_driver.document.open(picture(), reference_masks.box(150, 100, 230, 180))
    canvas_driver.canvas.show_actual_size()
    canvas_driver.canvas_editor.set_frame_policy(POLICY)
    canvas_driver.select_tool(ToolKind.BRUSH)
    far = shown(canvas_driver)[295, 5]
    assert not np.array_equal(far, picture()[295, 5]), "dimmed"
    if hidden_by in ("hand", "frame"):
        canvas_driver.select_tool(ToolKind(hidden_by))
    elif hidden_by == "key":
        canvas_driver.key(Qt.Key.Key_M)
    elif hidden_by == "put away":
        canvas_driver.canvas_editor.detach()
    else:
        canvas_driver.canvas_editor.set_frame_policy(
            FramePolicy(requested_size=Size(400, 300)) if hidden_by == "whole" else None
        )
    assert np.array_equal(shown(canvas_driver)[285, 15], picture()[285, 15])


def test_the_frame_follows_a_stroke_in_progress_within_a_blink(canvas_driver: CanvasDriver) -> None:
    frames = reported(canvas_driver)
    canvas_driver.canvas_editor.set_frame_policy(POLICY)
    canvas_driver.select_tool(ToolKind.BRUSH, size=20, hardness=1.0)
    canvas_driver.press(100, 150)
    canvas_driver.move(160, 150)
    canvas_driver.qtbot.waitUntil(
        lambda: canvas_driver.canvas_editor.frame is not None and canvas_driver.canvas_editor.frame.region.width < 400
    )
    before = canvas_driver.canvas_editor.frame
    for x in range(200, 300, 10):
        canvas_driver.move(x, 150)
    assert canvas_driver.canvas_editor.frame == before, "not at every event"
    canvas_driver.qtbot.waitUntil(lambda: canvas_driver.canvas_editor.frame != before, timeout=1000)
    canvas_driver.release(300, 150)
    assert canvas_driver.canvas_editor.frame is not None
    region = canvas_driver.canvas_editor.frame.region
    assert (region.x, region.right) == (100 - 10 - 10, 300 + 10 + 10), "at the end exactly"
    assert frames[-1] == canvas_driver.canvas_editor.frame
    canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    assert canvas_driver.canvas_editor.frame == Frame(Rect(50, 0, 300, 300), Size(512, 512)), (
        "nothing masked: what is cut for 1:1"
    )


def test_what_is_on_the_screen_after_a_stroke_is_what_would_be_painted_again(canvas_driver: CanvasDriver) -> None:
    """Only changed parts are painted: nothing is left of a frame that moves, shrinks and disappears."""
    canvas_driver.canvas_editor.set_frame_policy(POLICY)
    canvas_driver.select_tool(ToolKind.BRUSH, size=20, hardness=1.0)
    for places in (((60, 60), (90, 90)), ((200, 150), (320, 220)), ((20, 280), (40, 250))):
        canvas_driver.drag(*places)
        assert_painted_well(canvas_driver)
    for _ in range(3):
        canvas_driver.key(Qt.Key.Key_Z, CONTROL)
        assert_painted_well(canvas_driver)
    canvas_driver.drag((200, 150), (320, 220))
    canvas_driver.canvas.zoom_to(3.0)
    for by in ((30, 20), (-200, -100), (0, 300)):
        start = canvas_driver.canvas.rect().center()
        middle = Qt.MouseButton.MiddleButton
        canvas_driver.qtbot.mousePress(canvas_driver.canvas, middle, pos=start)
        canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start + QPointF(*by).toPoint())
        canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, middle, pos=start + QPointF(*by).toPoint())
        assert_painted_well(canvas_driver)


def assert_painted_well(driver: CanvasDriver) -> None:
    """Assert that the window's image, made of many small repaints, equals one painted at once."""
    QApplication.processEvents()
    kept = driver.window.screen().grabWindow(driver.window.winId()).toImage()
    whole = driver.window.grab().toImage()
    assert kept.size() == whole.size()
    left, top = driver.canvas.pos().x(), driver.canvas.pos().y()
    box = (left, top, driver.canvas.width(), driver.canvas.height())
    one, other = (pixels_in(image.copy(*box)).astype(int) for image in (kept, whole))
    assert np.abs(one - other).max() <= 2


def test_a_compiled_size_that_is_near_is_reported_while_painting(canvas_driver: CanvasDriver) -> None:
    frames = reported(canvas_driver)
    sizes = (Size(512, 512), Size(640, 416))
    canvas_driver.canvas_editor.set_frame_policy(
        FramePolicy(requested_size=Size(512, 512), only_masked=0, compiled_sizes=sizes)
    )
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((50, 50), (150, 150))
    canvas_driver.drag((50, 50), (200, 150))
    assert [frame.drawing_size for frame in frames if frame is not None] == [sizes[0], sizes[0], sizes[1]]


# the tool


def take_frame(driver: CanvasDriver) -> None:
    driver.select_tool(ToolKind.FRAME)
    assert driver.canvas.zoom == 1.0, "a look that was chosen stays"


@pytest.mark.parametrize(
    ("start", "end", "keys", "grown"),
    [
        ((400, 150), (449, 190), None, (0, 0, 48, 0)),
        ((0, 150), (-30, 0), None, (32, 0, 0, 0)),
        ((200, 0), (200, -16), None, (0, 16, 0, 0)),
        ((90, 300), (90, 323), None, (0, 0, 0, 24)),  # anywhere on the edge
        ((400, 300), (440, 316), None, (0, 0, 40, 16)),
        ((0, 0), (-8, -24), None, (8, 24, 0, 0)),
        ((400, 150), (424, 150), SHIFT, (24, 0, 24, 0)),
        ((200, 300), (200, 332), SHIFT, (0, 32, 0, 32)),
        ((400, 300), (440, 302), SHIFT, (0, 0, 40, 32)),  # 4:3, to eight pixels
        ((400, 0), (400 + 40, 0), SHIFT, (0, 32, 40, 0)),
    ],
)
def test_dragging_an_edge_outward_extends_the_picture(
    canvas_driver: CanvasDriver,
    start: tuple[float, float],
    end: tuple[float, float],
    keys: Any,
    grown: tuple[int, int, int, int],
) -> None:
    take_frame(canvas_driver)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    held = keys or Qt.KeyboardModifier.NoModifier
    canvas_driver.press(*start, held)
    canvas_driver.move(*middle)
    canvas_driver.move(*end)
    canvas_driver.release(*end, held)
    left, top, right, bottom = grown
    assert canvas_driver.document.size == Size(400 + left + right, 300 + top + bottom)
    assert canvas_driver.document.picture is not None
    assert np.array_equal(canvas_driver.document.picture[top : top + 300, left : left + 400], picture())
    expected = np.full((300 + top + bottom, 400 + left + right), 255, np.uint8)
    expected[top : top + 300, left : left + 400] = 0
    assert np.array_equal(canvas_driver.mask, expected), "what is new is masked by itself"
    new = canvas_driver.document.picture[expected > 0]
    assert (new > 60).all(), "and filled with the colours of the border"
    canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    assert np.array_equal(canvas_driver.document.picture, picture()), "as one step"
    assert not canvas_driver.document.can_undo


def test_dragging_inward_or_in_the_middle_does_nothing(canvas_driver: CanvasDriver) -> None:
    take_frame(canvas_driver)
    canvas_driver.drag((400, 150), (350, 150), (300, 150))
    canvas_driver.drag((200, 150), (202, 150))
    assert canvas_driver.document.size == Size(400, 300)
    assert not canvas_driver.document.can_undo


def test_the_new_area_is_shown_while_dragging_and_escape_takes_it_away(canvas_driver: CanvasDriver) -> None:
    take_frame(canvas_driver)
    corner = canvas_driver.canvas.viewport.picture_rect().topLeft().toPoint()
    empty = canvas_driver.screen()
    canvas_driver.press(400, 150)
    canvas_driver.move(440, 150)
    x, y = corner.x() + 400, corner.y()
    area = canvas_driver.screen()[y + 40 : y + 120, x + 8 : x + 30]
    assert len(np.unique(area.reshape(-1, 3), axis=0)) == 2, "chequered"
    assert len(np.unique(empty[y + 40 : y + 120, x + 8 : x + 30].reshape(-1, 3), axis=0)) == 1
    assert_painted_well(canvas_driver)
    canvas_driver.key(Qt.Key.Key_Escape)
    canvas_driver.move(460, 150)
    canvas_driver.release(460, 150)
    assert canvas_driver.document.size == Size(400, 300)
    assert np.array_equal(
        canvas_driver.screen()[y + 40 : y + 120, x + 8 : x + 30], empty[y + 40 : y + 120, x + 8 : x + 30]
    )
    assert_painted_well(canvas_driver)


def test_arrows_grow_and_enter_applies(canvas_driver: CanvasDriver) -> None:
    take_frame(canvas_driver)
    canvas_driver.key(Qt.Key.Key_Right)
    canvas_driver.key(Qt.Key.Key_Right, SHIFT)
    canvas_driver.key(Qt.Key.Key_Left)
    canvas_driver.key(Qt.Key.Key_Up)
    assert_painted_well(canvas_driver)
    assert canvas_driver.document.size == Size(400, 300), "not yet"
    canvas_driver.key(Qt.Key.Key_Return)
    assert canvas_driver.document.size == Size(464, 308)
    assert canvas_driver.document.undo_text == "Undo extend picture"
    canvas_driver.key(Qt.Key.Key_Return)
    assert canvas_driver.document.size == Size(464, 308), "once"


@pytest.mark.parametrize("how", ["escape", "another tool", "undo", "put away"])
def test_what_was_not_applied_is_given_up(canvas_driver: CanvasDriver, how: str) -> None:
    take_frame(canvas_driver)
    canvas_driver.document.set_picture(picture())
    canvas_driver.key(Qt.Key.Key_Down, SHIFT)
    if how == "escape":
        canvas_driver.key(Qt.Key.Key_Escape)
    elif how == "another tool":
        canvas_driver.key(Qt.Key.Key_B)
        canvas_driver.key(Qt.Key.Key_F)
    elif how == "undo":
        canvas_driver.key(Qt.Key.Key_Z, CONTROL)
    else:
        canvas_driver.canvas_editor.detach()
        canvas_driver.canvas_editor.attach()
    canvas_driver.key(Qt.Key.Key_Return)
    assert canvas_driver.document.size == Size(400, 300)


def test_the_cursor_says_which_way_an_edge_goes(canvas_driver: CanvasDriver) -> None:
    take_frame(canvas_driver)
    for (x, y), shape in {
        (400, 100): Qt.CursorShape.SizeHorCursor,
        (100, 0): Qt.CursorShape.SizeVerCursor,
        (0, 0): Qt.CursorShape.SizeFDiagCursor,
        (400, 300): Qt.CursorShape.SizeFDiagCursor,
        (400, 0): Qt.CursorShape.SizeBDiagCursor,
        (200, 150): Qt.CursorShape.ArrowCursor,
    }.items():
        canvas_driver.move(x, y)
        assert canvas_driver.canvas.cursor().shape() == shape, (x, y)


def test_a_fitted_picture_makes_room_for_its_edges(canvas_driver: CanvasDriver) -> None:
    canvas_driver.canvas.fit()
    close = canvas_driver.canvas.viewport.picture_rect()
    canvas_driver.key(Qt.Key.Key_F)
    wide = canvas_driver.canvas.viewport.picture_rect()
    assert canvas_driver.canvas.height() - wide.height() >= 0.35 * canvas_driver.canvas.height()
    canvas_driver.window.resize(700, 500)
    QApplication.processEvents()
    assert (
        canvas_driver.canvas.height() - canvas_driver.canvas.viewport.picture_rect().height()
        >= 0.35 * canvas_driver.canvas.height()
    )
    canvas_driver.window.resize(900, 600)
    QApplication.processEvents()
    canvas_driver.key(Qt.Key.Key_B)
    assert canvas_driver.canvas.viewport.picture_rect() == close


def test_more_than_a_picture_may_have_is_not_to_be_had(canvas_driver: CanvasDriver) -> None:
    take_frame(canvas_driver)
    canvas_driver.canvas.zoom_to(0.05)
    spot = canvas_driver.canvas.viewport.to_widget_point(QPointF(400, 150)).toPoint()
    far = canvas_driver.canvas.viewport.to_widget_point(QPointF(60_000, 150)).toPoint()
    for key, expected in ((Qt.Key.Key_Escape, Size(400, 300)), (None, Size(MAX_SIDE, 300))):
        canvas_driver.qtbot.mousePress(canvas_driver.canvas, LEFT, pos=spot)
        canvas_driver.qtbot.mouseMove(canvas_driver.canvas, far)
        if key is not None:
            canvas_driver.key(key)
        canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, LEFT, pos=far)
        assert canvas_driver.document.size == expected


def test_in_the_window_the_frames_keys_are_its_own(window: MainWindow) -> None:
    """Arrows and Escape have other meanings elsewhere; with the frame tool active they belong to it."""
    window.document.set_picture(picture())
    window.canvas_area.show_document()
    window.canvas_area.paint_bar.select_tool(ToolKind.FRAME)
    canvas = window.canvas_area.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Right, SHIFT)
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert window.document.size == Size(400, 300)
    QTest.keyClick(canvas, Qt.Key.Key_Left)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert window.document.size == Size(408, 300)
    assert window.canvas_area.paint_bar.minimumSizeHint().width() <= window.canvas_area.minimumSizeHint().width()
