"""View navigation with real events: zoom at the cursor, pan, fit, 100 %, before and after; none of it edits."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QNativeGestureEvent, QPointingDevice
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from tests.ui.painting.conftest import LEFT, CanvasDriver, picture

MIDDLE = Qt.MouseButton.MiddleButton
CONTROL = Qt.KeyboardModifier.ControlModifier


def under(atelier: CanvasDriver, spot: QPointF) -> tuple[float, float]:
    """Return the picture's point under a point of the widget."""
    found = atelier.canvas.viewport.to_picture_point(spot)
    return found.x(), found.y()


@pytest.mark.parametrize("notches", [1, -1, 3])
@pytest.mark.parametrize("place", [(210.0, 160.0), (500.0, 300.0)])
def test_the_wheel_zooms_about_the_cursor(atelier: CanvasDriver, notches: int, place: tuple[float, float]) -> None:
    atelier.canvas.zoom_to(3.0)
    spot, zoom = QPointF(*place), atelier.canvas.zoom
    before = under(atelier, spot)
    atelier.wheel(spot, turned=120 * notches)
    assert atelier.canvas.zoom == pytest.approx(zoom * 1.25**notches)
    assert under(atelier, spot) == pytest.approx(before, abs=1 / atelier.canvas.zoom), "within a pixel of the screen"


def test_the_wheel_stops_where_nothing_more_is_to_be_seen(atelier: CanvasDriver) -> None:
    spot = QPointF(atelier.canvas.rect().center())
    for _ in range(60):
        atelier.wheel(spot, turned=120)
    assert atelier.canvas.zoom == 32.0
    for _ in range(90):
        atelier.wheel(spot, turned=-120)
    assert atelier.canvas.zoom == pytest.approx(0.05)
    assert atelier.canvas.viewport.picture_rect().intersects(atelier.canvas.rect().toRectF())


def test_two_fingers_scroll_by_exactly_their_points_and_with_control_zoom(atelier: CanvasDriver) -> None:
    atelier.canvas.zoom_to(4.0)
    corner, zoom = atelier.canvas.viewport.picture_rect().topLeft(), atelier.canvas.zoom
    spot = QPointF(atelier.canvas.rect().center())
    atelier.wheel(spot, scrolled=QPoint(13, -7))
    atelier.wheel(spot, scrolled=QPoint(-40, 2))
    assert atelier.canvas.viewport.picture_rect().topLeft() == corner + QPointF(-27, -5)
    assert atelier.canvas.zoom == zoom
    atelier.wheel(spot, scrolled=QPoint(0, 120), keys=CONTROL)
    assert atelier.canvas.zoom == pytest.approx(zoom * 1.25)


def test_a_pinch_zooms_about_its_middle(atelier: CanvasDriver) -> None:
    spot = QPointF(300, 200)
    before = under(atelier, spot)
    pinch = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        spot,
        spot,
        QPointF(atelier.canvas.mapToGlobal(spot)),
        0.5,
        QPointF(),
    )
    QApplication.sendEvent(atelier.canvas, pinch)
    assert atelier.canvas.zoom == pytest.approx(1.5)
    assert under(atelier, spot) == pytest.approx(before, abs=1.0)


@pytest.mark.parametrize("tool", list(ToolKind))
@pytest.mark.parametrize("with_space", [True, False])
def test_any_tool_pans_by_exactly_the_way_of_the_mouse(atelier: CanvasDriver, tool: ToolKind, with_space: bool) -> None:
    atelier.select_tool(tool)
    atelier.canvas.zoom_to(4.0)
    corner = atelier.canvas.viewport.picture_rect().topLeft()
    start, button = atelier.canvas.rect().center(), LEFT if with_space else MIDDLE
    if with_space:
        atelier.qtbot.keyPress(atelier.canvas, Qt.Key.Key_Space)
        assert atelier.canvas.cursor().shape() == Qt.CursorShape.OpenHandCursor
    atelier.qtbot.mousePress(atelier.canvas, button, pos=start)
    assert atelier.canvas.cursor().shape() == Qt.CursorShape.ClosedHandCursor
    atelier.qtbot.mouseMove(atelier.canvas, start + QPoint(40, -20))
    atelier.qtbot.mouseMove(atelier.canvas, start + QPoint(-31, 17))
    atelier.qtbot.mouseRelease(atelier.canvas, button, pos=start + QPoint(-31, 17))
    if with_space:
        atelier.qtbot.keyRelease(atelier.canvas, Qt.Key.Key_Space)
    assert atelier.canvas.viewport.picture_rect().topLeft() == corner + QPointF(-31, 17)
    assert not atelier.mask.any()
    assert not atelier.document.can_undo


