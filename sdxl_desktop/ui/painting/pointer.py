"""What the canvas tells about the pointer, and who may listen: the words between looking and painting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from sdxl_desktop.ui.viewport import Viewport


@dataclass(frozen=True, slots=True)
class Pointer:
    """Mouse or pen: `at` in the picture's pixels, `spot` in the widget's points, `pressure` in [0, 1] (a mouse always
    presses with 1), `down` while the button is held, `eraser` for the pen's other end."""

    picture_position: QPointF
    widget_position: QPointF
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    pressure: float = 1.0
    down: bool = True
    eraser: bool = False

    def has_modifier(self, modifier: Qt.KeyboardModifier) -> bool:
        return bool(self.modifiers & modifier)


@dataclass(frozen=True, slots=True)
class PaintContext:
    """What is being painted: the `look` at the picture, screen pixels a point, and the part that must be painted."""

    viewport: Viewport
    device_pixel_ratio: float
    exposed: QRect


class CanvasLayer(Protocol):
    """Paints something over the picture, in the widget's points."""

    def paint(self, painter: QPainter, context: PaintContext) -> None: ...


class CanvasInputHandler(CanvasLayer, Protocol):
    """Works on what the canvas shows. Without one the canvas is only looked at."""

    def press(self, pointer: Pointer) -> bool:
        """Whether the hand takes this press; then `move` follows until `release`."""
        ...

    def move(self, pointer: Pointer) -> None: ...

    def release(self, pointer: Pointer) -> None: ...

    def cancel(self) -> None:
        """What was begun with the last press is taken back."""
        ...

    def hover(self, pointer: Pointer | None) -> None:
        """The pointer moves without a button held; None when it left."""
        ...

    def handles_key(self, key: QKeyEvent) -> bool:
        """Whether `key` would do something."""
        ...

    def handle_key(self, key: QKeyEvent) -> bool:
        """Do what a key stands for; False when it stands for nothing."""
        ...

    def cursor(self) -> Qt.CursorShape: ...
