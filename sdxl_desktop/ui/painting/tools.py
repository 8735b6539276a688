"""The tools: each gesture, from press to release, is a generator to which the pointer positions are sent.

A generator that is closed before its end undoes what it began.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt

from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.painting.pointer import Pointer
from sdxl_desktop.ui.painting.tool_settings import ToolKind, ToolSettings

Gesture = Generator[None, Pointer, None]
"""Receives each move and finally the release, whose pointer is no longer `down`; then it ends."""

_ALT, _SHIFT = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
_LASSO_STEP = 0.75
"""Minimum distance between two corners of a lasso, in picture pixels."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The document, the settings at the press, a callback to show an outline (None hides it), and one to set the brush
    size."""

    document: Document
    settings: ToolSettings
    show_outline: Callable[[mask_shapes.Outline | None], None]
    set_size: Callable[[int], None]


def begin_gesture(context: ToolContext, press: Pointer) -> Gesture | None:
    """Start the active tool's gesture for a press; return None if the tool does not change the mask."""
    if context.settings.tool.paints or (press.eraser and context.settings.tool.masks):
        return resize_brush(context, press) if press.has_modifier(_SHIFT) else paint_stroke(context, press)
    match context.settings.tool:
        case ToolKind.RECTANGLE:
            return drag_box(context, press, mask_shapes.rectangle, "rectangle")
        case ToolKind.ELLIPSE:
            return drag_box(context, press, mask_shapes.ellipse, "ellipse")
        case ToolKind.LASSO:
            return lasso(context, press)
        case ToolKind.COLOUR:
            return select_by_colour(context, press)
    return None


def erases(settings: ToolSettings, pointer: Pointer) -> bool:
    """Return whether a stroke erases: with the eraser or the pen's eraser end; Alt inverts this."""
    return (settings.tool is ToolKind.ERASER or pointer.eraser) != pointer.has_modifier(_ALT)


def paint_stroke(context: ToolContext, press: Pointer) -> Gesture:
    """Paint a stroke of the brush or eraser."""
    stroke = context.document.begin_stroke(context.settings.brush(erase=erases(context.settings, press)))
    try:
        last = press
        stroke.move_to(press.picture_position.x(), press.picture_position.y(), press.pressure)
        while (pointer := (yield)).down:
            last = pointer
            stroke.move_to(pointer.picture_position.x(), pointer.picture_position.y(), pointer.pressure)
        if (
            pointer.picture_position != last.picture_position
        ):  # a lifted pen has no pressure, but the line extends to there
            stroke.move_to(pointer.picture_position.x(), pointer.picture_position.y(), last.pressure)
    except GeneratorExit:
        stroke.cancel()
        raise
    stroke.end()


def resize_brush(context: ToolContext, press: Pointer) -> Gesture:
    """Resize the brush: its edge follows the pointer horizontally."""
    before = context.settings.size
    try:
        while (pointer := (yield)).down:
            context.set_size(round(before + 2 * (pointer.picture_position.x() - press.picture_position.x())))
    except GeneratorExit:
        context.set_size(before)
        raise


def drag_box(
    context: ToolContext, press: Pointer, shape: Callable[[float, float, float, float], mask_shapes.Outline], name: str
) -> Gesture:
    """Drag a rectangle or ellipse from press to release, on whole pixels; Shift makes its sides equal."""
    combine = context.settings.combine(flipped=press.has_modifier(_ALT))
    x0, y0 = round(press.picture_position.x()), round(press.picture_position.y())
    try:
        while True:
            pointer = yield
            x1, y1 = _far_corner(x0, y0, pointer)
            outline = shape(x0, y0, x1, y1)
            if not pointer.down:
                break
            context.show_outline(outline)
    finally:
        context.show_outline(None)
    if x0 != x1 and y0 != y1:
        context.document.fill_shape(outline, combine, name)


def _far_corner(x0: int, y0: int, pointer: Pointer) -> tuple[int, int]:
    x1, y1 = round(pointer.picture_position.x()), round(pointer.picture_position.y())
    if pointer.has_modifier(_SHIFT):
        side = max(abs(x1 - x0), abs(y1 - y0))
        x1, y1 = x0 + int(math.copysign(side, x1 - x0)), y0 + int(math.copysign(side, y1 - y0))
    return x1, y1


def lasso(context: ToolContext, press: Pointer) -> Gesture:
    """Draw a freehand line around an area."""
    combine = context.settings.combine(flipped=press.has_modifier(_ALT))
    points = [press.picture_position]
    try:
        while True:
            pointer = yield
            if _distance(points[-1], pointer.picture_position) >= _LASSO_STEP:
                points.append(pointer.picture_position)
            outline = mask_shapes.polygon((point.x(), point.y()) for point in points)
            if not pointer.down:
                break
            context.show_outline(outline)
    finally:
        context.show_outline(None)
    context.document.fill_shape(outline, combine, "lasso")


def _distance(one: QPointF, other: QPointF) -> float:
    return math.hypot(one.x() - other.x(), one.y() - other.y())


def select_by_colour(context: ToolContext, press: Pointer) -> Gesture:
    """Select pixels similar to the one that was pressed."""
    settings = context.settings
    context.document.select_by_colour(
        press.picture_position.x(),
        press.picture_position.y(),
        settings.tolerance,
        contiguous=settings.contiguous,
        combine=settings.combine(flipped=press.has_modifier(_ALT)),
    )
    while (yield).down:
        pass