def test_with_the_hand_a_double_click_goes_between_fit_and_full_size(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.HAND)
    atelier.double_click(100, 100)
    assert atelier.canvas.is_fitted
    target, view = atelier.canvas.viewport.picture_rect(), atelier.canvas.rect()
    assert min(view.width() - target.width(), view.height() - target.height()) == pytest.approx(32, abs=1)
    atelier.double_click(100, 100)
    assert atelier.canvas.zoom == 1.0


def test_fit_and_full_size_have_buttons_and_keys(window: MainWindow) -> None:
    window.document.set_picture(picture())
    window.canvas_area.show_document()
    canvas, bar = window.canvas_area.canvas, window.canvas_area.canvas_bar
    window.activateWindow()
    canvas.setFocus()
    for key, zoom in ((Qt.Key.Key_1, 1.0), (Qt.Key.Key_0, None), (Qt.Key.Key_1, 1.0)):
        _shortcut(window, key)
        assert canvas.is_fitted if zoom is None else canvas.zoom == zoom
    bar.fit_requested.emit()
    assert canvas.is_fitted
    bar.actual_size_requested.emit()
    assert canvas.zoom == 1.0


def _shortcut(window: MainWindow, key: Qt.Key) -> None:
    QTest.keyClick(window.canvas_area.canvas, key, CONTROL)


# before and after


def before() -> UInt8Array:
    return 255 - picture()


def shown(atelier: CanvasDriver) -> UInt8Array:
    corner = atelier.canvas.viewport.picture_rect().topLeft().toPoint()
    return atelier.screen()[corner.y() : corner.y() + 300, corner.x() : corner.x() + 400]


def compare(atelier: CanvasDriver) -> None:
    atelier.canvas.set_before(QImage(before().tobytes(), 400, 300, 1200, QImage.Format.Format_RGB888).copy())


@pytest.mark.parametrize("to", [60, 200, 355])
def test_the_line_is_dragged_to_any_place_and_parts_the_picture_there(atelier: CanvasDriver, to: int) -> None:
    compare(atelier)
    atelier.select_tool(ToolKind.RECTANGLE)
    atelier.key(Qt.Key.Key_Y)
    atelier.move(190, 250)  # the first move after a window opened may only enter it
    atelier.move(200, 250)
    assert atelier.canvas.cursor().shape() == Qt.CursorShape.SplitHCursor
    atelier.drag((200, 250), (180, 250), (to, 250))
    below = shown(atelier)[200:]  # the handle and the labels are above
    assert np.array_equal(below[:, : to - 3], before()[200:, : to - 3])
    assert np.array_equal(below[:, to + 3 :], picture()[200:, to + 3 :])
    assert not atelier.mask.any()


def test_the_line_stays_between_the_pictures_edges(atelier: CanvasDriver) -> None:
    compare(atelier)
    atelier.key(Qt.Key.Key_Y)
    atelier.drag((200, 250), (1000, 250))
    assert np.array_equal(shown(atelier)[200:, :396], before()[200:, :396])


def test_the_picture_before_is_shown_for_as_long_as_the_key_is_held(atelier: CanvasDriver) -> None:
    compare(atelier)
    atelier.qtbot.keyPress(atelier.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(shown(atelier)[60:], before()[60:])
    atelier.canvas.clearFocus()
    assert np.array_equal(shown(atelier), picture()), "a key that is let go elsewhere is not held for ever"


def test_keys_of_comparing_do_nothing_where_there_is_nothing_to_compare(atelier: CanvasDriver) -> None:
    atelier.key(Qt.Key.Key_Y)
    assert not atelier.canvas.is_split
    atelier.qtbot.keyPress(atelier.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(shown(atelier), picture())
    atelier.qtbot.keyRelease(atelier.canvas, Qt.Key.Key_Backslash)
