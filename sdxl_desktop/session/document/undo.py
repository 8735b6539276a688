"""Undo and redo: steps stored as the tiles that changed, bounded by memory."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.layers import DocumentChange, LayerName, Layers, TileIndex, tile, tile_rect, tiles

DEFAULT_UNDO_BYTES = 512 * 2**20
"""Bytes that all steps together may hold."""

_MAX_COMPRESSED_RATIO = 0.5
"""A compressed tile is kept only when it is this share of the raw one; photographs are not."""


class UndoChange(Protocol):
    """One part of a step. `swap` puts the other state into place and returns the difference that leads back."""

    @property
    def nbytes(self) -> int: ...

    def swap(self, layers: Layers | None) -> tuple[Layers | None, UndoChange, DocumentChange]: ...


@dataclass(frozen=True, slots=True)
class _PackedTile:
    """A tile at rest: one value when it is uniform, else bytes, compressed where that pays."""

    data: bytes | int
    compressed: bool = False

    @property
    def nbytes(self) -> int:
        return 32 if isinstance(self.data, int) else len(self.data)

    def unpack_into(self, target: UInt8Array) -> None:
        if isinstance(self.data, int):
            target[...] = self.data
            return
        raw = zlib.decompress(self.data) if self.compressed else self.data
        target[...] = np.frombuffer(raw, np.uint8).reshape(target.shape)


def _pack(pixels: UInt8Array, *, uncompressed: bool) -> _PackedTile:
    first = int(pixels.flat[0])
    if not (pixels != first).any():
        return _PackedTile(first)
    raw = pixels.tobytes()
    if uncompressed:
        return _PackedTile(raw)
    small = zlib.compress(raw, 1)
    return _PackedTile(small, True) if len(small) < _MAX_COMPRESSED_RATIO * len(raw) else _PackedTile(raw)


@dataclass(frozen=True, slots=True)
class ChangedTiles:
    """Tiles of one layer as they were on the other side of the step."""

    layer: LayerName
    tiles: dict[TileIndex, _PackedTile]
    rect: Rect

    @property
    def nbytes(self) -> int:
        return sum(packed.nbytes for packed in self.tiles.values())

    def swap(self, layers: Layers | None) -> tuple[Layers | None, UndoChange, DocumentChange]:
        assert layers is not None
        pixels = layers.layer(self.layer)
        now: dict[TileIndex, _PackedTile] = {}
        for place, packed in self.tiles.items():
            view = tile(pixels, place)
            now[place] = _pack(view, uncompressed=True)  # a step back must be felt at once; memory can wait
            packed.unpack_into(view)
        change = DocumentChange(self.rect, picture=self.layer == "picture", mask=self.layer == "mask")
        return layers, ChangedTiles(self.layer, now, self.rect), change


@dataclass(frozen=True, slots=True)
class ReplacedLayers:
    """All layers as they were on the other side of the step; None where there was no picture."""

    other: Layers | None

    @property
    def nbytes(self) -> int:
        return 0 if self.other is None else self.other.picture.nbytes + self.other.mask.nbytes

    def swap(self, layers: Layers | None) -> tuple[Layers | None, UndoChange, DocumentChange]:
        return self.other, ReplacedLayers(layers), DocumentChange(None, picture=True, mask=True)


def changed_tiles(layer: LayerName, before: UInt8Array, after: UInt8Array, within: Rect) -> ChangedTiles | None:
    """The tiles of `before` that differ from `after`, both uint8 [H, W] or [H, W, 3], inside `within`; None when none
    does."""
    kept: dict[TileIndex, _PackedTile] = {}
    rect: Rect | None = None
    for place in tiles(within):
        old = tile(before, place)
        if not np.array_equal(old, tile(after, place)):
            kept[place] = _pack(old, uncompressed=layer == "picture")
            here = tile_rect(before, place)
            rect = here if rect is None else rect.united(here)
    return None if rect is None else ChangedTiles(layer, kept, rect)


@dataclass(frozen=True, slots=True)
class _UndoStep:
    label: str
    change: UndoChange
    state: int
    """Of what this step leads to."""


@dataclass
class UndoStack:
    """Steps back and forth. When they hold more than `limit` bytes the oldest are forgotten."""

    limit: int = DEFAULT_UNDO_BYTES
    _undo_steps: deque[_UndoStep] = field(default_factory=deque)
    _redo_steps: deque[_UndoStep] = field(default_factory=deque)
    _byte_count: int = 0
    """Counted along, since after a long day there are thousands of steps."""
    _last_state: int = 0
    state: int = 0
    """Names what the steps have led to: the same number when undo and redo lead there again, another one otherwise."""

    @property
    def nbytes(self) -> int:
        return self._byte_count

    @property
    def undo_label(self) -> str:
        """What `undo` would take back ("brush stroke"), "" when there is nothing."""
        return self._undo_steps[-1].label if self._undo_steps else ""

    @property
    def redo_label(self) -> str:
        """What `redo` would bring again, "" when there is nothing."""
        return self._redo_steps[-1].label if self._redo_steps else ""

    def push(self, label: str, change: UndoChange) -> None:
        """Remember a step that has just been made; what was undone before can not be redone any more."""
        while self._redo_steps:
            self._subtract_bytes(self._redo_steps.popleft())
        self._append(self._undo_steps, _UndoStep(label, change, self.state))
        self._last_state += 1
        self.state = self._last_state

    def undo(self, layers: Layers | None) -> tuple[Layers | None, DocumentChange]:
        """Take the last step back; there must be one."""
        return self._move(self._undo_steps, self._redo_steps, layers)

    def redo(self, layers: Layers | None) -> tuple[Layers | None, DocumentChange]:
        """Make the last step that was undone again; there must be one."""
        return self._move(self._redo_steps, self._undo_steps, layers)

    def clear(self) -> None:
        self._undo_steps.clear()
        self._redo_steps.clear()
        self._byte_count = 0

    def _move(
        self, source: deque[_UndoStep], target: deque[_UndoStep], layers: Layers | None
    ) -> tuple[Layers | None, DocumentChange]:
        step = source.pop()
        self._subtract_bytes(step)
        layers, back, change = step.change.swap(layers)
        self._append(target, _UndoStep(step.label, back, self.state))
        self.state = step.state
        return layers, change

    def _append(self, steps: deque[_UndoStep], step: _UndoStep) -> None:
        steps.append(step)
        self._byte_count += step.change.nbytes
        for oldest_first in (self._undo_steps, self._redo_steps):
            while oldest_first and self._byte_count > self.limit:
                self._subtract_bytes(oldest_first.popleft())

    def _subtract_bytes(self, step: _UndoStep) -> None:
        self._byte_count -= step.change.nbytes
