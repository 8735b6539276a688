"""Undo and redo: steps stored as the tiles that changed, bounded by memory."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.session.document.layers import Change, LayerName, Layers, Place, tile, tile_rect, tiles

DEFAULT_LIMIT = 512 * 2**20
"""Bytes that all steps together may hold."""

_WORTH_IT = 0.5
"""A compressed tile is kept only when it is this share of the raw one; photographs are not."""


class Difference(Protocol):
    """One part of a step. `swap` puts the other state into place and returns the difference that leads back."""

    @property
    def nbytes(self) -> int: ...

    def swap(self, layers: Layers | None) -> tuple[Layers | None, Difference, Change]: ...


@dataclass(frozen=True, slots=True)
class _Packed:
    """A tile at rest: one value when it is uniform, else bytes, compressed where that pays."""

    data: bytes | int
    compressed: bool = False

    @property
    def nbytes(self) -> int:
        return 32 if isinstance(self.data, int) else len(self.data)

    def unpack_into(self, target: Bytes) -> None:
        if isinstance(self.data, int):
            target[...] = self.data
            return
        raw = zlib.decompress(self.data) if self.compressed else self.data
        target[...] = np.frombuffer(raw, np.uint8).reshape(target.shape)


def _pack(pixels: Bytes, *, quickly: bool) -> _Packed:
    first = int(pixels.flat[0])
    if not (pixels != first).any():
        return _Packed(first)
    raw = pixels.tobytes()
    if quickly:
        return _Packed(raw)
    small = zlib.compress(raw, 1)
    return _Packed(small, True) if len(small) < _WORTH_IT * len(raw) else _Packed(raw)


@dataclass(frozen=True, slots=True)
class ChangedTiles:
    """Tiles of one layer as they were on the other side of the step."""

    layer: LayerName
    kept: dict[Place, _Packed]
    rect: Rect

    @property
    def nbytes(self) -> int:
        return sum(packed.nbytes for packed in self.kept.values())

    def swap(self, layers: Layers | None) -> tuple[Layers | None, Difference, Change]:
        assert layers is not None
        pixels = layers.layer(self.layer)
        now: dict[Place, _Packed] = {}
        for place, packed in self.kept.items():
            view = tile(pixels, place)
            now[place] = _pack(view, quickly=True)  # a step back must be felt at once; memory can wait
            packed.unpack_into(view)
        change = Change(self.rect, picture=self.layer == "picture", mask=self.layer == "mask")
        return layers, ChangedTiles(self.layer, now, self.rect), change


@dataclass(frozen=True, slots=True)
class ChangedWhole:
    """All layers as they were on the other side of the step; None where there was no picture."""

    other: Layers | None

    @property
    def nbytes(self) -> int:
        return 0 if self.other is None else self.other.picture.nbytes + self.other.mask.nbytes

    def swap(self, layers: Layers | None) -> tuple[Layers | None, Difference, Change]:
        return self.other, ChangedWhole(layers), Change(None, picture=True, mask=True)


def changed_tiles(layer: LayerName, before: Bytes, after: Bytes, within: Rect) -> ChangedTiles | None:
    """The tiles of `before` that differ from `after`, both uint8 [H, W] or [H, W, 3], inside `within`; None when none
    does."""
    kept: dict[Place, _Packed] = {}
    rect: Rect | None = None
    for place in tiles(within):
        old = tile(before, place)
        if not np.array_equal(old, tile(after, place)):
            kept[place] = _pack(old, quickly=layer == "picture")
            here = tile_rect(before, place)
            rect = here if rect is None else rect.united(here)
    return None if rect is None else ChangedTiles(layer, kept, rect)


@dataclass(frozen=True, slots=True)
class _Step:
    label: str
    difference: Difference
    state: int
    """Of what this step leads to."""


@dataclass
class UndoStack:
    """Steps back and forth. When they hold more than `limit` bytes the oldest are forgotten."""

    limit: int = DEFAULT_LIMIT
    _back: deque[_Step] = field(default_factory=deque)
    _forth: deque[_Step] = field(default_factory=deque)
    _held: int = 0
    """Counted along, since after a long day there are thousands of steps."""
    _newest: int = 0
    state: int = 0
    """Names what the steps have led to: the same number when undo and redo lead there again, another one otherwise."""

    @property
    def nbytes(self) -> int:
        return self._held

    @property
    def back_label(self) -> str:
        """What `undo` would take back ("brush stroke"), "" when there is nothing."""
        return self._back[-1].label if self._back else ""

    @property
    def forth_label(self) -> str:
        """What `redo` would bring again, "" when there is nothing."""
        return self._forth[-1].label if self._forth else ""

    def push(self, label: str, difference: Difference) -> None:
        """Remember a step that has just been made; what was undone before can not be redone any more."""
        while self._forth:
            self._drop(self._forth.popleft())
        self._keep(self._back, _Step(label, difference, self.state))
        self._newest += 1
        self.state = self._newest

    def undo(self, layers: Layers | None) -> tuple[Layers | None, Change]:
        """Take the last step back; there must be one."""
        return self._move(self._back, self._forth, layers)

    def redo(self, layers: Layers | None) -> tuple[Layers | None, Change]:
        """Make the last step that was undone again; there must be one."""
        return self._move(self._forth, self._back, layers)

    def clear(self) -> None:
        self._back.clear()
        self._forth.clear()
        self._held = 0

    def _move(self, source: deque[_Step], target: deque[_Step], layers: Layers | None) -> tuple[Layers | None, Change]:
        step = source.pop()
        self._drop(step)
        layers, back, change = step.difference.swap(layers)
        self._keep(target, _Step(step.label, back, self.state))
        self.state = step.state
        return layers, change

    def _keep(self, steps: deque[_Step], step: _Step) -> None:
        steps.append(step)
        self._held += step.difference.nbytes
        for oldest_first in (self._back, self._forth):
            while oldest_first and self._held > self.limit:
                self._drop(oldest_first.popleft())

    def _drop(self, step: _Step) -> None:
        self._held -= step.difference.nbytes
