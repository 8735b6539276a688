"""Turns what is done in each stage of each part into one fraction that never falls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sdxl_desktop.library.convert.events import ConversionProgress, Stage

_SHARES = {Stage.CHECKING: 0.0, Stage.TRACING: 0.0, Stage.COMPRESSING: 0.35, Stage.WRITING: 0.75, Stage.COPYING: 0.0}
"""Of a part's work, what is behind when the stage begins."""
_ENDS = {
    Stage.CHECKING: 1.0,
    Stage.TRACING: 0.35,
    Stage.COMPRESSING: 0.75,
    Stage.WRITING: 1.0,
    Stage.COPYING: 1.0,
}
_SECONDS_BETWEEN = 0.1
Emit = Callable[[ConversionProgress], None]


class Teller:
    """Tells progress of `parts`, each with the weight it has in the whole, at most ten times a second."""

    def __init__(self, emit: Emit, parts: Sequence[tuple[str, int]]) -> None:
        self._emit = emit
        self._weights = dict(parts)
        self._total = max(1, sum(self._weights.values()))
        self._before, self._part = 0.0, ""
        self._told, self._told_at, self._stage = 0.0, 0.0, Stage.STARTING
        self._done, self._whole = 0, 0

    def go_to(self, part: str) -> None:
        """`part` comes now; those before it are behind."""
        names = list(self._weights)
        behind = names[: names.index(part)]
        self._before = sum(self._weights[name] for name in behind) / self._total
        self._part = part

    def stage(self, stage: Stage, total: int = 0) -> None:
        """A stage of the current part begins, with `total` bytes or weights to count."""
        self._stage, self._done, self._whole = stage, 0, total
        self._tell(at_once=True)

    def checking(self, part: str, total: int) -> None:
        """`part`, which is there already and has `total` bytes to be looked at, comes now."""
        self.go_to(part)
        self.stage(Stage.CHECKING, total)

    def advance(self, count: int) -> None:
        """That many more bytes or weights of the stage are done."""
        self._done += count
        self._tell()

    def finishing(self) -> None:
        """Every part is done."""
        self._emit(ConversionProgress(stage=Stage.FINISHING, fraction=1.0))

    def _tell(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._told_at < _SECONDS_BETWEEN and self._done < self._whole:
            return
        start, end = _SHARES.get(self._stage, 0.0), _ENDS.get(self._stage, 0.0)
        within = start + (end - start) * (min(1.0, self._done / self._whole) if self._whole else 0.0)
        fraction = self._before + within * self._weights.get(self._part, 0) / self._total
        self._told, self._told_at = max(self._told, min(1.0, fraction)), now
        self._emit(
            ConversionProgress(
                stage=self._stage,
                part=self._part,
                done=min(self._done, self._whole),
                total=self._whole,
                fraction=round(self._told, 5),
            )
        )
