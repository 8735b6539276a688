"""Turns what is done in each stage of each part into one fraction that never falls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sdxl_desktop.library.quantize.events import QuantizationProgress, Stage

_SECONDS_BETWEEN = 0.1
Emit = Callable[[QuantizationProgress], None]
Steps = Mapping[tuple[str, Stage], float]
"""Seconds that each stage of each part is expected to take, in the order they come."""


class Teller:
    """Tells progress through `steps`, at most ten times a second. A stage that is skipped counts as done."""

    def __init__(self, emit: Emit, steps: Steps) -> None:
        self._emit, self._steps = emit, dict(steps)
        self._all = max(1e-9, sum(self._steps.values()))
        self._at: tuple[str, Stage] = ("", Stage.STARTING)
        self._done, self._total = 0, 0
        self._told, self._told_at = 0.0, 0.0

    def stage(self, part: str, stage: Stage, total: int = 0) -> None:
        """A stage begins, with `total` of something to count."""
        self._at, self._done, self._total = (part, stage), 0, total
        self._tell(at_once=True)

    def advance(self, count: int) -> None:
        """That much more of the stage is done."""
        self._done += count
        self._tell()

    def finishing(self) -> None:
        """Every part is done."""
        self._emit(QuantizationProgress(stage=Stage.FINISHING, fraction=1.0))

    def _tell(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._told_at < _SECONDS_BETWEEN and self._done < self._total:
            return
        done = min(self._done, self._total)
        seconds = self._behind() + self._steps.get(self._at, 0.0) * (done / self._total if self._total else 0.0)
        self._told, self._told_at = max(self._told, min(1.0, seconds / self._all)), now
        self._emit(
            QuantizationProgress(
                stage=self._at[1], part=self._at[0], done=done, total=self._total, fraction=round(self._told, 5)
            )
        )

    def _behind(self) -> float:
        names = list(self._steps)
        before = names[: names.index(self._at)] if self._at in self._steps else []
        return sum(self._steps[name] for name in before)
