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


def under(driver: CanvasDriver, spot: QPointF) -> tuple[float, float]:
    """Return the picture's point under a point of the widget."""
    found = driver.canvas.viewport.to_picture_point(spot)
    return found.x(), found.y()


@pytest.mark.parametrize("notches", [1, -1, 3])
@pytest.mark.parametrize("place", [(210.0, 160.0), (500.0, 300.0)])
def test_the_wheel_zooms_about_the_cursor(
    canvas_driver: CanvasDriver, notches: int, place: tuple[float, float]
) -> None:
    canvas_driver.canvas.zoom_to(3.0)
    spot, zoom = QPointF(*place), canvas_driver.canvas.zoom
    before = under(canvas_driver, spot)
    canvas_driver.wheel(spot, turned=120 * notches)
    assert canvas_driver.canvas.zoom == pytest.approx(zoom * 1.25**notches)
    assert under(canvas_driver, spot) == pytest.approx(before, abs=1 / canvas_driver.canvas.zoom), (
        "within a pixel of the screen"
    )


def test_the_wheel_stops_where_nothing_more_is_to_be_seen(canvas_driver: CanvasDriver) -> None:
    spot = QPointF(canvas_driver.canvas.rect().center())
    for _ in range(60):
        canvas_driver.wheel(spot, turned=120)
    assert canvas_driver.canvas.zoom == 32.0
    for _ in range(90):
        canvas_driver.wheel(spot, turned=-120)
    assert canvas_driver.canvas.zoom == pytest.approx(0.05)
    assert canvas_driver.canvas.viewport.picture_rect().intersects(canvas_driver.canvas.rect().toRectF())


def test_two_fingers_scroll_by_exactly_their_points_and_with_control_zoom(canvas_driver: CanvasDriver) -> None:
    canvas_driver.canvas.zoom_to(4.0)
    corner, zoom = canvas_driver.canvas.viewport.picture_rect().topLeft(), canvas_driver.canvas.zoom
    spot = QPointF(canvas_driver.canvas.rect().center())
    canvas_driver.wheel(spot, scrolled=QPoint(13, -7))
    canvas_driver.wheel(spot, scrolled=QPoint(-40, 2))
    assert canvas_driver.canvas.viewport.picture_rect().topLeft() == corner + QPointF(-27, -5)
    assert canvas_driver.canvas.zoom == zoom
    canvas_driver.wheel(spot, scrolled=QPoint(0, 120), keys=CONTROL)
    assert canvas_driver.canvas.zoom == pytest.approx(zoom * 1.25)


def test_a_pinch_zooms_about_its_middle(canvas_driver: CanvasDriver) -> None:
    spot = QPointF(300, 200)
    before = under(canvas_driver, spot)
    pinch = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        spot,
        spot,
        QPointF(canvas_driver.canvas.mapToGlobal(spot)),
        0.5,
        QPointF(),
    )
    QApplication.sendEvent(canvas_driver.canvas, pinch)
    assert canvas_driver.canvas.zoom == pytest.approx(1.5)
    assert under(canvas_driver, spot) == pytest.approx(before, abs=1.0)


@pytest.mark.parametrize("tool", list(ToolKind))
@pytest.mark.parametrize("with_space", [True, False])
def test_any_tool_pans_by_exactly_the_way_of_the_mouse(
    canvas_driver: CanvasDriver, tool: ToolKind, with_space: bool
) -> None:
    canvas_driver.select_tool(tool)
    canvas_driver.canvas.zoom_to(4.0)
    corner = canvas_driver.canvas.viewport.picture_rect().topLeft()
    start, button = canvas_driver.canvas.rect().center(), LEFT if with_space else MIDDLE
    if with_space:
        canvas_driver.qtbot.keyPress(canvas_driver.canvas, Qt.Key.Key_Space)
        assert canvas_driver.canvas.cursor().shape() == Qt.CursorShape.OpenHandCursor
    canvas_driver.qtbot.mousePress(canvas_driver.canvas, button, pos=start)
    assert canvas_driver.canvas.cursor().shape() == Qt.CursorShape.ClosedHandCursor
    canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start + QPoint(40, -20))
    canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start + QPoint(-31, 17))
    canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, button, pos=start + QPoint(-31, 17))
    if with_space:
        canvas_driver.qtbot.keyRelease(canvas_driver.canvas, Qt.Key.Key_Space)
    assert canvas_driver.canvas.viewport.picture_rect().topLeft() == corner + QPointF(-31, 17)
    assert not canvas_driver.mask.any()
    assert not canvas_driver.document.can_undo


def test_with_the_hand_a_double_click_goes_between_fit_and_full_size(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.HAND)
    canvas_driver.double_click(100, 100)
    assert canvas_driver.canvas.is_fitted
    target, view = canvas_driver.canvas.viewport.picture_rect(), canvas_driver.canvas.rect()
    assert min(view.width() - target.width(), view.height() - target.height()) == pytest.approx(32, abs=1)
    canvas_driver.double_click(100, 100)
    assert canvas_driver.canvas.zoom == 1.0


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


def shown(driver: CanvasDriver) -> UInt8Array:
    corner = driver.canvas.viewport.picture_rect().topLeft().toPoint()
    return driver.screen()[corner.y() : corner.y() + 300, corner.x() : corner.x() + 400]


def compare(driver: CanvasDriver) -> None:
    driver.canvas.set_before(QImage(before().tobytes(), 400, 300, 1200, QImage.Format.Format_RGB888).copy())


@pytest.mark.parametrize("to", [60, 200, 355])
def test_the_line_is_dragged_to_any_place_and_parts_the_picture_there(canvas_driver: CanvasDriver, to: int) -> None:
    compare(canvas_driver)
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.key(Qt.Key.Key_Y)
    canvas_driver.move(190, 250)  # the first move after a window opened may only enter it
    canvas_driver.move(200, 250)
    assert canvas_driver.canvas.cursor().shape() == Qt.CursorShape.SplitHCursor
    canvas_driver.drag((200, 250), (180, 250), (to, 250))
    below = shown(canvas_driver)[200:]  # the handle and the labels are above
    assert np.array_equal(below[:, : to - 3], before()[200:, : to - 3])
    assert np.array_equal(below[:, to + 3 :], picture()[200:, to + 3 :])
    assert not canvas_driver.mask.any()


def test_the_line_stays_between_the_pictures_edges(canvas_driver: CanvasDriver) -> None:
    compare(canvas_driver)
    canvas_driver.key(Qt.Key.Key_Y)
    canvas_driver.drag((200, 250), (1000, 250))
    assert np.array_equal(shown(canvas_driver)[200:, :396], before()[200:, :396])


def test_the_picture_before_is_shown_for_as_long_as_the_key_is_held(canvas_driver: CanvasDriver) -> None:
    compare(canvas_driver)
    canvas_driver.qtbot.keyPress(canvas_driver.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(shown(canvas_driver)[60:], before()[60:])
    canvas_driver.canvas.clearFocus()
    assert np.array_equal(shown(canvas_driver), picture()), "a key that is let go elsewhere is not held for ever"


def test_keys_of_comparing_do_nothing_where_there_is_nothing_to_compare(canvas_driver: CanvasDriver) -> None:
    canvas_driver.key(Qt.Key.Key_Y)
    assert not canvas_driver.canvas.is_split
    canvas_driver.qtbot.keyPress(canvas_driver.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(shown(canvas_driver), picture())
    canvas_driver.qtbot.keyRelease(canvas_driver.canvas, Qt.Key.Key_Backslash)
