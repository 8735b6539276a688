"""The tools: each gesture, from press to release, is one generator that is sent where the pointer goes.

A generator that is closed before its end takes back what it began.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt

from sdxl_desktop.session.document import shapes
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.painting.pointer import Pointer
from sdxl_desktop.ui.painting.settings import ToolKind, ToolSettings

Gesture = Generator[None, Pointer, None]
"""Is sent each move and at last the release, whose pointer is not `down` any more; then it ends."""

_ALT, _SHIFT = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
_LASSO_STEP = 0.75
"""Pixels between two corners of a lasso at least."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a tool works with: the document, its settings at the press, a way to show an outline (None: no more) and a
    way to change the brush's size."""

    document: Document
    settings: ToolSettings
    show_outline: Callable[[shapes.Outline | None], None]
    set_size: Callable[[int], None]


def gesture(bench: Bench, first: Pointer) -> Gesture | None:
    """What a press with the tool in hand begins; None with one that leaves the mask alone."""
    if bench.settings.tool.paints or (first.eraser and bench.settings.tool.masks):
        return resize_brush(bench, first) if first.holds(_SHIFT) else paint(bench, first)
    match bench.settings.tool:
        case ToolKind.RECTANGLE:
            return drag_box(bench, first, shapes.rectangle, "rectangle")
        case ToolKind.ELLIPSE:
            return drag_box(bench, first, shapes.ellipse, "ellipse")
        case ToolKind.LASSO:
            return lasso(bench, first)
        case ToolKind.COLOUR:
            return select_by_colour(bench, first)
    return None


def erases(settings: ToolSettings, pointer: Pointer) -> bool:
    """Whether a stroke takes away: with the eraser or the pen's other end; Alt turns that round."""
    return (settings.tool is ToolKind.ERASER or pointer.eraser) != pointer.holds(_ALT)


def paint(bench: Bench, first: Pointer) -> Gesture:
    """A stroke of the brush or eraser."""
    stroke = bench.document.begin_stroke(bench.settings.brush(erase=erases(bench.settings, first)))
    try:
        last = first
        stroke.move_to(first.at.x(), first.at.y(), first.pressure)
        while (pointer := (yield)).down:
            last = pointer
            stroke.move_to(pointer.at.x(), pointer.at.y(), pointer.pressure)
        if pointer.at != last.at:  # a pen that is lifted presses no more, but the line goes on to there
            stroke.move_to(pointer.at.x(), pointer.at.y(), last.pressure)
    except GeneratorExit:
        stroke.cancel()
        raise
    stroke.end()


def resize_brush(bench: Bench, first: Pointer) -> Gesture:
    """The ring's edge follows the pointer sideways."""
    before = bench.settings.size
    try:
        while (pointer := (yield)).down:
            bench.set_size(round(before + 2 * (pointer.at.x() - first.at.x())))
    except GeneratorExit:
        bench.set_size(before)
        raise


def drag_box(
    bench: Bench, first: Pointer, shape: Callable[[float, float, float, float], shapes.Outline], name: str
) -> Gesture:
    """A rectangle or ellipse between the press and the release, on whole pixels; Shift makes its sides equal."""
    combine = bench.settings.combine(flipped=first.holds(_ALT))
    x0, y0 = round(first.at.x()), round(first.at.y())
    try:
        while True:
            pointer = yield
            x1, y1 = _far_corner(x0, y0, pointer)
            outline = shape(x0, y0, x1, y1)
            if not pointer.down:
                break
            bench.show_outline(outline)
    finally:
        bench.show_outline(None)
    if x0 != x1 and y0 != y1:
        bench.document.fill_shape(outline, combine, name)


def _far_corner(x0: int, y0: int, pointer: Pointer) -> tuple[int, int]:
    x1, y1 = round(pointer.at.x()), round(pointer.at.y())
    if pointer.holds(_SHIFT):
        side = max(abs(x1 - x0), abs(y1 - y0))
        x1, y1 = x0 + int(math.copysign(side, x1 - x0)), y0 + int(math.copysign(side, y1 - y0))
    return x1, y1


def lasso(bench: Bench, first: Pointer) -> Gesture:
    """A line drawn by hand around an area."""
    combine = bench.settings.combine(flipped=first.holds(_ALT))
    points = [first.at]
    try:
        while True:
            pointer = yield
            if _apart(points[-1], pointer.at) >= _LASSO_STEP:
                points.append(pointer.at)
            outline = shapes.polygon((point.x(), point.y()) for point in points)
            if not pointer.down:
                break
            bench.show_outline(outline)
    finally:
        bench.show_outline(None)
    bench.document.fill_shape(outline, combine, "lasso")


def _apart(one: QPointF, other: QPointF) -> float:
    return math.hypot(one.x() - other.x(), one.y() - other.y())


def select_by_colour(bench: Bench, first: Pointer) -> Gesture:
    """What looks like the pixel that was pressed on."""
    settings = bench.settings
    bench.document.select_by_colour(
        first.at.x(),
        first.at.y(),
        settings.tolerance,
        contiguous=settings.contiguous,
        combine=settings.combine(flipped=first.holds(_ALT)),
    )
    while (yield).down:
        pass
