"""Sizes and points in pixels, always (width, height) and (x, y)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sdxl_desktop.core.errors import RequestError

_MIN_AREA_RATIO, _MAX_AREA_RATIO = 0.8, 1.35
"""Limits for the ratio of a size's pixels to the wanted number of pixels."""


def _nearby_multiples(side: float, multiple: int, maximum: int) -> tuple[int, ...]:
    """Return up to four multiples around `side`, none of them 0 or above `maximum`."""
    below = int(side // multiple)
    top = max(1, maximum // multiple)
    return tuple(sorted({multiple * min(max(1, n), top) for n in range(below - 1, below + 3)}))


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels, both at least 1."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise RequestError(
                f"A size of {self.width}x{self.height} has no pixels.",
                next_step="Give a width and a height of at least 1, for instance 1024x1024.",
            )

    @classmethod
    def parse(cls, text: str) -> Size:
        """Parse "WIDTHxHEIGHT"; raises RequestError for anything else."""
        match = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", text)
        if match is None:
            raise RequestError(
                f"{text!r} is not a size.", next_step="Write WIDTHxHEIGHT in pixels, for instance 1024x768."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def swapped(self) -> Size:
        return Size(self.height, self.width)

    def rounded_to_multiple(self, multiple: int) -> Size:
        """Return the nearest size whose sides are multiples of `multiple`, at least one multiple each."""

        def nearest(side: int) -> int:
            return max(multiple, (side + multiple // 2) // multiple * multiple)

        return Size(nearest(self.width), nearest(self.height))

    def with_aspect_ratio_of(self, shape: Size, multiple: int, max_side: int) -> Size:
        """Return a size with about as many pixels as this one and nearly the aspect ratio of `shape`: among those whose
        sides are multiples of `multiple` and at most `max_side`, the nearest in ratio, unless its area is far off."""
        scale = math.sqrt(self.pixel_count / shape.pixel_count)
        ways = [_nearby_multiples(side * scale, multiple, max_side) for side in (shape.width, shape.height)]

        def cost(size: Size) -> tuple[bool, float, Size]:
            area = size.pixel_count / self.pixel_count
            off = math.log(size.width / size.height * shape.height / shape.width)
            return not _MIN_AREA_RATIO <= area <= _MAX_AREA_RATIO, abs(off) + abs(math.log(area)) / 4, size

        return min((Size(width, height) for width in ways[0] for height in ways[1]), key=cost)

    @property
    def pixel_count(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A position in pixels from the top left corner, both coordinates at least 0."""

    x: int
    y: int

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0:
            raise RequestError(
                f"The point {self.x},{self.y} lies outside the picture.",
                next_step="Give two coordinates of at least 0, counted from the top left corner.",
            )

    @classmethod
    def parse(cls, text: str) -> Point:
        """Parse "X,Y"; raises RequestError for anything else."""
        match = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", text)
        if match is None:
            raise RequestError(
                f"{text!r} is not a point.",
                next_step="Write X,Y in pixels from the top left, for instance 0,128.",
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.x},{self.y}"


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels: left and top (may lie outside a picture), width and height (at least 1)."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise RequestError(f"A box of {self.width}x{self.height} has no pixels.", next_step="Draw a larger one.")

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def right(self) -> int:
        """The first column right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below the rectangle."""
        return self.y + self.height

    def intersected(self, other: Rect) -> Rect | None:
        """Return the intersection, or None."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Rect(x, y, right - x, bottom - y) if right > x and bottom > y else None

    def united(self, other: Rect) -> Rect:
        """Return the bounding rectangle of both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Rect(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)
