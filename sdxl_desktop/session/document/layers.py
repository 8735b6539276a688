"""The pixels of a document and the types that describe changes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.save_state import SaveState

TILE_SIZE = 256
"""Side in pixels of the square tiles that undo stores."""

LayerName = Literal["picture", "mask"]
TileIndex = tuple[int, int]
"""Row and column of a tile."""


@dataclass(slots=True)
class Layers:
    """`picture` uint8 [H, W, 3] and `mask` uint8 [H, W], 255 where new pixels are wanted; both are changed in place.
    `save_state` remains the same object while the same picture is edited, even if its size changes."""

    picture: UInt8Array
    mask: UInt8Array
    name: str = ""
    save_state: SaveState = field(default_factory=SaveState)

    @property
    def size(self) -> Size:
        return Size(self.mask.shape[1], self.mask.shape[0])

    @property
    def rect(self) -> Rect:
        return Rect(0, 0, self.mask.shape[1], self.mask.shape[0])

    def layer(self, name: LayerName) -> UInt8Array:
        """The picture, uint8 [H, W, 3], or the mask, uint8 [H, W]."""
        return self.picture if name == "picture" else self.mask


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """The changed box of pixels and the affected layers. `rect` is None if the document's size or pixel buffers were
    replaced: cached data is then invalid."""

    rect: Rect | None
    picture: bool = False
    mask: bool = False


def rect_slices(rect: Rect) -> tuple[slice, slice]:
    """Return the index of a box into a layer."""
    return slice(rect.y, rect.bottom), slice(rect.x, rect.right)


def tiles(within: Rect) -> Iterator[TileIndex]:
    """Yield the tiles that a box touches."""
    for row in range(within.y // TILE_SIZE, -(-within.bottom // TILE_SIZE)):
        for column in range(within.x // TILE_SIZE, -(-within.right // TILE_SIZE)):
            yield row, column


def tile(layer: UInt8Array, index: TileIndex) -> UInt8Array:
    """A view of a tile of `layer`, uint8 [H, W] or [H, W, 3]; smaller than TILE_SIZE at the right and lower border."""
    row, column = index
    return layer[row * TILE_SIZE : (row + 1) * TILE_SIZE, column * TILE_SIZE : (column + 1) * TILE_SIZE]


def tile_rect(layer: UInt8Array, index: TileIndex) -> Rect:
    """The box of a tile of `layer`, uint8 [H, W] or [H, W, 3]."""
    height, width = tile(layer, index).shape[:2]
    return Rect(index[1] * TILE_SIZE, index[0] * TILE_SIZE, width, height)


def copy_pixels(pixels: UInt8Array) -> UInt8Array:
    """Return a writable copy of `pixels` (uint8 [H, W, 3])."""
    return np.array(pixels, dtype=np.uint8, order="C")
