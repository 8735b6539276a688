"""How far the picture will extend beyond its edges, while the person drags, nudges or cancels."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.session.document.document import MAX_SIDE

EXPANSION_STEP = 8
"""Pixels: a picture is extended in multiples of one latent's size, so that the new area starts at whole latents."""


@dataclass(frozen=True, slots=True)
class EdgeHandle:
    """An edge or a corner of the picture: -1 left or top, 1 right or bottom, 0 neither."""

    across: int
    down: int

    @property
    def is_corner(self) -> bool:
        return bool(self.across and self.down)


LEFT, TOP, RIGHT, BOTTOM = EdgeHandle(-1, 0), EdgeHandle(0, -1), EdgeHandle(1, 0), EdgeHandle(0, 1)
HANDLES = tuple(EdgeHandle(across, down) for down in (-1, 0, 1) for across in (-1, 0, 1) if across or down)


@dataclass(frozen=True, slots=True)
class Expansion:
    """Pixels added on each side, each 0 or a positive multiple of EXPANSION_STEP. False if all are 0."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return bool(self.left or self.top or self.right or self.bottom)

    def box(self, picture: Size) -> Rect:
        """The extended picture's box in coordinates of the current one; its corner may be negative."""
        return Rect(-self.left, -self.top, *self._sides(picture))

    def size(self, picture: Size) -> Size:
        return Size(*self._sides(picture))

    def _sides(self, picture: Size) -> tuple[int, int]:
        return picture.width + self.left + self.right, picture.height + self.top + self.bottom

    def on_side(self, handle: EdgeHandle) -> int:
        """Pixels added on the side of an edge handle."""
        return {LEFT: self.left, TOP: self.top, RIGHT: self.right, BOTTOM: self.bottom}[handle]

    def dragged(self, handle: EdgeHandle, dx: float, dy: float, picture: Size, *, symmetric: bool = False) -> Expansion:
        """Drag the edge or corner at `handle` by (dx, dy) pixels; inwards at most to the picture's own edge.

        `symmetric`: an edge also moves the opposite one, a corner keeps the picture's aspect ratio.
        """
        out_x, out_y = dx * handle.across, dy * handle.down
        if handle.is_corner and symmetric:
            share = max(out_x / picture.width, out_y / picture.height)
            out_x, out_y = share * picture.width, share * picture.height
        left, right = _expand_axis(
            self.left, self.right, handle.across, out_x, picture.width, both=symmetric and not handle.down
        )
        top, bottom = _expand_axis(
            self.top, self.bottom, handle.down, out_y, picture.height, both=symmetric and not handle.across
        )
        return Expansion(left, top, right, bottom)

    def nudged(
        self, direction: EdgeHandle, last_handle: EdgeHandle | None, by: int, picture: Size
    ) -> tuple[Expansion, EdgeHandle]:
        """Handle an arrow key in `direction` and return the handle that moved; `last_handle` is the edge moved last.

        The arrow moves the last edge outwards or back. If that edge cannot move, the edge on the arrow's own side moves
        outwards and is returned.
        """
        if last_handle == EdgeHandle(-direction.across, -direction.down) and self.on_side(last_handle):
            return self.dragged(last_handle, direction.across * by, direction.down * by, picture), last_handle
        return self.dragged(direction, direction.across * by, direction.down * by, picture), direction


def _expand_axis(low: int, high: int, way: int, out: float, side: int, *, both: bool) -> tuple[int, int]:
    """Return the expansion at both ends of an axis of `side` pixels after dragging the end `way` outwards by `out`."""
    if way == 0:
        return low, high
    here, there = (low, high) if way < 0 else (high, low)
    room = (MAX_SIDE - side) // 2 if both else MAX_SIDE - side - there
    here = min(max(0, round((here + out) / EXPANSION_STEP)), max(0, room) // EXPANSION_STEP) * EXPANSION_STEP
    there = here if both else there
    return (here, there) if way < 0 else (there, here)
