"""The easel: puts a document on the canvas and lets the tool in hand work on it."""

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
from sdxl_desktop.session.document.layers import Change
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.frame_tool import FrameTool
from sdxl_desktop.ui.painting.framing import Framing
from sdxl_desktop.ui.painting.keys import Deed, meaning
from sdxl_desktop.ui.painting.marks import Marks
from sdxl_desktop.ui.painting.mask_layer import REACH, MaskLayer
from sdxl_desktop.ui.painting.pointer import Pointer, View
from sdxl_desktop.ui.painting.settings import ToolKind, ToolSettings
from sdxl_desktop.ui.painting.toolbar import PaintBar
from sdxl_desktop.ui.painting.tools import Bench, Gesture, gesture

_SIZE_STEP = 1.15
_HARDNESS_STEP = 0.1


class Easel(QObject):
    """Is the canvas's hand. `edit` begins; `put_away` leaves the canvas to whoever shows something else there.

    `document_changed` after every change of pixels (strokes in progress included), `stroke_ended` after every gesture,
    `failed` with an error to show.
    """

    document_changed = Signal()
    stroke_ended = Signal()
    failed = Signal(object)
    frame_changed = Signal(object)
    """Frame, or None where there is none: what a run would draw now"""

    def __init__(self, canvas: Canvas, bar: PaintBar, document: Document) -> None:
        super().__init__(canvas)
        self._canvas, self._bar, self._document = canvas, bar, document
        self._mask = MaskLayer()
        canvas.add_layer(self._mask)
        self._framing = Framing(canvas, document)
        self._frame_tool = FrameTool(canvas, document)
        self._marks = Marks(canvas, bar.value())
        self._gesture: Gesture | None = None
        self._editing = self._framed = False
        self._connect()
        self._wear(bar.value())
        self._follow(Change(None, picture=True, mask=True))

    def _connect(self) -> None:
        bar, document = self._bar, self._document
        self._framing.frame_changed.connect(self.frame_changed)
        self._canvas.destroyed.connect(document.listen(self._follow))  # the document may live longer
        bar.worn.connect(lambda: self._wear(bar.value()))
        bar.undo_wanted.connect(partial(self._do, Deed.UNDO))
        bar.redo_wanted.connect(partial(self._do, Deed.REDO))
        bar.invert_wanted.connect(partial(self._do, Deed.INVERT))
        bar.clear_wanted.connect(partial(self._do, Deed.CLEAR))
        bar.grow_wanted.connect(lambda pixels: self._try(partial(document.grow, pixels)))
        bar.shrink_wanted.connect(lambda pixels: self._try(partial(document.shrink, pixels)))
        bar.feather_wanted.connect(lambda pixels: self._try(partial(document.feather, pixels)))
        bar.fill_holes_wanted.connect(lambda: self._try(document.fill_holes))

    @property
    def document(self) -> Document:
        return self._document

    @property
    def editing(self) -> bool:
        """Whether the document is on the canvas."""
        return self._editing

    @property
    def frame(self) -> Frame | None:
        """The part of the picture that a run would draw, and its drawing size."""
        return self._framing.frame

    def set_frame_policy(self, policy: FramePolicy | None) -> None:
        """Say what decides the frame; None: a run would not draw on this picture."""
        self._framing.set_policy(policy)

    def edit(self) -> None:
        """Put the document onto the canvas; nothing to see while it has no picture."""
        if not self._editing:
            self._editing = True
            self._show_document()
            self._canvas.give_hand(self)
            self._show_tool()
            self._show_state()

    def put_away(self) -> None:
        """Leave the canvas: what it shows next is only looked at. The mask is hidden."""
        if self._editing:
            self._canvas.give_hand(None)
            self._editing = False
            self._mask.show_mask(None)
            self._show_tool()
            self._show_state()

    # following the document

    def _follow(self, change: Change) -> None:
        if change.rect is None:
            self._frame_tool.drop()
        self._framing.changed(change)
        if self._editing:
            if change.rect is None:
                self._canvas.stop_gesture()
                self._show_document()
            else:
                self._repaint(change, change.rect)
        self._show_state()
        self.document_changed.emit()

    def _show_document(self) -> None:
        picture = self._document.picture
        if picture is None:
            self._canvas.show_image(None)
        else:
            self._canvas.show_pixels(picture)
        self._mask.show_mask(self._document.mask)
        self._canvas.show_cursor()

    def _repaint(self, change: Change, rect: Rect) -> None:
        box = QRect(rect.x, rect.y, rect.width, rect.height)
        if change.mask:
            self._mask.update(box)
            if not change.picture and self._mask.visible:
                self._canvas.repaint_pixels(box, REACH)
        if change.picture:
            self._canvas.pixels_changed(box)

    def _show_state(self) -> None:
        document = self._document
        if not document.in_stroke:
            has_mask = document.has_mask
            self._bar.show_document(editable=self._editing and document.has_picture, masked=has_mask)
            self._bar.show_steps(document.undo_name, document.redo_name)

    # settings

    def _wear(self, settings: ToolSettings) -> None:
        """The bar says something else."""
        if settings.overlay_look != self._mask.look or settings.overlay != self._mask.visible:
            self._mask.wear(settings.overlay_look)
            self._mask.visible = settings.overlay
            self._canvas.update()
        self._marks.wear(settings)
        self._show_tool()
        if self._editing and self._gesture is None:
            self._canvas.show_cursor()

    def _show_tool(self) -> None:
        """What of the canvas belongs to the tool in hand."""
        settings = self._bar.value()
        self._marks.show(self._editing)
        self._framing.show(self._editing and settings.overlay and settings.tool.masks)
        framed, self._framed = self._framed, self._editing and settings.tool is ToolKind.FRAME
        if framed != self._framed:
            self._frame_tool.drop()
            self._canvas.give_room(self._framed)
            self._canvas.update(self._frame_tool.touched())

    def _set(self, settings: ToolSettings) -> None:
        self._bar.set_value(settings)
        self._bar.changed.emit()  # it was the person who did it, with a key

    def _set_size(self, size: int) -> None:
        self._set(replace(self._bar.value(), size=int(min(MAX_SIZE, max(1, size)))))

    # the canvas's hand

    def press(self, pointer: Pointer) -> bool:
        settings = self._bar.value()
        if self._framed:
            begun = self._frame_tool.drag(pointer)
        else:
            begun = gesture(Bench(self._document, settings, self._marks.show_outline, self._set_size), pointer)
        if begun is None:
            return False
        self._gesture = begun
        sizing = settings.tool.paints and pointer.holds(Qt.KeyboardModifier.ShiftModifier)
        self._marks.follow(pointer)
        self._marks.hold_ring(pointer.at if sizing else None)
        return self._step(None)

    def move(self, pointer: Pointer) -> None:
        self._marks.follow(pointer)
        self._step(pointer)

    def release(self, pointer: Pointer) -> None:
        self._step(pointer)
        self._gesture = None
        self._marks.hold_ring(None)
        self._marks.follow(pointer)
        self._framing.refresh()
        self._show_state()
        self.stroke_ended.emit()

    def cancel(self) -> None:
        if self._gesture is not None:
            self._gesture.close()
        self._gesture = None
        self._marks.hold_ring(None)
        self._show_state()

    def _step(self, pointer: Pointer | None) -> bool:
        """Let the gesture go on to `pointer`; whether it goes on after that."""
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
        self._marks.follow(pointer)
        if pointer is None:
            self._framing.lift()
        elif self._framed:
            self._canvas.show_cursor()

    def cursor(self) -> Qt.CursorShape:
        tool = self._bar.value().tool
        if tool is ToolKind.FRAME:
            pointer = self._marks.pointer
            return self._frame_tool.cursor(None if pointer is None else pointer.spot)
        if tool is ToolKind.HAND:
            return Qt.CursorShape.ArrowCursor
        return Qt.CursorShape.BlankCursor if tool.paints else Qt.CursorShape.CrossCursor

    # keys

    def knows(self, key: QKeyEvent) -> bool:
        return meaning(key) is not None or (self._framed and self._frame_tool.knows(key))

    def key(self, key: QKeyEvent) -> bool:
        if self._framed and self._gesture is None and self._frame_tool.knows(key):
            self._try(partial(self._frame_tool.key, key))
            return True
        found = meaning(key)
        if found is None or self._gesture is not None:
            return found is not None
        settings = self._bar.value()
        match found:
            case Deed():
                self._do(found)
            case ToolKind():
                self._set(replace(settings, tool=found))
            case float():
                self._set(replace(settings, opacity=found))
        return True

    def _do(self, deed: Deed) -> None:
        settings = self._bar.value()
        match deed:
            case Deed.SMALLER:
                self._set_size(min(settings.size - 1, round(settings.size / _SIZE_STEP)))
            case Deed.LARGER:
                self._set_size(max(settings.size + 1, round(settings.size * _SIZE_STEP)))
            case Deed.SOFTER:
                self._set(replace(settings, hardness=max(0.0, settings.hardness - _HARDNESS_STEP)))
            case Deed.HARDER:
                self._set(replace(settings, hardness=min(1.0, settings.hardness + _HARDNESS_STEP)))
            case Deed.SWAP:
                self._set(_swapped(settings))
            case Deed.TOGGLE_OVERLAY:
                self._set(replace(settings, overlay=not settings.overlay))
            case Deed.INVERT:
                self._try(self._document.invert)
            case Deed.CLEAR:
                self._try(self._document.clear_mask)
            case Deed.UNDO:
                self._document.undo()
            case Deed.REDO:
                self._document.redo()

    def _try(self, act: Callable[[], None]) -> None:
        """Do something to the document; an error is told, not raised."""
        self._canvas.stop_gesture()
        try:
            act()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    def paint(self, painter: QPainter, view: View) -> None:
        if self._framed:
            self._frame_tool.paint(painter, view)
        self._marks.paint(painter, view)


def _swapped(settings: ToolSettings) -> ToolSettings:
    """Brush for eraser and the other way round; with any other tool, adding for taking away."""
    if settings.tool.paints:
        other = ToolKind.BRUSH if settings.tool is ToolKind.ERASER else ToolKind.ERASER
        return replace(settings, tool=other)
    return replace(settings, subtract=not settings.subtract)
