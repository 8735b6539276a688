"""Which pictures of the grid are selected: by id, so that a selection survives new pictures and another order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class GridSelection:
    """The selected ids, the current one, which has the focus, and the anchor of a range."""

    selected: set[int] = field(default_factory=set)
    current: int | None = None
    _anchor: int | None = None

    def select_only(self, entry: int) -> None:
        self.selected = {entry}
        self.current = self._anchor = entry

    def toggle(self, entry: int) -> None:
        self.selected ^= {entry}
        self.current = self._anchor = entry

    def move_current(self, entry: int) -> None:
        """Move the focus and leave the selection as it is."""
        self.current = entry

    def extend_to(self, entry: int, order: Sequence[int], numbers: dict[int, int], *, keep: bool = False) -> None:
        """Select the range from the anchor to `entry` in `order`, whose positions `numbers` has; `keep` what was
        selected before."""
        anchor = self._anchor if self._anchor in numbers else entry
        assert anchor is not None
        first, last = sorted((numbers[anchor], numbers[entry]))
        span = set(order[first : last + 1])
        self.selected = self.selected | span if keep else span
        self.current, self._anchor = entry, anchor

    def set(self, entries: Iterable[int]) -> None:
        self.selected = set(entries)

    def clear(self) -> None:
        self.selected = set()

    def restrict(self, order: Sequence[int], numbers: dict[int, int], previous: Sequence[int]) -> None:
        """Keep what is still listed in `order`. If the current picture is not, the one that took its place in
        `previous` becomes the current one, and the selected one if nothing else is."""
        self.selected = {entry for entry in self.selected if entry in numbers}
        if self._anchor not in numbers:
            self._anchor = None
        if self.current is None or self.current in numbers:
            return
        self.current = _successor(self.current, order, numbers, previous)
        self._anchor = self.current
        if not self.selected and self.current is not None:
            self.selected = {self.current}


def _successor(gone: int, order: Sequence[int], numbers: dict[int, int], previous: Sequence[int]) -> int | None:
    """Return the picture after `gone` in `previous` that is still listed, else the last one; None if there is none."""
    if not order:
        return None
    try:
        place = list(previous).index(gone)
    except ValueError:
        return order[0]
    return next((entry for entry in previous[place + 1 :] if entry in numbers), order[-1])
