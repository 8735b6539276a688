"""The document: one picture and its mask, the operations that change them, and undo.

Everything runs on one thread. Pixels are changed in place. Every notification carries the changed box, so that
listeners convert and repaint only that part.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.session.document import colour_selection, mask_shapes
from sdxl_desktop.session.document.brush import Brush, blend_coverage
from sdxl_desktop.session.document.layers import DocumentChange, Layers, copy_pixels, rect_slices
from sdxl_desktop.session.document.save_state import SaveState
from sdxl_desktop.session.document.stroke import Stroke
from sdxl_desktop.session.document.undo import DEFAULT_UNDO_BYTES, ReplacedLayers, UndoStack, changed_tiles

Combine = Literal["add", "subtract"]
Listener = Callable[[DocumentChange], None]

MAX_MASK_GROWTH = 512
"""Maximum pixels to grow, shrink or feather a mask in one step."""
MAX_SIDE = 16384


class Document:
    """A picture (or none), a mask of the same size, and undo. `subscribe` to be notified of changes."""

    def __init__(self, undo_limit: int = DEFAULT_UNDO_BYTES) -> None:
        self._layers: Layers | None = None
        self._undo_stack = UndoStack(undo_limit)
        self._listeners: list[Listener] = []
        self._edit_source: EditSource | None = None
        self._picture_raster: Raster | None = None
        self._coverage: UInt8Array | None = None
        self._stroke: Stroke | None = None
        self.revision = 0
        """Incremented on every pixel change, strokes in progress included; compared with the revision last saved."""

    # state

    @property
    def has_picture(self) -> bool:
        return self._layers is not None

    @property
    def picture(self) -> UInt8Array | None:
        """The picture, uint8 [H, W, 3]. Read it immediately; do not hold a reference or write to it."""
        return None if self._layers is None else self._layers.picture

    @property
    def mask(self) -> UInt8Array | None:
        """The mask, uint8 [H, W]. Read it immediately; do not hold a reference or write to it."""
        return None if self._layers is None else self._layers.mask

    @property
    def name(self) -> str:
        """The file the picture came from, or ""."""
        return "" if self._layers is None else self._layers.name

    @property
    def size(self) -> Size | None:
        return None if self._layers is None else self._layers.size

    @property
    def has_mask(self) -> bool:
        return self._layers is not None and bool(self._layers.mask.any())

    @property
    def save_state(self) -> SaveState | None:
        """Where the picture is saved; None if there is no picture."""
        return None if self._layers is None else self._layers.save_state

    @property
    def title(self) -> str:
        """The displayed name: that of the document's own file, else that of the opened picture, else ""."""
        own = None if self._layers is None else self._layers.save_state.file
        return self.name if own is None else own.name

    @property
    def state(self) -> int:
        """Identifies the current pixels: undo and redo return to the same number, any other change yields a new one."""
        return self._undo_stack.state

    @property
    def modified(self) -> bool:
        """Whether there is a picture and it or its mask differs from the saved file."""
        return self._layers is not None and (self.in_stroke or self._layers.save_state.state != self.state)

    def mark_saved(self, file: Path | None = None, *, includes_mask: bool = False) -> None:
        """Record that `file`, or the file the picture was opened from if None, holds the document; see `SaveState`."""
        if self._layers is not None:
            self._layers.save_state.mark_saved(file, self.state, includes_mask=includes_mask)

    @property
    def can_undo_replacing(self) -> bool:
        """Whether undo could restore the current picture after it is replaced by another."""
        return self._layers is None or ReplacedLayers(self._layers).nbytes <= self._undo_stack.limit

    def picture_raster(self) -> Raster | None:
        """Return a copy of the picture for requests; the same object until the picture changes."""
        if self._picture_raster is None and self._layers is not None:
            self._picture_raster = Raster.from_pixels(self._layers.picture, self._layers.name)
        return self._picture_raster

    def edit_source(self) -> EditSource:
        """Return the input of an edit request: the picture and, if anything is masked, the mask. The same object until
        something changes; its pixels are copies."""
        if self._edit_source is None:
            layers = self._layers
            if layers is None:
                self._edit_source = EditSource()
            else:
                mask = Raster.from_pixels(layers.mask) if layers.mask.any() else None
                self._edit_source = EditSource(self.picture_raster(), mask)
        return self._edit_source

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # the picture

    def set_picture(
        self, pixels: UInt8Array, name: str = "", *, take_ownership: bool = False, saved: bool = False
    ) -> None:
        """Replace the picture with `pixels`, uint8 [H, W, 3], and clear the mask. The pixels are copied unless
        `take_ownership` is set; then no other code may write to them. `saved`: they were read from a file."""
        _check_picture(pixels)
        own = pixels if take_ownership and pixels.flags.writeable and pixels.flags.c_contiguous else copy_pixels(pixels)
        self._replace_layers(Layers(own, np.zeros(pixels.shape[:2], np.uint8), name), "open picture", saved=saved)

    def apply_result(self, result: UInt8Array, label: str = "apply result") -> None:
        """Replace the picture with a result, uint8 [H, W, 3]. The mask is retained unless the size differs."""
        _check_picture(result)
        layers = self._require_layers()
        if result.shape != layers.picture.shape:
            fresh = Layers(copy_pixels(result), np.zeros(result.shape[:2], np.uint8), layers.name, layers.save_state)
            self._replace_layers(fresh, label)
            return
        step = changed_tiles("picture", layers.picture, result, layers.rect)
        if step is not None:
            np.copyto(layers.picture, result)
            self._undo_stack.push(label, step)
            self._notify(DocumentChange(step.rect, picture=True))

    def extend(self, left: int, top: int, right: int, bottom: int) -> None:
        """Extend the picture by this many pixels on each side. The new area continues the border colours and is masked
        in addition to the existing mask."""
        from sdxl_desktop.imaging import prefill  # imports scipy, see `_morph_mask`

        layers = self._require_layers()
        for side in (left, top, right, bottom):
            check_range("The extension", side, 0, MAX_SIDE)
        if not any((left, top, right, bottom)):
            return
        if max(layers.size.width + left + right, layers.size.height + top + bottom) > MAX_SIDE:
            raise RequestError(
                "The picture would become too large.",
                next_step=f"A side may have {MAX_SIDE} pixels at most; extend it by less.",
            )
        picture, mask = prefill.extend_canvas(layers.picture, left, top, right, bottom)
        mask[top : top + layers.size.height, left : left + layers.size.width] = layers.mask
        self._replace_layers(Layers(picture, mask, layers.name, layers.save_state), "extend picture")

    def remove_picture(self) -> None:
        """Remove the picture, so that the canvas is empty."""
        if self._layers is not None:
            self._replace_layers(None, "remove picture")

    def open(self, picture: UInt8Array | None, mask: UInt8Array | None = None, name: str = "") -> None:
        """Replace the document with copies of `picture`, uint8 [H, W, 3], and `mask`, uint8 [H, W], as read from a
        project file, and clear the undo history."""
        layers = None
        if picture is not None:
            _check_picture(picture)
            own = np.zeros(picture.shape[:2], np.uint8) if mask is None else np.array(mask, np.uint8, order="C")
            _check_mask(own, picture)
            layers = Layers(copy_pixels(picture), own, name)
        self._replace_layers(layers, "")
        self._undo_stack.clear()

    def _replace_layers(self, layers: Layers | None, label: str, *, saved: bool = False) -> None:
        self._end_stroke()
        before, self._layers = self._layers, layers
        self._undo_stack.push(label, ReplacedLayers(before))
        if saved:
            self.mark_saved()
        self._notify(DocumentChange(None, picture=True, mask=True))

    # the mask

    def begin_stroke(self, brush: Brush) -> Stroke:
        """Begin a stroke, which is one undo step. Any other operation ends an unfinished stroke."""
        layers = self._require_layers()
        if self._coverage is None or self._coverage.shape != layers.mask.shape:
            self._coverage = np.zeros_like(layers.mask)
        self._stroke = Stroke(layers, self._coverage, brush, self._notify, self._on_stroke_end)
        return self._stroke

    @property
    def in_stroke(self) -> bool:
        return self._stroke is not None

    def fill_shape(self, outline: mask_shapes.Outline, combine: Combine = "add", label: str = "fill shape") -> None:
        """Add the inside of an outline (see `mask_shapes`) to the mask, or subtract it; edges are antialiased."""
        layers = self._require_layers()
        covered = mask_shapes.outline_coverage(outline, layers.size.width, layers.size.height)
        if covered is None:
            return
        rect, amount = covered
        self._replace_mask(
            rect, blend_coverage(layers.mask[rect_slices(rect)], amount, 1.0, erase=combine == "subtract"), label
        )

    def select_by_colour(
        self, x: float, y: float, tolerance: int = 24, *, contiguous: bool = True, combine: Combine = "add"
    ) -> None:
        """Mask the pixels similar to the one at (x, y), see `similar_pixels`. Does nothing outside the picture."""
        layers = self._require_layers()
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < layers.size.width and 0 <= row < layers.size.height):
            return
        found = colour_selection.similar_pixels(layers.picture, column, row, tolerance, contiguous=contiguous)
        if combine == "add":
            self._replace_mask(layers.rect, np.where(found, np.uint8(255), layers.mask), "select by colour")
        else:
            self._replace_mask(layers.rect, np.where(found, np.uint8(0), layers.mask), "select by colour")

    def invert(self) -> None:
        layers = self._require_layers()
        self._replace_mask(layers.rect, 255 - layers.mask, "invert mask")

    def clear_mask(self) -> None:
        layers = self._require_layers()
        self._replace_mask(layers.rect, np.zeros_like(layers.mask), "clear mask")

    def set_mask(self, mask: UInt8Array, label: str = "load mask") -> None:
        """Replace the mask with uint8 [H, W] of the picture's size; raises RequestError if the size differs."""
        layers = self._require_layers()
        _check_mask(mask, layers.picture)
        self._replace_mask(layers.rect, mask, label)

    def grow(self, pixels: int) -> None:
        """Grow the mask by this many pixels in all directions."""
        self._morph_mask("grow", pixels, "grow mask")

    def shrink(self, pixels: int) -> None:
        """Shrink the mask by this many pixels from all directions."""
        self._morph_mask("shrink", pixels, "shrink mask")

    def feather(self, pixels: int) -> None:
        """Soften the mask's edge over this many pixels."""
        self._morph_mask("feather", pixels, "feather mask")

    def fill_holes(self) -> None:
        """Mask the areas that the mask encloses."""
        from sdxl_desktop.imaging import mask_operations

        layers = self._require_layers()
        self._replace_mask(layers.rect, mask_operations.fill_holes(layers.mask), "fill holes")

    def _morph_mask(self, how: Literal["grow", "shrink", "feather"], pixels: int, label: str) -> None:
        from sdxl_desktop.imaging import mask_operations  # imports scipy, which would delay the first window

        check_range("The number of pixels", pixels, 0, MAX_MASK_GROWTH)
        layers = self._require_layers()
        change = {
            "grow": mask_operations.grow_mask,
            "shrink": mask_operations.shrink_mask,
            "feather": mask_operations.feather_mask,
        }[how]
        self._replace_mask(layers.rect, change(layers.mask, pixels), label)

    def _replace_mask(self, rect: Rect, pixels: UInt8Array, label: str) -> None:
        """Write `pixels` into a box of the mask, as one undo step if anything changes."""
        assert self._layers is not None
        mask = self._layers.mask
        before = mask.copy()
        mask[rect_slices(rect)] = pixels
        self._push_mask_step(before, rect, label, notify=True)

    def _push_mask_step(self, before: UInt8Array, rect: Rect, label: str, *, notify: bool) -> None:
        assert self._layers is not None
        step = changed_tiles("mask", before, self._layers.mask, rect)
        if step is None:
            return
        self._undo_stack.push(label, step)
        if notify:
            self._notify(DocumentChange(step.rect.intersected(rect), mask=True))

    # undo and redo

    @property
    def can_undo(self) -> bool:
        return bool(self._undo_stack.undo_label)

    @property
    def can_redo(self) -> bool:
        return bool(self._undo_stack.redo_label)

    @property
    def undo_text(self) -> str:
        """ "Undo brush stroke", or "" if there is nothing to undo."""
        return f"Undo {self._undo_stack.undo_label}" if self.can_undo else ""

    @property
    def redo_text(self) -> str:
        return f"Redo {self._undo_stack.redo_label}" if self.can_redo else ""

    @property
    def undo_bytes(self) -> int:
        """Memory used by undo and redo, in bytes."""
        return self._undo_stack.nbytes

    def undo(self) -> None:
        """Undo the last step, if any. A stroke in progress ends first."""
        self._end_stroke()
        if self.can_undo:
            self._layers, change = self._undo_stack.undo(self._layers)
            self._notify(change)

    def redo(self) -> None:
        """Redo the last undone step, if any."""
        self._end_stroke()
        if self.can_redo:
            self._layers, change = self._undo_stack.redo(self._layers)
            self._notify(change)

    # internal

    def _end_stroke(self) -> None:
        if self._stroke is not None:
            self._stroke.end()

    def _require_layers(self) -> Layers:
        """End any stroke and return the layers; raises RequestError if there is no picture."""
        self._end_stroke()
        if self._layers is None:
            raise RequestError("There is no picture to work on.", next_step="Open or drop a picture first.")
        return self._layers

    def _notify(self, change: DocumentChange) -> None:
        self.revision += 1
        self._edit_source = None
        if change.picture:
            self._picture_raster = None
        for listener in tuple(self._listeners):
            listener(change)

    def _on_stroke_end(self, stroke: Stroke, before: UInt8Array, rect: Rect | None, label: str) -> None:
        """Push the finished stroke as an undo step."""
        if self._stroke is stroke:
            self._stroke = None
        if rect is not None:
            self._push_mask_step(before, rect, label, notify=False)


def _check_picture(pixels: UInt8Array) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RequestError(f"A picture has three channels, not the shape {pixels.shape}.", next_step="Give RGB pixels.")


def _check_mask(mask: UInt8Array, picture: UInt8Array) -> None:
    if mask.shape != picture.shape[:2]:
        wanted = f"{picture.shape[1]}x{picture.shape[0]}"
        raise RequestError(
            f"The mask is {'x'.join(str(side) for side in mask.shape[::-1])} and the picture {wanted}.",
            next_step="Give a mask of exactly the picture's size.",
        )
