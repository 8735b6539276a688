"""The document: one picture and its mask, the verbs that change them, and the way back.

All of it happens on one thread. Pixels are changed in place, and every change is told with the box it lies in, so that
whoever shows the document converts and paints only that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from sdxl_desktop.core.checks import within
from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes, Raster
from sdxl_desktop.session.document import selecting, shapes
from sdxl_desktop.session.document.brush import Brush, blended
from sdxl_desktop.session.document.home import Home
from sdxl_desktop.session.document.layers import Change, Layers, as_picture, window
from sdxl_desktop.session.document.stroke import Stroke
from sdxl_desktop.session.document.undo import DEFAULT_LIMIT, ChangedWhole, UndoStack, changed_tiles

Combine = Literal["add", "subtract"]
Listener = Callable[[Change], None]

MAX_GROWTH = 512
"""Pixels by which a mask grows, shrinks or is feathered at most in one step."""
MAX_SIDE = 16384


class Document:
    """A picture (or none), a mask of the same size, undo. `listen` to know what changes."""

    def __init__(self, undo_limit: int = DEFAULT_LIMIT) -> None:
        self._layers: Layers | None = None
        self._steps = UndoStack(undo_limit)
        self._listeners: list[Listener] = []
        self._ground: Ground | None = None
        self._picture_raster: Raster | None = None
        self._coverage: Bytes | None = None
        self._stroke: Stroke | None = None
        self.revision = 0
        """Counts every change of pixels, strokes in progress included; what has been saved is compared with it."""

    # looking

    @property
    def has_picture(self) -> bool:
        return self._layers is not None

    @property
    def picture(self) -> Bytes | None:
        """The picture, uint8 [H, W, 3]: to be read at once, not kept and not written to."""
        return None if self._layers is None else self._layers.picture

    @property
    def mask(self) -> Bytes | None:
        """The mask, uint8 [H, W]: to be read at once, not kept and not written to."""
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
    def home(self) -> Home | None:
        """Where the picture is kept; None when there is none."""
        return None if self._layers is None else self._layers.home

    @property
    def title(self) -> str:
        """What people call it: after its own file, else after the one the picture came from; "" for neither."""
        own = None if self._layers is None else self._layers.home.file
        return self.name if own is None else own.name

    @property
    def state(self) -> int:
        """Names the present pixels: undo and redo lead back to the same number, every other change to a new one."""
        return self._steps.state

    @property
    def modified(self) -> bool:
        """Whether there is a picture, and something of it or its mask differs from what a file holds."""
        return self._layers is not None and (self.in_stroke or self._layers.home.state != self.state)

    def mark_kept(self, file: Path | None = None, *, whole: bool = False) -> None:
        """The picture is as a file holds it now: as its own `file`, or None, the one it came from; see `Home`."""
        if self._layers is not None:
            self._layers.home.keep(file, self.state, whole=whole)

    @property
    def replaceable(self) -> bool:
        """Whether undo could bring the picture back once another one is in its place."""
        return self._layers is None or ChangedWhole(self._layers).nbytes <= self._steps.limit

    def picture_raster(self) -> Raster | None:
        """The picture as requests carry it: a copy, the same object until the picture changes."""
        if self._picture_raster is None and self._layers is not None:
            self._picture_raster = Raster.of(self._layers.picture, self._layers.name)
        return self._picture_raster

    def ground(self) -> Ground:
        """What a request is drawn on: the picture and, when anything is masked, the mask. The same object until
        something changes; its pixels are copies."""
        if self._ground is None:
            layers = self._layers
            if layers is None:
                self._ground = Ground()
            else:
                mask = Raster.of(layers.mask) if layers.mask.any() else None
                self._ground = Ground(self.picture_raster(), mask)
        return self._ground

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change, until the function that is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # the picture

    def set_picture(self, pixels: Bytes, name: str = "", *, hand_over: bool = False, kept: bool = False) -> None:
        """Put another picture, uint8 [H, W, 3], in place of this one; its mask is empty. The pixels are copied, unless
        they are handed over: nobody else may write to them then. `kept`: a file holds them, as it came from one."""
        _check_picture(pixels)
        own = pixels if hand_over and pixels.flags.writeable and pixels.flags.c_contiguous else as_picture(pixels)
        self._put(Layers(own, np.zeros(pixels.shape[:2], np.uint8), name), "open picture", kept=kept)

    def accept(self, result: Bytes, label: str = "apply result") -> None:
        """Take a result, uint8 [H, W, 3], as the picture. The mask stays, unless the size is another one."""
        _check_picture(result)
        layers = self._settled()
        if result.shape != layers.picture.shape:
            fresh = Layers(as_picture(result), np.zeros(result.shape[:2], np.uint8), layers.name, layers.home)
            self._put(fresh, label)
            return
        step = changed_tiles("picture", layers.picture, result, layers.rect)
        if step is not None:
            np.copyto(layers.picture, result)
            self._steps.push(label, step)
            self._tell(Change(step.rect, picture=True))

    def extend(self, left: int, top: int, right: int, bottom: int) -> None:
        """Make the picture larger by so many pixels on each side. The new area continues the old border's colours and
        is masked, beside what was masked before."""
        from sdxl_desktop.imaging import prefill  # brings scipy, see `_reshape`

        layers = self._settled()
        for side in (left, top, right, bottom):
            within("The extension", side, 0, MAX_SIDE)
        if not any((left, top, right, bottom)):
            return
        if max(layers.size.width + left + right, layers.size.height + top + bottom) > MAX_SIDE:
            raise RequestError(
                "The picture would become too large.",
                next_step=f"A side may have {MAX_SIDE} pixels at most; extend it by less.",
            )
        picture, mask = prefill.extend(layers.picture, left, top, right, bottom)
        mask[top : top + layers.size.height, left : left + layers.size.width] = layers.mask
        self._put(Layers(picture, mask, layers.name, layers.home), "extend picture")

    def remove_picture(self) -> None:
        """Leave nothing on the canvas."""
        if self._layers is not None:
            self._put(None, "remove picture")

    def open(self, picture: Bytes | None, mask: Bytes | None = None, name: str = "") -> None:
        """Begin anew with what a project file holds: copies of `picture`, uint8 [H, W, 3], and `mask`, uint8 [H, W],
        and nothing to undo."""
        layers = None
        if picture is not None:
            _check_picture(picture)
            own = np.zeros(picture.shape[:2], np.uint8) if mask is None else np.array(mask, np.uint8, order="C")
            _check_mask(own, picture)
            layers = Layers(as_picture(picture), own, name)
        self._put(layers, "")
        self._steps.clear()

    def _put(self, layers: Layers | None, label: str, *, kept: bool = False) -> None:
        self._settle()
        before, self._layers = self._layers, layers
        self._steps.push(label, ChangedWhole(before))
        if kept:
            self.mark_kept()
        self._tell(Change(None, picture=True, mask=True))

    # the mask

    def begin_stroke(self, brush: Brush) -> Stroke:
        """Begin a stroke, which is one step to undo; end it before anything else, or it is ended."""
        layers = self._settled()
        if self._coverage is None or self._coverage.shape != layers.mask.shape:
            self._coverage = np.zeros_like(layers.mask)
        self._stroke = Stroke(layers, self._coverage, brush, self._tell, self._stroked)
        return self._stroke

    @property
    def in_stroke(self) -> bool:
        return self._stroke is not None

    def fill_shape(self, outline: shapes.Outline, combine: Combine = "add", label: str = "fill shape") -> None:
        """Add the inside of an outline (see `shapes`) to the mask, or take it out; edges are antialiased."""
        layers = self._settled()
        covered = shapes.coverage(outline, layers.size.width, layers.size.height)
        if covered is None:
            return
        rect, amount = covered
        self._replace(rect, blended(layers.mask[window(rect)], amount, 1.0, erase=combine == "subtract"), label)

    def select_by_colour(
        self, x: float, y: float, tolerance: int = 24, *, contiguous: bool = True, combine: Combine = "add"
    ) -> None:
        """Mask what looks like the pixel at (x, y), see `selecting.like`. Outside the picture nothing happens."""
        layers = self._settled()
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < layers.size.width and 0 <= row < layers.size.height):
            return
        found = selecting.like(layers.picture, column, row, tolerance, contiguous=contiguous)
        if combine == "add":
            self._replace(layers.rect, np.where(found, np.uint8(255), layers.mask), "select by colour")
        else:
            self._replace(layers.rect, np.where(found, np.uint8(0), layers.mask), "select by colour")

    def invert(self) -> None:
        layers = self._settled()
        self._replace(layers.rect, 255 - layers.mask, "invert mask")

    def clear_mask(self) -> None:
        layers = self._settled()
        self._replace(layers.rect, np.zeros_like(layers.mask), "clear mask")

    def set_mask(self, mask: Bytes, label: str = "load mask") -> None:
        """Take another mask, uint8 [H, W] of the picture's size; raises RequestError for another one."""
        layers = self._settled()
        _check_mask(mask, layers.picture)
        self._replace(layers.rect, mask, label)

    def grow(self, pixels: int) -> None:
        """Widen the mask by so many pixels to all sides."""
        self._reshape("grow", pixels, "grow mask")

    def shrink(self, pixels: int) -> None:
        """Narrow the mask by so many pixels from all sides."""
        self._reshape("shrink", pixels, "shrink mask")

    def feather(self, pixels: int) -> None:
        """Soften the mask's edge over so many pixels."""
        self._reshape("feather", pixels, "feather mask")

    def fill_holes(self) -> None:
        """Mask what the mask surrounds."""
        from sdxl_desktop.imaging import masks

        layers = self._settled()
        self._replace(layers.rect, masks.fill_holes(layers.mask), "fill holes")

    def _reshape(self, how: Literal["grow", "shrink", "feather"], pixels: int, label: str) -> None:
        from sdxl_desktop.imaging import masks  # brings scipy, which the first window need not wait for

        within("The number of pixels", pixels, 0, MAX_GROWTH)
        layers = self._settled()
        change = {"grow": masks.grow, "shrink": masks.shrink, "feather": masks.feather}[how]
        self._replace(layers.rect, change(layers.mask, pixels), label)

    def _replace(self, rect: Rect, pixels: Bytes, label: str) -> None:
        """Put `pixels` into the box of the mask, as one step, if that changes anything."""
        assert self._layers is not None
        mask = self._layers.mask
        before = mask.copy()
        mask[window(rect)] = pixels
        self._remember(before, rect, label, tell=True)

    def _remember(self, before: Bytes, rect: Rect, label: str, *, tell: bool) -> None:
        assert self._layers is not None
        step = changed_tiles("mask", before, self._layers.mask, rect)
        if step is None:
            return
        self._steps.push(label, step)
        if tell:
            self._tell(Change(step.rect.intersected(rect), mask=True))

    # back and forth

    @property
    def can_undo(self) -> bool:
        return bool(self._steps.back_label)

    @property
    def can_redo(self) -> bool:
        return bool(self._steps.forth_label)

    @property
    def undo_name(self) -> str:
        """ "Undo brush stroke", or "" when there is nothing to undo."""
        return f"Undo {self._steps.back_label}" if self.can_undo else ""

    @property
    def redo_name(self) -> str:
        return f"Redo {self._steps.forth_label}" if self.can_redo else ""

    @property
    def undo_bytes(self) -> int:
        """Memory that undo and redo hold."""
        return self._steps.nbytes

    def undo(self) -> None:
        """Take the last step back; does nothing when there is none. A stroke in progress ends first."""
        self._settle()
        if self.can_undo:
            self._layers, change = self._steps.undo(self._layers)
            self._tell(change)

    def redo(self) -> None:
        """Make the step that was undone last again; does nothing when there is none."""
        self._settle()
        if self.can_redo:
            self._layers, change = self._steps.redo(self._layers)
            self._tell(change)

    # within

    def _settle(self) -> None:
        if self._stroke is not None:
            self._stroke.end()

    def _settled(self) -> Layers:
        """The layers, no stroke in progress; raises RequestError when there is no picture."""
        self._settle()
        if self._layers is None:
            raise RequestError("There is no picture to work on.", next_step="Open or drop a picture first.")
        return self._layers

    def _tell(self, change: Change) -> None:
        self.revision += 1
        self._ground = None
        if change.picture:
            self._picture_raster = None
        for listener in tuple(self._listeners):
            listener(change)

    def _stroked(self, stroke: Stroke, before: Bytes, rect: Rect | None, label: str) -> None:
        """A stroke is over."""
        if self._stroke is stroke:
            self._stroke = None
        if rect is not None:
            self._remember(before, rect, label, tell=False)


def _check_picture(pixels: Bytes) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RequestError(f"A picture has three channels, not the shape {pixels.shape}.", next_step="Give RGB pixels.")


def _check_mask(mask: Bytes, picture: Bytes) -> None:
    if mask.shape != picture.shape[:2]:
        wanted = f"{picture.shape[1]}x{picture.shape[0]}"
        raise RequestError(
            f"The mask is {'x'.join(str(side) for side in mask.shape[::-1])} and the picture {wanted}.",
            next_step="Give a mask of exactly the picture's size.",
        )
