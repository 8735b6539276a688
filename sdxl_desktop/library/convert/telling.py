"""Turns what is done in each stage of each part into one fraction that never falls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdxl_desktop.library.children.telling import JobTeller
from sdxl_desktop.library.convert.events import ConversionProgress, Stage

_SPANS = {
    Stage.CHECKING: (0.0, 1.0),
    Stage.TRACING: (0.0, 0.35),
    Stage.COMPRESSING: (0.35, 0.75),
    Stage.WRITING: (0.75, 1.0),
    Stage.COPYING: (0.0, 1.0),
}
"""Of a part's work, what is behind when the stage begins and when it ends."""
Emit = Callable[[ConversionProgress], None]


class Teller(JobTeller[Stage, ConversionProgress]):
    """Tells progress of `parts`, each with the weight it has in the whole, at most ten times a second."""

    def __init__(self, emit: Emit, parts: Sequence[tuple[str, int]]) -> None:
        super().__init__(emit, ConversionProgress, Stage.STARTING, Stage.FINISHING)
        self._weights = dict(parts)
        self._whole = max(1, sum(self._weights.values()))
        self._before = 0.0

    def go_to(self, part: str) -> None:
        """`part` comes now; those before it are behind."""
        names = list(self._weights)
        behind = names[: names.index(part)]
        self._before = sum(self._weights[name] for name in behind) / self._whole
        self._part = part

    def stage(self, stage: Stage, total: int = 0) -> None:
        """A stage of the current part begins, with `total` bytes or weights to count."""
        self._begin(self._part, stage, total)

    def checking(self, part: str, total: int) -> None:
        """`part`, which is there already and has `total` bytes to be looked at, comes now."""
        self.go_to(part)
        self.stage(Stage.CHECKING, total)

    def _reached(self, within: float) -> float:
        start, end = _SPANS.get(self._stage, (0.0, 0.0))
        return self._before + (start + (end - start) * within) * self._weights.get(self._part, 0) / self._whole
