"""Shows a document on the canvas and lets the active tool edit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.session.document.brush import MAX_SIZE
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.frame import Frame, FramePolicy
from sdxl_desktop.session.document.layers import DocumentChange
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.frame_tool import FrameTool
from sdxl_desktop.ui.painting.frame_tracker import FrameTracker
from sdxl_desktop.ui.painting.mask_layer import EDGE_MARGIN, MaskLayer
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.painting.pointer import PaintContext, Pointer
from sdxl_desktop.ui.painting.shortcuts import PaintShortcut, shortcut_for
from sdxl_desktop.ui.painting.tool_overlays import ToolOverlays
from sdxl_desktop.ui.painting.tool_settings import ToolKind, ToolSettings
from sdxl_desktop.ui.painting.tools import Gesture, ToolContext, begin_gesture

_BRUSH_SIZE_FACTOR = 1.15
_HARDNESS_STEP = 0.1


class CanvasEditor(QObject):
    """The canvas's input handler. `attach` shows the document; `detach` leaves the canvas to other content.

    `document_changed` after every change of pixels (strokes in progress included), `stroke_ended` after every gesture,
    `failed` with an error to show.
    """

    document_changed = Signal()
    stroke_ended = Signal()
    failed = Signal(object)
    frame_changed = Signal(object)
    """Frame, or None if there is none: the region that a run would draw now."""

    def __init__(self, canvas: Canvas, bar: PaintBar, document: Document) -> None:
        super().__init__(canvas)
        self._canvas, self._bar, self._document = canvas, bar, document
        self._mask = MaskLayer()
        canvas.add_layer(self._mask)
        self._frame_tracker = FrameTracker(canvas, document)
        self._frame_tool = FrameTool(canvas, document)
        self._overlays = ToolOverlays(canvas, bar.value())
        self._gesture: Gesture | None = None
        self._attached = self._frame_tool_active = False
        self._connect()
        self._apply_settings(bar.value())
        self._handle_document_change(DocumentChange(None, picture=True, mask=True))

    def _connect(self) -> None:
        bar, document = self._bar, self._document
        self._frame_tracker.frame_changed.connect(self.frame_changed)
        self._canvas.destroyed.connect(document.subscribe(self._handle_document_change))  # the document may outlive it
        bar.settings_applied.connect(lambda: self._apply_settings(bar.value()))
        bar.undo_requested.connect(partial(self._run_shortcut, PaintShortcut.UNDO))
        bar.redo_requested.connect(partial(self._run_shortcut, PaintShortcut.REDO))
        bar.invert_requested.connect(partial(self._run_shortcut, PaintShortcut.INVERT_MASK))
        bar.clear_requested.connect(partial(self._run_shortcut, PaintShortcut.CLEAR_MASK))
        bar.grow_requested.connect(lambda pixels: self._run_reporting_errors(partial(document.grow, pixels)))
        bar.shrink_requested.connect(lambda pixels: self._run_reporting_errors(partial(document.shrink, pixels)))
        bar.feather_requested.connect(lambda pixels: self._run_reporting_errors(partial(document.feather, pixels)))
        bar.fill_holes_requested.connect(lambda: self._run_reporting_errors(document.fill_holes))

    @property
    def document(self) -> Document:
        return self._document

    @property
    def is_attached(self) -> bool:
        """Return whether the document is on the canvas."""
        return self._attached

    @property
    def frame(self) -> Frame | None:
        """Return the part of the picture that a run would draw, with its drawing size."""
        return self._frame_tracker.frame

    def set_frame_policy(self, policy: FramePolicy | None) -> None:
        """Set the policy that determines the frame; None: a run would not draw on this picture."""
        self._frame_tracker.set_policy(policy)

    def attach(self) -> None:
        """Put the document on the canvas; nothing is visible while it has no picture."""
        if not self._attached:
            self._attached = True
            self._show_document()
            self._canvas.set_input_handler(self)
            self._update_tool()
            self._update_bar()

    def detach(self) -> None:
        """Leave the canvas: its next content is view-only. The mask is hidden."""
        if self._attached:
            self._canvas.set_input_handler(None)
            self._attached = False
            self._mask.set_mask(None)
            self._update_tool()
            self._update_bar()

    # document changes

    def _handle_document_change(self, change: DocumentChange) -> None:
        if change.rect is None:
            self._frame_tool.reset()
        self._frame_tracker.handle_change(change)
        if self._attached:
            if change.rect is None:
                self._canvas.cancel_gesture()
                self._show_document()
            else:
                self._repaint(change, change.rect)
        self._update_bar()
        self.document_changed.emit()

    def _show_document(self) -> None:
        picture = self._document.picture
        if picture is None:
            self._canvas.set_image(None)
        else:
            self._canvas.set_pixels(picture)
        self._mask.set_mask(self._document.mask)
        self._canvas.update_cursor()

    def _repaint(self, change: DocumentChange, rect: Rect) -> None:
        box = QRect(rect.x, rect.y, rect.width, rect.height)
        if change.mask:
            self._mask.update(box)
            if not change.picture and self._mask.visible:
                self._canvas.repaint_pixels(box, EDGE_MARGIN)
        if change.picture:
            self._canvas.pixels_changed(box)

    def _update_bar(self) -> None:
        document = self._document
        if not document.in_stroke:
            has_mask = document.has_mask
            self._bar.set_document_state(editable=self._attached and document.has_picture, has_mask=has_mask)
            self._bar.set_undo_redo(document.undo_text, document.redo_text)

    # settings

    def _apply_settings(self, settings: ToolSettings) -> None:
        """Apply changed settings of the tool bar."""
        if settings.overlay_style != self._mask.style or settings.overlay != self._mask.visible:
            self._mask.set_style(settings.overlay_style)
            self._mask.visible = settings.overlay
            self._canvas.update()
        self._overlays.apply_settings(settings)
        self._update_tool()
        if self._attached and self._gesture is None:
            self._canvas.update_cursor()

    def _update_tool(self) -> None:
        """Update the parts of the canvas that depend on the active tool."""
        settings = self._bar.value()
        self._overlays.set_enabled(self._attached)
        self._frame_tracker.set_frame_visible(self._attached and settings.overlay and settings.tool.masks)
        framed, self._frame_tool_active = self._frame_tool_active, self._attached and settings.tool is ToolKind.FRAME
        if framed != self._frame_tool_active:
            self._frame_tool.reset()
            self._canvas.set_wide_margin(self._frame_tool_active)
            self._canvas.update(self._frame_tool.painted_region())

    def _set_settings(self, settings: ToolSettings) -> None:
        self._bar.set_value(settings)
        self._bar.changed.emit()  # the user changed it, with a key

    def _set_size(self, size: int) -> None:
        self._set_settings(replace(self._bar.value(), size=int(min(MAX_SIZE, max(1, size)))))

    # the canvas's input handler

    def press(self, pointer: Pointer) -> bool:
        settings = self._bar.value()
        if self._frame_tool_active:
            begun = self._frame_tool.begin_drag(pointer)
        else:
            begun = begin_gesture(
                ToolContext(self._document, settings, self._overlays.set_outline, self._set_size), pointer
            )
        if begun is None:
            return False
        self._gesture = begun
        sizing = settings.tool.paints and pointer.has_modifier(Qt.KeyboardModifier.ShiftModifier)
        self._overlays.set_pointer(pointer)
        self._overlays.pin_cursor(pointer.picture_position if sizing else None)
        return self._advance_gesture(None)

    def move(self, pointer: Pointer) -> None:
        self._overlays.set_pointer(pointer)
        self._advance_gesture(pointer)

    def release(self, pointer: Pointer) -> None:
        self._advance_gesture(pointer)
        self._gesture = None
        self._overlays.pin_cursor(None)
        self._overlays.set_pointer(pointer)
        self._frame_tracker.refresh()
        self._update_bar()
        self.stroke_ended.emit()

    def cancel(self) -> None:
        if self._gesture is not None:
            self._gesture.close()
        self._gesture = None
        self._overlays.pin_cursor(None)
        self._update_bar()

    def _advance_gesture(self, pointer: Pointer | None) -> bool:
        """Send `pointer` to the gesture; return whether it continues."""
        if self._gesture is None:
            return False
        try:
            if pointer is None:
                next(self._gesture)
            else:
                self._gesture.send(pointer)
        except StopIteration:
            self._gesture = None
        except SdxlDesktopError as problem:
            self._gesture = None
            self.failed.emit(problem)
        return self._gesture is not None

    def hover(self, pointer: Pointer | None) -> None:
        self._overlays.set_pointer(pointer)
        if pointer is None:
            self._frame_tracker.repaint_label()
        elif self._frame_tool_active:
            self._canvas.update_cursor()

    def cursor(self) -> Qt.CursorShape:
        tool = self._bar.value().tool
        if tool is ToolKind.FRAME:
            pointer = self._overlays.pointer
            return self._frame_tool.cursor(None if pointer is None else pointer.widget_position)
        if tool is ToolKind.HAND:
            return Qt.CursorShape.ArrowCursor
        return Qt.CursorShape.BlankCursor if tool.paints else Qt.CursorShape.CrossCursor

    # keys

    def handles_key(self, key: QKeyEvent) -> bool:
        return shortcut_for(key) is not None or (self._frame_tool_active and self._frame_tool.handles_key(key))

    def handle_key(self, key: QKeyEvent) -> bool:
        if self._frame_tool_active and self._gesture is None and self._frame_tool.handles_key(key):
            self._run_reporting_errors(partial(self._frame_tool.handle_key, key))
            return True
        found = shortcut_for(key)
        if found is None or self._gesture is not None:
            return found is not None
        settings = self._bar.value()
        match found:
            case PaintShortcut():
                self._run_shortcut(found)
            case ToolKind():
                self._set_settings(replace(settings, tool=found))
            case float():
                self._set_settings(replace(settings, opacity=found))
        return True

    def _run_shortcut(self, shortcut: PaintShortcut) -> None:
        settings = self._bar.value()
        match shortcut:
            case PaintShortcut.SMALLER_BRUSH:
                self._set_size(min(settings.size - 1, round(settings.size / _BRUSH_SIZE_FACTOR)))
            case PaintShortcut.LARGER_BRUSH:
                self._set_size(max(settings.size + 1, round(settings.size * _BRUSH_SIZE_FACTOR)))
            case PaintShortcut.SOFTER_BRUSH:
                self._set_settings(replace(settings, hardness=max(0.0, settings.hardness - _HARDNESS_STEP)))
            case PaintShortcut.HARDER_BRUSH:
                self._set_settings(replace(settings, hardness=min(1.0, settings.hardness + _HARDNESS_STEP)))
            case PaintShortcut.SWAP_TOOL:
                self._set_settings(_swap_tool(settings))
            case PaintShortcut.TOGGLE_OVERLAY:
                self._set_settings(replace(settings, overlay=not settings.overlay))
            case PaintShortcut.INVERT_MASK:
                self._run_reporting_errors(self._document.invert)
            case PaintShortcut.CLEAR_MASK:
                self._run_reporting_errors(self._document.clear_mask)
            case PaintShortcut.UNDO:
                self._document.undo()
            case PaintShortcut.REDO:
                self._document.redo()

    def _run_reporting_errors(self, action: Callable[[], None]) -> None:
        """Run an action on the document; an error is emitted as `failed`, not raised."""
        self._canvas.cancel_gesture()
        try:
            action()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    def paint(self, painter: QPainter, context: PaintContext) -> None:
        if self._frame_tool_active:
            self._frame_tool.paint(painter, context)
        self._overlays.paint(painter, context)


def _swap_tool(settings: ToolSettings) -> ToolSettings:
    """Swap brush and eraser; with any other tool, swap adding and subtracting."""
    if settings.tool.paints:
        other = ToolKind.BRUSH if settings.tool is ToolKind.ERASER else ToolKind.ERASER
        return replace(settings, tool=other)
    return replace(settings, subtract=not settings.subtract)
