"""Undo and redo: steps stored as changed tiles, with a memory limit."""

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
"""Maximum memory of all steps, in bytes."""

_MAX_COMPRESSED_RATIO = 0.5
"""A compressed tile is stored only if at most this fraction of the raw size; photographs do not compress that well."""


class UndoChange(Protocol):
    """One part of a step. `swap` restores the other state and returns the reverse change."""

    @property
    def nbytes(self) -> int: ...

    def swap(self, layers: Layers | None) -> tuple[Layers | None, UndoChange, DocumentChange]: ...


@dataclass(frozen=True, slots=True)
class _PackedTile:
    """A stored tile: one value if uniform, else bytes, compressed if that saves enough."""

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
    """Tiles of one layer in the state on the other side of the step."""

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
            now[place] = _pack(view, uncompressed=True)  # undo must be immediate; speed matters more than memory
            packed.unpack_into(view)
        change = DocumentChange(self.rect, picture=self.layer == "picture", mask=self.layer == "mask")
        return layers, ChangedTiles(self.layer, now, self.rect), change


@dataclass(frozen=True, slots=True)
class ReplacedLayers:
    """All layers in the state on the other side of the step; None if there was no picture."""

    other: Layers | None

    @property
    def nbytes(self) -> int:
        return 0 if self.other is None else self.other.picture.nbytes + self.other.mask.nbytes

    def swap(self, layers: Layers | None) -> tuple[Layers | None, UndoChange, DocumentChange]:
        return self.other, ReplacedLayers(layers), DocumentChange(None, picture=True, mask=True)


def changed_tiles(layer: LayerName, before: UInt8Array, after: UInt8Array, within: Rect) -> ChangedTiles | None:
    """Return the tiles of `before` that differ from `after`, both uint8 [H, W] or [H, W, 3], inside `within`; None if
    none differ."""
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
    """The state that this step leads to."""


@dataclass
class UndoStack:
    """Undo and redo steps. If they exceed `limit` bytes, the oldest are dropped."""

    limit: int = DEFAULT_UNDO_BYTES
    _undo_steps: deque[_UndoStep] = field(default_factory=deque)
    _redo_steps: deque[_UndoStep] = field(default_factory=deque)
    _byte_count: int = 0
    """Updated incrementally, since a long session accumulates thousands of steps."""
    _last_state: int = 0
    state: int = 0
    """Identifies the current state: undo and redo restore its number, every new step gets a new one."""

    @property
    def nbytes(self) -> int:
        return self._byte_count

    @property
    def undo_label(self) -> str:
        """Label of the step that `undo` reverts ("brush stroke"), or ""."""
        return self._undo_steps[-1].label if self._undo_steps else ""

    @property
    def redo_label(self) -> str:
        """Label of the step that `redo` repeats, or ""."""
        return self._redo_steps[-1].label if self._redo_steps else ""

    def push(self, label: str, change: UndoChange) -> None:
        """Record a step just made; undone steps can no longer be redone."""
        while self._redo_steps:
            self._subtract_bytes(self._redo_steps.popleft())
        self._append(self._undo_steps, _UndoStep(label, change, self.state))
        self._last_state += 1
        self.state = self._last_state

    def undo(self, layers: Layers | None) -> tuple[Layers | None, DocumentChange]:
        """Undo the last step; there must be one."""
        return self._move(self._undo_steps, self._redo_steps, layers)

    def redo(self, layers: Layers | None) -> tuple[Layers | None, DocumentChange]:
        """Redo the last undone step; there must be one."""
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
