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
from tests.typed import present
from tests.ui.painting.conftest import LEFT, CanvasDriver, picture
from tests.ui.typed import child, named


def origin(atelier: CanvasDriver) -> tuple[int, int]:
    corner = atelier.canvas.viewport.picture_rect().topLeft().toPoint()
    return corner.x(), corner.y()


def visible_pixels(atelier: CanvasDriver) -> UInt8Array:
    """Return the picture's part of the screen, uint8 [300, 400, 3]."""
    x, y = origin(atelier)
    return atelier.screen()[y : y + 300, x : x + 400]


def test_at_full_size_the_screen_shows_the_picture_exactly(atelier: CanvasDriver) -> None:
    assert np.array_equal(visible_pixels(atelier), picture())


def test_the_overlay_dyes_the_mask_and_has_a_white_and_a_black_edge(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.RECTANGLE, overlay_style=OverlayStyle("#00ff00", 0.5))
    atelier.drag((100, 100), (200, 150))
    screen = visible_pixels(atelier)
    inside = (picture()[102:148, 102:198] + np.array([0.0, 255.0, 0.0])) / 2
    assert np.abs(screen[102:148, 102:198] - inside).max() <= 2
    assert (screen[100, 100:200] == 255).all()
    assert (screen[100:150, 199] == 255).all()
    assert (screen[99, 100:200] < 64).all()
    assert (screen[100:150, 200] < 64).all()
    rest = np.ones((300, 400), bool)
    rest[99:151, 99:201] = False
    assert np.array_equal(screen[rest], picture()[rest])


