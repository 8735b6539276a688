"""The bounding box of a mask, updated incrementally from the changed tiles."""

from __future__ import annotations

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.layers import TileIndex, tile, tile_rect, tiles


class MaskBounds:
    """Tracks the bounding box of the mask. Call `mark_changed` on every change and `compute` to get the box.

    A stroke touches few tiles, so calling `compute` during one costs microseconds on a picture of any size.
    """

    def __init__(self) -> None:
        self._boxes: dict[TileIndex, Rect] = {}
        self._stale: set[TileIndex] | None = None
        """Tiles to be rescanned; None: all tiles."""

    def mark_changed(self, rect: Rect | None) -> None:
        """Mark `rect`, or everything if None, as changed."""
        if rect is None:
            self._stale = None
        elif self._stale is not None:
            self._stale.update(tiles(rect))

    def compute(self, mask: UInt8Array | None) -> Rect | None:
        """Return the bounding box of the pixels of `mask` (uint8 [H, W]) that are not 0, or None if all are 0."""
        if mask is None:
            self._boxes, self._stale = {}, None
            return None
        if self._stale is None:
            self._boxes = {}
            if not mask.any():  # a new picture's mask: checking it whole is faster than by tiles
                self._stale = set()
                return None
        whole = Rect(0, 0, mask.shape[1], mask.shape[0])
        for place in tiles(whole) if self._stale is None else self._stale:
            found = _box_in_tile(mask, place)
            if found is None:
                self._boxes.pop(place, None)
            else:
                self._boxes[place] = found
        self._stale = set()
        around: Rect | None = None
        for box in self._boxes.values():
            around = box if around is None else around.united(box)
        return around


def _box_in_tile(mask: UInt8Array, place: TileIndex) -> Rect | None:
    pixels = tile(mask, place)
    columns = pixels.max(axis=0, initial=0).nonzero()[0]
    if not columns.size:
        return None
    rows = pixels.max(axis=1).nonzero()[0]
    corner = tile_rect(mask, place)
    return Rect(
        corner.x + int(columns[0]),
        corner.y + int(rows[0]),
        int(columns[-1] - columns[0]) + 1,
        int(rows[-1] - rows[0]) + 1,
    )
