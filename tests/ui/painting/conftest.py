"""A canvas with a document on it, and a hand that moves a real mouse over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.easel import Easel
from sdxl_desktop.ui.painting.settings import ToolKind
from sdxl_desktop.ui.painting.toolbar import PaintBar
from sdxl_desktop.ui.widgets.layout import column

NO_KEYS = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@dataclass
class Atelier:
    """What stands in the room: `window` holds `bar` and `canvas`; the picture is 400 x 300, shown at 100 %."""

    window: QWidget
    canvas: Canvas
    bar: PaintBar
    easel: Easel
    document: Document
    qtbot: QtBot

    def take(self, tool: ToolKind, **settings: Any) -> None:
        self.bar.set_value(replace(self.bar.value(), tool=tool, **settings))

    def spot(self, x: float, y: float) -> QPoint:
        """The widget's point over the picture's (x, y); exact at 100 %."""
        return self.canvas.look.point(QPointF(x, y)).toPoint()

    def press(self, x: float, y: float, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.mousePress(self.canvas, LEFT, keys, self.spot(x, y))

    def move(self, x: float, y: float) -> None:
        self.qtbot.mouseMove(self.canvas, self.spot(x, y))

    def release(self, x: float, y: float, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.mouseRelease(self.canvas, LEFT, keys, self.spot(x, y))

    def drag(self, *places: tuple[float, float], keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        """Press at the first place, go through the others, let go at the last."""
        self.press(*places[0], keys)
        for place in places[1:]:
            self.move(*place)
        self.release(*places[-1], keys)

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
        self.qtbot.keyClick(self.canvas, key, keys)

    @property
    def mask(self) -> Bytes:
        assert self.document.mask is not None
        return self.document.mask.copy()

    def screen(self) -> Bytes:
        """What the canvas shows, uint8 [H, W, 3]."""
        return pixels_of(self.canvas)


def pixels_of(widget: QWidget) -> Bytes:
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def picture() -> Bytes:
    """Three flat areas on grey, 400 x 300."""
    made = np.full((300, 400, 3), 128, np.uint8)
    made[40:120, 40:160] = (200, 60, 60)
    made[40:120, 240:360] = (205, 65, 55)
    made[180:260, 100:300] = (20, 40, 160)
    return made


@pytest.fixture
def atelier(app: QApplication, qtbot: QtBot) -> Iterator[Atelier]:
    document, canvas, bar = Document(), Canvas(), PaintBar()
    window = QWidget()
    layout = column(bar, canvas, spacing=0)
    layout.setStretch(1, 1)
    window.setLayout(layout)
    window.resize(900, 600)
    easel = Easel(canvas, bar, document)
    document.open(picture(), name="areas.png")
    easel.edit()
    window.show()
    qtbot.waitExposed(window)
    canvas.setFocus()
    canvas.show_actual_size()
    made = Atelier(window, canvas, bar, easel, document, qtbot)
    corner = canvas.look.target().topLeft()
    assert corner == QPointF(corner.toPoint()), "the picture lies on whole points, so that events are exact"
    yield made
    window.close()
    shiboken6.delete(window)
