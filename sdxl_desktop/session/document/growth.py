"""How far a picture is to grow beyond its edges while somebody still decides: dragged, nudged, or given up."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.session.document.document import MAX_SIDE

STEP = 8
"""Pixels: a picture grows in multiples of what one latent covers, so that what is new begins on whole latents."""


@dataclass(frozen=True, slots=True)
class Grip:
    """An edge or a corner of the picture: -1 left or top, 1 right or bottom, 0 neither."""

    across: int
    down: int

    @property
    def is_corner(self) -> bool:
        return bool(self.across and self.down)


LEFT, TOP, RIGHT, BOTTOM = Grip(-1, 0), Grip(0, -1), Grip(1, 0), Grip(0, 1)
GRIPS = tuple(Grip(across, down) for down in (-1, 0, 1) for across in (-1, 0, 1) if across or down)


@dataclass(frozen=True, slots=True)
class Growth:
    """Pixels on each side, each 0 or a positive multiple of STEP. False when there are none."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return bool(self.left or self.top or self.right or self.bottom)

    def box(self, picture: Size) -> Rect:
        """The grown picture's box in the pixels of the present one: its corner may be negative."""
        return Rect(-self.left, -self.top, *self._sides(picture))

    def size(self, picture: Size) -> Size:
        return Size(*self._sides(picture))

    def _sides(self, picture: Size) -> tuple[int, int]:
        return picture.width + self.left + self.right, picture.height + self.top + self.bottom

    def at(self, grip: Grip) -> int:
        """Pixels on the side that an edge's grip stands for."""
        return {LEFT: self.left, TOP: self.top, RIGHT: self.right, BOTTOM: self.bottom}[grip]

    def dragged(self, grip: Grip, dx: float, dy: float, picture: Size, *, even: bool = False) -> Growth:
        """The edge or corner at `grip` dragged by (dx, dy) pixels; inwards only as far as the picture's own edge.

        `even`: an edge takes the opposite one along, a corner keeps the picture's aspect ratio.
        """
        out_x, out_y = dx * grip.across, dy * grip.down
        if grip.is_corner and even:
            share = max(out_x / picture.width, out_y / picture.height)
            out_x, out_y = share * picture.width, share * picture.height
        left, right = _along(self.left, self.right, grip.across, out_x, picture.width, both=even and not grip.down)
        top, bottom = _along(self.top, self.bottom, grip.down, out_y, picture.height, both=even and not grip.across)
        return Growth(left, top, right, bottom)

    def nudged(self, direction: Grip, held: Grip | None, by: int, picture: Size) -> tuple[Growth, Grip]:
        """An arrow key: `direction` is an edge's grip, `held` the edge moved last; which one it is then comes along.

        The arrow moves the edge in hand, outwards or back; where that one cannot go, the edge on the arrow's own side
        is taken in hand and moves outwards.
        """
        if held == Grip(-direction.across, -direction.down) and self.at(held):
            return self.dragged(held, direction.across * by, direction.down * by, picture), held
        return self.dragged(direction, direction.across * by, direction.down * by, picture), direction


def _along(low: int, high: int, way: int, out: float, side: int, *, both: bool) -> tuple[int, int]:
    """The growth at both ends of one axis of `side` pixels, after the end `way` was dragged outwards by `out`."""
    if way == 0:
        return low, high
    here, there = (low, high) if way < 0 else (high, low)
    room = (MAX_SIDE - side) // 2 if both else MAX_SIDE - side - there
    here = min(max(0, round((here + out) / STEP)), max(0, room) // STEP) * STEP
    there = here if both else there
    return (here, there) if way < 0 else (there, here)