def test_m_hides_the_overlay(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    assert not np.array_equal(visible_pixels(atelier), picture())
    atelier.key(Qt.Key.Key_M)
    assert np.array_equal(visible_pixels(atelier), picture())
    atelier.key(Qt.Key.Key_M)
    assert not np.array_equal(visible_pixels(atelier), picture())


class PaintWatch(QObject):
    """Records the regions that a widget is asked to paint."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[QRegion] = []

    def eventFilter(self, _: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.regions.append(event.region())
        return False


def test_a_brush_event_paints_no_more_than_its_box(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH, size=40)
    atelier.press(100, 100)
    QApplication.processEvents()
    watch = PaintWatch()
    atelier.canvas.installEventFilter(watch)
    atelier.move(110, 100)
    QApplication.processEvents()
    assert watch.regions
    for region in watch.regions:
        assert region.boundingRect().width() < 80
        assert region.boundingRect().height() < 80
    atelier.release(110, 100)


def test_levels_that_were_updated_in_part_equal_those_made_anew() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (203, 301), dtype=np.uint8)
    old = ImagePyramid.from_pixels(pixels)
    old.level(4)
    for x, y, width, height in ((0, 0, 5, 5), (101, 57, 40, 33), (290, 190, 11, 13)):
        pixels[y : y + height, x : x + width] = 255
        old.update(QRect(x, y, width, height))
    new = ImagePyramid.from_pixels(pixels)
    for number in range(5):
        assert old.level(number) == new.level(number), number


def test_a_picture_shown_small_is_averaged_and_does_not_glitter() -> None:
    checks = np.zeros((512, 512, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    level = ImagePyramid.from_pixels(checks).level(2)
    assert abs(level.pixelColor(60, 60).red() - 127) <= 2


def test_a_result_replaces_what_is_seen_and_undo_brings_it_back(atelier: CanvasDriver) -> None:
    result = 255 - picture()
    atelier.document.apply_result(result)
    assert np.array_equal(visible_pixels(atelier), result)
    atelier.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(visible_pixels(atelier), picture())


def test_the_ring_is_visible_on_black_and_on_white(atelier: CanvasDriver) -> None:
    half = np.zeros((300, 400, 3), np.uint8)
    half[:, 200:] = 255
    atelier.document.open(half)
    atelier.canvas.show_actual_size()
    atelier.select_tool(ToolKind.BRUSH, size=100)
    atelier.move(200, 150)
    change = np.abs(visible_pixels(atelier).astype(int) - half).max(axis=2)
    for at in ((150, 151), (150, 249), (101, 190), (199, 210)):
        near = change[at[0] - 3 : at[0] + 4, at[1] - 3 : at[1] + 4]
        assert near.max() > 120, at
    assert atelier.canvas.cursor().shape() == Qt.CursorShape.BlankCursor


# before and after


def test_a_held_key_shows_the_picture_before(atelier: CanvasDriver) -> None:
    before = 255 - picture()
    atelier.canvas.set_before(QImage(before.data, 400, 300, 1200, QImage.Format.Format_RGB888).copy())
    atelier.document.invert()
    atelier.qtbot.keyPress(atelier.canvas, Qt.Key.Key_Backslash)
    assert np.array_equal(visible_pixels(atelier)[60:], before[60:]), "without the mask; a tag says so above"
    atelier.qtbot.keyRelease(atelier.canvas, Qt.Key.Key_Backslash)
    atelier.key(Qt.Key.Key_M)
    assert np.array_equal(visible_pixels(atelier), picture())


def test_the_line_between_before_and_after_is_dragged(atelier: CanvasDriver) -> None:
    before = 255 - picture()
    atelier.canvas.set_before(QImage(before.data, 400, 300, 1200, QImage.Format.Format_RGB888).copy())
    atelier.select_tool(ToolKind.BRUSH)
    atelier.key(Qt.Key.Key_Y)
    assert atelier.canvas.is_split
    atelier.drag((200, 250), (150, 250), (100, 250))
    assert not atelier.mask.any(), "dragging the line does not paint"
    screen = visible_pixels(atelier)
    assert np.array_equal(screen[180:, :90], before[180:, :90])
    assert np.array_equal(screen[180:, 150:], picture()[180:, 150:])
    atelier.key(Qt.Key.Key_Y)
    atelier.canvas.set_before(None)
    assert np.array_equal(visible_pixels(atelier), picture())


# panning and zooming with a tool


def test_with_the_hand_the_picture_is_dragged_out(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.HAND)
    with atelier.qtbot.waitSignal(atelier.canvas.drag_requested):
        atelier.drag((100, 100), (150, 150))
    atelier.select_tool(ToolKind.BRUSH)
    with atelier.qtbot.assertNotEmitted(atelier.canvas.drag_requested):
        atelier.drag((100, 100), (150, 150))


def test_space_and_the_middle_button_pan_while_a_tool_is_in_hand(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH)
    atelier.canvas.zoom_to(4.0)
    before = atelier.canvas.viewport.centre
    atelier.qtbot.keyPress(atelier.canvas, Qt.Key.Key_Space)
    start = atelier.canvas.rect().center()
    atelier.qtbot.mousePress(atelier.canvas, LEFT, pos=start)
    atelier.qtbot.mouseMove(atelier.canvas, start + start / 8)
    atelier.qtbot.mouseRelease(atelier.canvas, LEFT, pos=start + start / 8)
    atelier.qtbot.keyRelease(atelier.canvas, Qt.Key.Key_Space)
    assert atelier.canvas.viewport.centre.x() < before.x()
    middle = Qt.MouseButton.MiddleButton
    before = atelier.canvas.viewport.centre
    atelier.qtbot.mousePress(atelier.canvas, middle, pos=start)
    atelier.qtbot.mouseMove(atelier.canvas, start - start / 8)
    atelier.qtbot.mouseRelease(atelier.canvas, middle, pos=start - start / 8)
    assert atelier.canvas.viewport.centre.x() > before.x()
    assert not atelier.mask.any()


def test_panning_scrolls_and_paints_only_what_comes_into_sight(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    atelier.canvas.zoom_to(3.0)
    QApplication.processEvents()
    watch = PaintWatch()
    atelier.canvas.installEventFilter(watch)
    middle = Qt.MouseButton.MiddleButton
    start = atelier.canvas.rect().center()
    atelier.qtbot.mousePress(atelier.canvas, middle, pos=start)
    atelier.qtbot.mouseMove(atelier.canvas, start + QPoint(10, 6))
    QApplication.processEvents()
    atelier.qtbot.mouseRelease(atelier.canvas, middle, pos=start + QPoint(10, 6))
    area = sum(rect.width() * rect.height() for region in watch.regions for rect in region)  # type: ignore[attr-defined]
    assert 0 < area < 0.1 * atelier.canvas.width() * atelier.canvas.height()


def test_put_away_the_canvas_is_only_looked_at(atelier: CanvasDriver) -> None:
    atelier.document.invert()
    atelier.select_tool(ToolKind.BRUSH)
    atelier.canvas_editor.detach()
    other = QImage(400, 300, QImage.Format.Format_RGB32)
    other.fill(Qt.GlobalColor.blue)
    atelier.canvas.set_image(other)
    assert (visible_pixels(atelier) == (0, 0, 255)).all(), "no mask over it"
    atelier.document.clear_mask()
    atelier.drag((100, 100), (150, 150))
    assert not atelier.mask.any()
    assert (visible_pixels(atelier) == (0, 0, 255)).all()
    atelier.canvas_editor.attach()
    assert np.array_equal(visible_pixels(atelier), picture())


def test_a_removed_picture_leaves_an_empty_canvas_that_takes_no_stroke(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH)
    atelier.document.remove_picture()
    assert atelier.canvas.image() is None
    atelier.qtbot.mousePress(atelier.canvas, LEFT)
    atelier.qtbot.mouseRelease(atelier.canvas, LEFT)
    atelier.document.undo()
    assert np.array_equal(visible_pixels(atelier), picture())


# the tool bar


def test_the_bar_gives_back_what_it_was_given_and_does_not_emit(atelier: CanvasDriver) -> None:
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
    with atelier.qtbot.assertNotEmitted(bar.changed):
        bar.set_value(settings)
    assert bar.value() == settings
    bar.set_document_state(editable=True, has_mask=False)
    with atelier.qtbot.waitSignal(bar.changed):
        named(bar, QAbstractButton, ToolKind.LASSO.label).click()
    bar.deleteLater()


def test_every_control_of_the_bar_has_a_name_and_tells_its_key(atelier: CanvasDriver) -> None:
    atelier.bar.set_undo_redo("Undo lasso", "")
    for each in atelier.bar.findChildren(QWidget):
        if each.focusPolicy() & Qt.FocusPolicy.TabFocus and not each.objectName().startswith("qt_"):
            assert each.accessibleName(), each
            assert each.toolTip(), each.accessibleName()
    for tool in ToolKind:
        assert f"({tool.key})" in named(atelier.bar, QAbstractButton, tool.label).toolTip()
    assert named(atelier.bar, QAbstractButton, "Undo").toolTip() == "Undo lasso (Ctrl+Z)"


def test_the_menus_verbs_work_on_the_mask(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.RECTANGLE)
    atelier.drag((100, 100), (200, 150))
    actions = {
        action.text().split("\t")[0].replace("&", ""): action for action in child(atelier.bar, MaskMenu).actions()
    }
    area = int((atelier.mask > 0).sum())
    actions["Grow"].trigger()
    assert (atelier.mask > 0).sum() > area
    actions["Shrink"].trigger()
    actions["Feather"].trigger()
    assert len(np.unique(atelier.mask)) > 10
    actions["Fill holes"].trigger()
    actions["Invert"].trigger()
    assert atelier.mask[0, 0] == 255
    actions["Clear"].trigger()
    assert not atelier.mask.any()
    assert not actions["Grow"].isEnabled()
    with atelier.qtbot.waitSignal(atelier.bar.load_mask_requested):
        actions["Load mask…"].trigger()


def test_without_a_picture_there_is_nothing_to_press(app: QApplication, atelier: CanvasDriver) -> None:
    atelier.document.open(None)
    assert not named(atelier.bar, QAbstractButton, ToolKind.BRUSH.label).isEnabled()
    assert Document().edit_source().picture is None


def test_the_bar_fits_into_the_narrowest_window(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH)
    assert atelier.bar.minimumSizeHint().width() <= 480


def test_in_a_narrow_bar_the_size_stays_and_its_word_goes(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH)
    field = named(atelier.bar, IntField, "Brush size")
    size = present(field.parentWidget())
    wide = size.width()
    atelier.window.resize(atelier.bar.minimumSizeHint().width() + 100, 600)
    QApplication.processEvents()
    assert field.isVisible()
    assert size.width() < wide
    atelier.window.resize(900, 600)
    QApplication.processEvents()
    assert size.width() == wide


def test_changing_a_number_keeps_the_keyboard_in_its_field(atelier: CanvasDriver) -> None:
    atelier.select_tool(ToolKind.BRUSH)
    for name in ("Brush size", "Brush hardness", "Brush opacity"):
        field = named(atelier.bar, IntField, name)
        atelier.window.activateWindow()
        field.setFocus()
        before = field.value()
        for _ in range(2):
            atelier.qtbot.keyClick(field, Qt.Key.Key_Down)
        assert field.hasFocus()
        assert field.value() == before - 2 * field.singleStep()
