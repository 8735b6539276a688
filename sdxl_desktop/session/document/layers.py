"""The pixels of a document and the vocabulary of how they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.session.document.home import Home

TILE = 256
"""Side in pixels of the squares that undo keeps."""

LayerName = Literal["picture", "mask"]
Place = tuple[int, int]
"""Row and column of a tile."""


@dataclass(slots=True)
class Layers:
    """`picture` uint8 [H, W, 3] and `mask` uint8 [H, W], 255 where new pixels are wanted, both changed in place. `home`
    is the same object for as long as it is the same picture that is worked on, whatever becomes of its size."""

    picture: Bytes
    mask: Bytes
    name: str = ""
    home: Home = field(default_factory=Home)

    @property
    def size(self) -> Size:
        return Size(self.mask.shape[1], self.mask.shape[0])

    @property
    def rect(self) -> Rect:
        return Rect(0, 0, self.mask.shape[1], self.mask.shape[0])

    def layer(self, name: LayerName) -> Bytes:
        """The picture, uint8 [H, W, 3], or the mask, uint8 [H, W]."""
        return self.picture if name == "picture" else self.mask


@dataclass(frozen=True, slots=True)
class Change:
    """What became different: the box of pixels, in which layers. `rect` is None when the document has another size
    than before, or pixel buffers of its own: then nothing known of it holds."""

    rect: Rect | None
    picture: bool = False
    mask: bool = False


def window(rect: Rect) -> tuple[slice, slice]:
    """The index of a box into a layer."""
    return slice(rect.y, rect.bottom), slice(rect.x, rect.right)


def tiles(within: Rect) -> Iterator[Place]:
    """The tiles that a box touches."""
    for row in range(within.y // TILE, -(-within.bottom // TILE)):
        for column in range(within.x // TILE, -(-within.right // TILE)):
            yield row, column


def tile(layer: Bytes, place: Place) -> Bytes:
    """A view of one tile of `layer`, uint8 [H, W] or [H, W, 3], smaller than TILE at the right and lower border."""
    row, column = place
    return layer[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]


def tile_rect(layer: Bytes, place: Place) -> Rect:
    """Where a tile of `layer`, uint8 [H, W] or [H, W, 3], lies."""
    height, width = tile(layer, place).shape[:2]
    return Rect(place[1] * TILE, place[0] * TILE, width, height)


def as_picture(pixels: Bytes) -> Bytes:
    """A copy of `pixels` (uint8 [H, W, 3]) that may be changed."""
    return np.array(pixels, dtype=np.uint8, order="C")
