"""What the canvas shows: overlay, brush cursor, before and after; and that only changed parts are repainted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt
from PySide6.QtGui import QImage, QPaintEvent, QRegion
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.painting.image_pyramid import ImagePyramid
from sdxl_desktop.ui.painting.mask_layer import OverlayStyle
from sdxl_desktop.ui.painting.mask_menu import MaskMenu
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from sdxl_desktop.ui.widgets.fields import IntField
from tests.typed import not_none
from tests.ui.painting.conftest import LEFT, CanvasDriver, picture
from tests.ui.widget_lookup import find_child, find_named


def origin(driver: CanvasDriver) -> tuple[int, int]:
    corner = driver.canvas.viewport.picture_rect().topLeft().toPoint()
    return corner.x(), corner.y()


def visible_pixels(driver: CanvasDriver) -> UInt8Array:
    """Return the picture's part of the screen, uint8 [300, 400, 3]."""
    x, y = origin(driver)
    return driver.screen()[y : y + 300, x : x + 400]


def test_at_full_size_the_screen_shows_the_picture_exactly(canvas_driver: CanvasDriver) -> None:
    assert np.array_equal(visible_pixels(canvas_driver), picture())


def test_the_overlay_dyes_the_mask_and_has_a_white_and_a_black_edge(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE, overlay_style=OverlayStyle("#00ff00", 0.5))
    canvas_driver.drag((100, 100), (200, 150))
    screen = visible_pixels(canvas_driver)
    inside = (picture()[102:148, 102:198] + np.array([0.0, 255.0, 0.0])) / 2
    assert np.abs(screen[102:148, 102:198] - inside).max() <= 2
    assert (screen[100, 100:200] == 255).all()
    assert (screen[100:150, 199] == 255).all()
    assert (screen[99, 100:200] < 64).all()
    assert (screen[100:150, 200] < 64).all()
    rest = np.ones((300, 400), bool)
    rest[99:151, 99:201] = False
    assert np.array_equal(screen[rest], picture()[rest])


