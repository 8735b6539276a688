"""A canvas with a document, and a driver that sends real mouse events to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QInputDevice, QPointingDevice, QTabletEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.painting.mask_menu import MaskMenu
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from sdxl_desktop.ui.widgets.layout_helpers import column
from tests.ui.widget_lookup import find_child

NO_KEYS = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@dataclass
class CanvasDriver:
    """The `window` contains `bar` and `canvas`; the picture is 400 x 300, shown at 100 %."""

    window: QWidget
    canvas: Canvas
    bar: PaintBar
    canvas_editor: CanvasEditor
    document: Document
    qtbot: QtBot

    def select_tool(self, tool: ToolKind, **settings: Any) -> None:
        self.bar.set_value(replace(self.bar.value(), tool=tool, **settings))

    def widget_point(self, x: float, y: float) -> QPoint:
        """Return the widget's point over the picture's (x, y); exact at 100 %."""
        return self.canvas.viewport.to_widget_point(QPointF(x, y)).toPoint()

    def press(self, x: float, y: float, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.mousePress(self.canvas, LEFT, keys, self.widget_point(x, y))

    def move(self, x: float, y: float) -> None:
        self.qtbot.mouseMove(self.canvas, self.widget_point(x, y))

    def release(self, x: float, y: float, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.mouseRelease(self.canvas, LEFT, keys, self.widget_point(x, y))

    def drag(self, *places: tuple[float, float], keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        """Press at the first place, move through the others, release at the last."""
        self.press(*places[0], keys)
        for place in places[1:]:
            self.move(*place)
        self.release(*places[-1], keys)

    def double_click(self, x: float, y: float) -> None:
        """Send both clicks, and the release that QTest omits."""
        self.qtbot.mouseDClick(self.canvas, LEFT, pos=self.widget_point(x, y))
        self.release(x, y)

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.keyClick(self.canvas, key, keys)

    def pen(self, kind: QEvent.Type, x: float, y: float, pressure: float, *, eraser: bool = False) -> None:
        """Send a tablet event as a driver would."""
        end = QPointingDevice.PointerType.Eraser if eraser else QPointingDevice.PointerType.Pen
        device = QPointingDevice("pen", 1, QInputDevice.DeviceType.Stylus, end, QInputDevice.Capability.Pressure, 1, 3)
        spot = QPointF(self.widget_point(x, y))
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.TabletRelease else LEFT
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.TabletMove else LEFT
        place = QPointF(self.canvas.mapToGlobal(QPoint(0, 0))) + spot
        event = QTabletEvent(kind, device, spot, place, pressure, 0, 0, 0, 0, 0, NO_KEYS, button, held)
        QApplication.sendEvent(self.canvas, event)
        assert event.isAccepted(), "or Qt would send it again as a mouse"

    def wheel(
        self, spot: QPointF, *, turned: int = 0, scrolled: QPoint | None = None, keys: Qt.KeyboardModifier = NO_KEYS
    ) -> None:
        """Turn a wheel by `turned` eighths of a degree, or scroll with a touchpad by `scrolled` logical pixels."""
        place = QPointF(self.canvas.mapToGlobal(QPoint(0, 0))) + spot
        by = scrolled or QPoint()
        angle = QPoint(0, turned) if scrolled is None else by
        phase = Qt.ScrollPhase.NoScrollPhase if scrolled is None else Qt.ScrollPhase.ScrollUpdate
        event = QWheelEvent(spot, place, by, angle, Qt.MouseButton.NoButton, keys, phase, False)
        QApplication.sendEvent(self.canvas, event)

    def trigger_menu_item(self, text: str) -> None:
        """Open the mask menu and click on an entry."""
        menu = find_child(self.bar, MaskMenu)
        menu.popup(self.bar.mapToGlobal(QPoint(0, 0)))
        self.qtbot.waitExposed(menu)
        (entry,) = (one for one in menu.actions() if one.text().split("\t")[0].replace("&", "") == text)
        self.qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(entry).center())
        assert not menu.isVisible()

    @property
    def mask(self) -> UInt8Array:
        assert self.document.mask is not None
        return self.document.mask.copy()

    def screen(self) -> UInt8Array:
        """Return the canvas's displayed pixels, uint8 [H, W, 3]."""
        return pixels_of(self.canvas)


def pixels_of(widget: QWidget) -> UInt8Array:
    return pixels_in(widget.grab().toImage())


def pixels_in(image: QImage) -> UInt8Array:
    """Return uint8 [H, W, 3]."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def picture() -> UInt8Array:
    """Return three flat areas on grey, 400 x 300."""
    made = np.full((300, 400, 3), 128, np.uint8)
    made[40:120, 40:160] = (200, 60, 60)
    made[40:120, 240:360] = (205, 65, 55)
    made[180:260, 100:300] = (20, 40, 160)
    return made


@pytest.fixture
def canvas_driver(app: QApplication, qtbot: QtBot) -> Iterator[CanvasDriver]:
    document, canvas, bar = Document(), Canvas(), PaintBar()
    window = QWidget()
    layout = column(bar, canvas, spacing=0)
    layout.setStretch(1, 1)
    window.setLayout(layout)
    window.resize(900, 600)
    easel = CanvasEditor(canvas, bar, document)
    document.open(picture(), name="areas.png")
    easel.attach()
    window.show()
    qtbot.waitExposed(window)
    canvas.setFocus()
    canvas.show_actual_size()
    made = CanvasDriver(window, canvas, bar, easel, document, qtbot)
    corner = canvas.viewport.picture_rect().topLeft()
    assert corner == QPointF(corner.toPoint()), "the picture lies on whole points, so that events are exact"
    yield made
    window.close()
    shiboken6.delete(window)
