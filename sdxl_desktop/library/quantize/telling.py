"""Turns what is done in each stage of each part into one fraction that never falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sdxl_desktop.library.children.telling import JobTeller
from sdxl_desktop.library.quantize.events import QuantizationProgress, Stage

Emit = Callable[[QuantizationProgress], None]
Steps = Mapping[tuple[str, Stage], float]
"""Seconds that each stage of each part is expected to take, in the order they come."""


class Teller(JobTeller[Stage, QuantizationProgress]):
    """Tells progress through `steps`, at most ten times a second. A stage that is skipped counts as done."""

    def __init__(self, emit: Emit, steps: Steps) -> None:
        super().__init__(emit, QuantizationProgress, Stage.STARTING, Stage.FINISHING)
        self._steps = dict(steps)
        self._all = max(1e-9, sum(self._steps.values()))

    def stage(self, part: str, stage: Stage, total: int = 0) -> None:
        """A stage begins, with `total` of something to count."""
        self._begin(part, stage, total)

    def _reached(self, within: float) -> float:
        at, names = (self._part, self._stage), list(self._steps)
        before = names[: names.index(at)] if at in self._steps else []
        return (sum(self._steps[name] for name in before) + self._steps.get(at, 0.0) * within) / self._all