def test_m_hides_the_overlay(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    assert not np.array_equal(visible_pixels(canvas_driver), picture())
    canvas_driver.key(Qt.Key.Key_M)
    assert np.array_equal(visible_pixels(canvas_driver), picture())
    canvas_driver.key(Qt.Key.Key_M)
    assert not np.array_equal(visible_pixels(canvas_driver), picture())


class PaintWatch(QObject):
    """Records the regions that a widget is asked to paint."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[QRegion] = []

    def eventFilter(self, _: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.regions.append(event.region())
        return False


def test_a_brush_event_paints_no_more_than_its_box(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH, size=40)
    canvas_driver.press(100, 100)
    QApplication.processEvents()
    watch = PaintWatch()
    canvas_driver.canvas.installEventFilter(watch)
    canvas_driver.move(110, 100)
    QApplication.processEvents()
    assert watch.regions
    for region in watch.regions:
        assert region.boundingRect().width() < 80
        assert region.boundingRect().height() < 80
    canvas_driver.release(110, 100)


def test_levels_that_were_updated_in_part_equal_those_made_again() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (203, 301), dtype=np.uint8)
    old = ImagePyramid.from_pixels(pixels)
    old.level(4)
    for x, y, width, height in ((0, 0, 5, 5), (101, 57, 40, 33), (290, 190, 11, 13)):
        pixels[y : y + height, x : x + width] = 255
        old.update(QRect(x, y, width, height))
    new = ImagePyramid.from_pixels(pixels)
    for number in range(5):
        assert old.level(number) == new.level(number), number


def test_a_picture_shown_small_is_averaged_and_does_not_flicker() -> None:
    checks = np.zeros((512, 512, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    level = ImagePyramid.from_pixels(checks).level(2)
    assert abs(level.pixelColor(60, 60).red() - 127) <= 2


def test_a_result_replaces_what_is_seen_and_undo_brings_it_back(canvas_driver: CanvasDriver) -> None:
    result = 255 - picture()
    canvas_driver.document.apply_result(result)
    assert np.array_equal(visible_pixels(canvas_driver), result)
    canvas_driver.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(visible_pixels(canvas_driver), picture())


def test_the_ring_is_visible_on_black_and_on_white(canvas_driver: CanvasDriver) -> None:
    half = np.zeros((300, 400, 3), np.uint8)
    half[:, 200:] = 255
    canvas_driver.document.open(half)
    canvas_driver.canvas.show_actual_size()
    canvas_driver.select_tool(ToolKind.BRUSH, size=100)
    canvas_driver.move(200, 150)
    change = np.abs(visible_pixels(canvas_driver).astype(int) - half).max(axis=2)
    for at in ((150, 151), (150, 249), (101, 190), (199, 210)):
        near = change[at[0] - 3 : at[0] + 4, at[1] - 3 : at[1] + 4]
        assert near.max() > 120, at
    assert canvas_driver.canvas.cursor().shape() == Qt.CursorShape.BlankCursor


# before and after


def test_a_held_key_shows_the_picture_before(canvas_driver: CanvasDriver) -> None:
    before = 255 - picture()
    canvas_driver.canvas.set_before(QImage(before.data, 400, 300, 1200, QImage.Format.Format_RGB888).copy())
    canvas_driver.document.invert()
    canvas_driver.qtbot.keyPress(canvas_driver.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(visible_pixels(canvas_driver)[60:], before[60:]), "without the mask; a tag says so above"
    canvas_driver.qtbot.keyRelease(canvas_driver.canvas, Qt.Key.Key_Backslash)
    canvas_driver.key(Qt.Key.Key_M)
    assert np.array_equal(visible_pixels(canvas_driver), picture())


def test_the_line_between_before_and_after_is_dragged(canvas_driver: CanvasDriver) -> None:
    before = 255 - picture()
    canvas_driver.canvas.set_before(QImage(before.data, 400, 300, 1200, QImage.Format.Format_RGB888).copy())
    canvas_driver.select_tool(ToolKind.BRUSH)
    canvas_driver.key(Qt.Key.Key_Y)
    assert canvas_driver.canvas.is_split
    canvas_driver.drag((200, 250), (150, 250), (100, 250))
    assert not canvas_driver.mask.any(), "dragging the line does not paint"
    screen = visible_pixels(canvas_driver)
    assert np.array_equal(screen[180:, :90], before[180:, :90])
    assert np.array_equal(screen[180:, 150:], picture()[180:, 150:])
    canvas_driver.key(Qt.Key.Key_Y)
    canvas_driver.canvas.set_before(None)
    assert np.array_equal(visible_pixels(canvas_driver), picture())


# panning and zooming with a tool


def test_with_the_hand_the_picture_is_dragged_out(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.HAND)
    with canvas_driver.qtbot.waitSignal(canvas_driver.canvas.drag_requested):
        canvas_driver.drag((100, 100), (150, 150))
    canvas_driver.select_tool(ToolKind.BRUSH)
    with canvas_driver.qtbot.assertNotEmitted(canvas_driver.canvas.drag_requested):
        canvas_driver.drag((100, 100), (150, 150))


def test_space_and_the_middle_button_pan_while_a_tool_is_selected(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH)
    canvas_driver.canvas.zoom_to(4.0)
    before = canvas_driver.canvas.viewport.centre
    canvas_driver.qtbot.keyPress(canvas_driver.canvas, Qt.Key.Key_Space)
    start = canvas_driver.canvas.rect().center()
    canvas_driver.qtbot.mousePress(canvas_driver.canvas, LEFT, pos=start)
    canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start + start / 8)
    canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, LEFT, pos=start + start / 8)
    canvas_driver.qtbot.keyRelease(canvas_driver.canvas, Qt.Key.Key_Space)
    assert canvas_driver.canvas.viewport.centre.x() < before.x()
    middle = Qt.MouseButton.MiddleButton
    before = canvas_driver.canvas.viewport.centre
    canvas_driver.qtbot.mousePress(canvas_driver.canvas, middle, pos=start)
    canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start - start / 8)
    canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, middle, pos=start - start / 8)
    assert canvas_driver.canvas.viewport.centre.x() > before.x()
    assert not canvas_driver.mask.any()


def test_panning_scrolls_and_paints_only_what_comes_into_sight(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.canvas.zoom_to(3.0)
    QApplication.processEvents()
    watch = PaintWatch()
    canvas_driver.canvas.installEventFilter(watch)
    middle = Qt.MouseButton.MiddleButton
    start = canvas_driver.canvas.rect().center()
    canvas_driver.qtbot.mousePress(canvas_driver.canvas, middle, pos=start)
    canvas_driver.qtbot.mouseMove(canvas_driver.canvas, start + QPoint(10, 6))
    QApplication.processEvents()
    canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, middle, pos=start + QPoint(10, 6))
    area = sum(rect.width() * rect.height() for region in watch.regions for rect in region)  # type: ignore[attr-defined]
    assert 0 < area < 0.1 * canvas_driver.canvas.width() * canvas_driver.canvas.height()


def test_put_away_the_canvas_is_only_looked_at(canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.invert()
    canvas_driver.select_tool(ToolKind.BRUSH)
    canvas_driver.canvas_editor.detach()
    other = QImage(400, 300, QImage.Format.Format_RGB32)
    other.fill(Qt.GlobalColor.blue)
    canvas_driver.canvas.set_image(other)
    assert (visible_pixels(canvas_driver) == (0, 0, 255)).all(), "no mask over it"
    canvas_driver.document.clear_mask()
    canvas_driver.drag((100, 100), (150, 150))
    assert not canvas_driver.mask.any()
    assert (visible_pixels(canvas_driver) == (0, 0, 255)).all()
    canvas_driver.canvas_editor.attach()
    assert np.array_equal(visible_pixels(canvas_driver), picture())


def test_a_removed_picture_leaves_an_empty_canvas_that_takes_no_stroke(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH)
    canvas_driver.document.remove_picture()
    assert canvas_driver.canvas.image() is None
    canvas_driver.qtbot.mousePress(canvas_driver.canvas, LEFT)
    canvas_driver.qtbot.mouseRelease(canvas_driver.canvas, LEFT)
    canvas_driver.document.undo()
    assert np.array_equal(visible_pixels(canvas_driver), picture())


# the tool bar


def test_the_bar_gives_back_what_it_was_given_and_does_not_emit(canvas_driver: CanvasDriver) -> None:
    bar = PaintBar()
    settings = replace(
        bar.value(),
        tool=ToolKind.COLOUR,
        size=77,
        hardness=0.35,
        opacity=0.6,
        tolerance=3,
        contiguous=False,
        subtract=True,
        overlay=False,
        overlay_style=OverlayStyle("#3d8bff", 0.3),
    )
    with canvas_driver.qtbot.assertNotEmitted(bar.changed):
        bar.set_value(settings)
    assert bar.value() == settings
    bar.set_document_state(editable=True, has_mask=False)
    with canvas_driver.qtbot.waitSignal(bar.changed):
        find_named(bar, QAbstractButton, ToolKind.LASSO.label).click()
    bar.deleteLater()


def test_every_control_of_the_bar_has_a_name_and_tells_its_key(canvas_driver: CanvasDriver) -> None:
    canvas_driver.bar.set_undo_redo("Undo lasso", "")
    for each in canvas_driver.bar.findChildren(QWidget):
        if each.focusPolicy() & Qt.FocusPolicy.TabFocus and not each.objectName().startswith("qt_"):
            assert each.accessibleName(), each
            assert each.toolTip(), each.accessibleName()
    for tool in ToolKind:
        assert f"({tool.key})" in find_named(canvas_driver.bar, QAbstractButton, tool.label).toolTip()
    assert find_named(canvas_driver.bar, QAbstractButton, "Undo").toolTip() == "Undo lasso (Ctrl+Z)"


def test_the_menu_actions_work_on_the_mask(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.RECTANGLE)
    canvas_driver.drag((100, 100), (200, 150))
    actions = {
        action.text().split("\t")[0].replace("&", ""): action
        for action in find_child(canvas_driver.bar, MaskMenu).actions()
    }
    area = int((canvas_driver.mask > 0).sum())
    actions["Grow"].trigger()
    assert (canvas_driver.mask > 0).sum() > area
    actions["Shrink"].trigger()
    actions["Feather"].trigger()
    assert len(np.unique(canvas_driver.mask)) > 10
    actions["Fill holes"].trigger()
    actions["Invert"].trigger()
    assert canvas_driver.mask[0, 0] == 255
    actions["Clear"].trigger()
    assert not canvas_driver.mask.any()
    assert not actions["Grow"].isEnabled()
    with canvas_driver.qtbot.waitSignal(canvas_driver.bar.load_mask_requested):
        actions["Load mask…"].trigger()


def test_without_a_picture_there_is_nothing_to_press(app: QApplication, canvas_driver: CanvasDriver) -> None:
    canvas_driver.document.open(None)
    assert not find_named(canvas_driver.bar, QAbstractButton, ToolKind.BRUSH.label).isEnabled()
    assert Document().edit_source().picture is None


def test_the_bar_fits_into_the_narrowest_window(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH)
    assert canvas_driver.bar.minimumSizeHint().width() <= 480


def test_in_a_narrow_bar_the_size_stays_and_its_word_goes(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH)
    field = find_named(canvas_driver.bar, IntField, "Brush size")
    size = not_none(field.parentWidget())
    wide = size.width()
    canvas_driver.window.resize(canvas_driver.bar.minimumSizeHint().width() + 100, 600)
    QApplication.processEvents()
    assert field.isVisible()
    assert size.width() < wide
    canvas_driver.window.resize(900, 600)
    QApplication.processEvents()
    assert size.width() == wide


def test_changing_a_number_keeps_the_keyboard_in_its_field(canvas_driver: CanvasDriver) -> None:
    canvas_driver.select_tool(ToolKind.BRUSH)
    for name in ("Brush size", "Brush hardness", "Brush opacity"):
        field = find_named(canvas_driver.bar, IntField, name)
        canvas_driver.window.activateWindow()
        field.setFocus()
        before = field.value()
        for _ in range(2):
            canvas_driver.qtbot.keyClick(field, Qt.Key.Key_Down)
        assert field.hasFocus()
        assert field.value() == before - 2 * field.singleStep()
