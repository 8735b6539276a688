"""Where each picture and each day's heading is in the grid. Values only, in device-independent pixels.

A group is laid out as whole rows below its heading, so the place of any picture among fifty thousand is found by
bisecting the groups.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from PySide6.QtCore import QPoint, QRect, QSize

HEADING_HEIGHT = 40
GAP = 8
MARGIN = 16


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring pictures with one heading."""

    title: str
    count: int


@dataclass(frozen=True)
class GridLayout:
    """Square cells of `side` in a grid `width` wide. Pictures are counted from 0 through all groups."""

    groups: Sequence[Group] = ()
    side: int = 160
    width: int = 640
    columns: int = field(init=False)
    _starts: list[int] = field(init=False, repr=False)
    """The number of the first picture of each group, and the count of all."""
    _tops: list[int] = field(init=False, repr=False)
    """The top of each group, and the bottom of the last."""

    def __post_init__(self) -> None:
        columns = max(1, (self.width - 2 * MARGIN + GAP) // (self.side + GAP))
        heights = (HEADING_HEIGHT + -(-group.count // columns) * (self.side + GAP) for group in self.groups)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_starts", list(accumulate((group.count for group in self.groups), initial=0)))
        object.__setattr__(self, "_tops", list(accumulate(heights, initial=0)))

    @property
    def count(self) -> int:
        return self._starts[-1]

    @property
    def height(self) -> int:
        return self._tops[-1] + MARGIN if self.groups else 0

    def rect(self, number: int) -> QRect:
        """Return the cell of picture `number`, from 0 to `count` - 1."""
        group = self._group_of(number)
        row, column = divmod(number - self._starts[group], self.columns)
        top = self._tops[group] + HEADING_HEIGHT + row * (self.side + GAP)
        return QRect(QPoint(MARGIN + column * (self.side + GAP), top), QSize(self.side, self.side))

    def number_at(self, point: QPoint) -> int | None:
        """Return the picture whose cell contains `point`, None between the cells."""
        for number in self.numbers_in(QRect(point, QSize(1, 1))):
            return number
        return None

    def numbers_in(self, rect: QRect) -> list[int]:
        """Return the pictures whose cells intersect `rect`, in order."""
        pitch = self.side + GAP
        first = max(0, -(-(rect.left() - MARGIN - self.side + 1) // pitch))
        last = min(self.columns - 1, (rect.right() - MARGIN) // pitch)
        found: list[int] = []
        for start, count, top in self._groups_between(rect.top(), rect.bottom()):
            grid_top = top + HEADING_HEIGHT
            first_row = max(0, -(-(rect.top() - grid_top - self.side + 1) // pitch))
            last_row = min(-(-count // self.columns) - 1, (rect.bottom() - grid_top) // pitch)
            for row in range(first_row, last_row + 1):
                line = row * self.columns
                found += range(start + line + first, start + min(line + last, count - 1) + 1)
        return found

    def visible(self, top: int, bottom: int) -> range:
        """Return the pictures of all rows that intersect the band from `top` to `bottom`."""
        found = self.numbers_in(QRect(0, top, max(self.width, MARGIN + self.side), bottom - top + 1))
        return range(found[0], found[-1] + 1) if found else range(0)

    def headings(self, top: int, bottom: int) -> Iterator[tuple[Group, QRect]]:
        """Yield the groups whose headings intersect the band from `top` to `bottom`, with their rectangles."""
        for index in range(bisect_right(self._tops, top - HEADING_HEIGHT), len(self.groups)):
            if self._tops[index] > bottom:
                return
            yield self.groups[index], QRect(MARGIN, self._tops[index], self.width - 2 * MARGIN, HEADING_HEIGHT)

    def group_at(self, y: int) -> Group | None:
        """Return the group at this height, for instance to show its title while scrolling."""
        if not self.groups:
            return None
        return self.groups[max(0, min(bisect_right(self._tops, y) - 1, len(self.groups) - 1))]

    def below(self, number: int, rows: int) -> int:
        """Return the picture `rows` rows below `number` (above if negative) in the same column, or nearest to it."""
        if not self.count:
            return 0
        group = self._group_of(number)
        row, column = divmod(number - self._starts[group], self.columns)
        row += rows
        while row < 0 and group > 0:
            group -= 1
            row += self._rows(group)
        while row >= self._rows(group) and group < len(self.groups) - 1:
            row -= self._rows(group)
            group += 1
        row = max(0, min(row, self._rows(group) - 1))
        last = self._starts[group + 1] - 1
        return min(self._starts[group] + row * self.columns + column, last)

    def _rows(self, group: int) -> int:
        return -(-self.groups[group].count // self.columns)

    def _group_of(self, number: int) -> int:
        return min(bisect_right(self._starts, number), len(self.groups)) - 1

    def _groups_between(self, top: int, bottom: int) -> Iterator[tuple[int, int, int]]:
        """Yield first picture, count and top of the groups that intersect the band."""
        for index in range(max(0, bisect_right(self._tops, top) - 1), len(self.groups)):
            if self._tops[index] > bottom:
                return
            yield self._starts[index], self.groups[index].count, self._tops[index]
