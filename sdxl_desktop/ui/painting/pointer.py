"""The canvas's pointer events and the protocols for layers and input handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from sdxl_desktop.ui.viewport import Viewport


@dataclass(frozen=True, slots=True)
class Pointer:
    """Mouse or pen: `picture_position` in picture pixels, `widget_position` in logical pixels, `pressure` in [0, 1] (1
    with a mouse), `down` while the button is held, `eraser` for the pen's eraser end."""

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
    """The viewport, the screen pixels per logical pixel, and the rectangle that must be painted."""

    viewport: Viewport
    device_pixel_ratio: float
    exposed: QRect


class CanvasLayer(Protocol):
    """Paints something over the picture, in widget coordinates."""

    def paint(self, painter: QPainter, context: PaintContext) -> None: ...


class CanvasInputHandler(CanvasLayer, Protocol):
    """Edits what the canvas shows. Without one the canvas is view-only."""

    def press(self, pointer: Pointer) -> bool:
        """Return whether the press is accepted; if so, `move` is called until `release`."""
        ...

    def move(self, pointer: Pointer) -> None: ...

    def release(self, pointer: Pointer) -> None: ...

    def cancel(self) -> None:
        """Undo what the last press began."""
        ...

    def hover(self, pointer: Pointer | None) -> None:
        """The pointer moves without a button held; None when it left."""
        ...

    def handles_key(self, key: QKeyEvent) -> bool:
        """Return whether `key` has an effect."""
        ...

    def handle_key(self, key: QKeyEvent) -> bool:
        """Run the action of `key`; return False if there is none."""
        ...

    def cursor(self) -> Qt.CursorShape: ...
