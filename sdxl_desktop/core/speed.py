"""Speed presets: three trade-offs between time and exactness, and their meaning for the steps of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCaching:
    """Which steps compute the whole UNet; the others reuse the deep feature of the last full step (Ma et al.,
    "DeepCache", arXiv 2312.00858).

    One step in `interval` (at least 1) is computed in full, and at least `min_full_steps` of them. `edge_bias` in [0,
    1) moves full steps from the middle to both ends, where the trajectory bends; with 0 every n-th step is full.
    `depth` counts the joins of the UNet's last up block from its end (1, 2, 3): a deeper cut recomputes more and loses
    less. With `extrapolate` the feature follows the line through the last two full steps instead of staying constant.
    """

    interval: float
    edge_bias: float = 0.0
    min_full_steps: int = 4
    depth: int = 1
    extrapolate: bool = True

    def __post_init__(self) -> None:
        if not (self.interval >= 1 and 0 <= self.edge_bias < 1 and self.min_full_steps >= 1 and self.depth >= 1):
            raise RequestError("This way of caching steps is none.", why=f"It is {self}.")

    def full_steps(self, steps: int) -> tuple[int, ...]:
        """Return which of `steps` steps, counted from 1 and ascending, are computed in full; the first always is.

        With n of them the k-th, from 0, is at the fraction w(k / n), w(u) = u - edge_bias · sin(2πu) / 2π: this
        advances more slowly at both ends (by 1 - edge_bias) than in the middle (1 + edge_bias).
        """
        count = min(steps, max(math.ceil(steps / self.interval), self.min_full_steps))
        chosen: list[int] = []
        for k in range(count):
            u = k / count
            warped = u - self.edge_bias * math.sin(math.tau * u) / math.tau
            after = chosen[-1] + 1 if chosen else 1
            chosen.append(min(max(1 + math.floor(warped * steps + 1e-9), after), steps - count + k + 1))
        return tuple(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedPlan:
    """The optimizations of a run; None for those that are off."""

    step_caching: StepCaching | None = None


class SpeedPreset(StrEnum):
    """A trade-off between time and exactness; the value is used on the command line and in metadata."""

    EXACT = "exact"
    BALANCED = "balanced"
    FAST = "fast"

    @property
    def label(self) -> str:
        """The display name."""
        return {"exact": "Exact", "balanced": "Balanced", "fast": "Fast"}[self.value]

    @property
    def help(self) -> str:
        """One plain sentence on the effect."""
        return _HELP[self]

    @property
    def plan(self) -> SpeedPlan:
        """The plan for the steps."""
        return _PLANS[self]

    @classmethod
    def parse(cls, text: str) -> SpeedPreset:
        """Parse a name in any spelling; raises RequestError."""
        for speed in cls:
            if text.strip().lower() == speed.value:
                return speed
        raise RequestError(
            f"There is no speed called {text!r}.",
            next_step="Choose one of: " + ", ".join(speed.value for speed in cls) + ".",
        )


DEFAULT_SPEED = SpeedPreset.BALANCED
"""The default for new runs. Older records without a speed are read as exact."""

_HELP = {
    SpeedPreset.EXACT: "Every step is computed in full: what the checkpoint draws, to the last bit.",
    SpeedPreset.BALANCED: "One step in three is computed in full, the others reuse its deep layers: "
    "the difference is hardly visible.",
    SpeedPreset.FAST: "One step in six is computed in full, the others reuse its deep layers: fine detail may differ.",
}

_PLANS = {
    SpeedPreset.EXACT: SpeedPlan(),
    SpeedPreset.BALANCED: SpeedPlan(step_caching=StepCaching(interval=3, edge_bias=0.25, depth=2)),
    SpeedPreset.FAST: SpeedPlan(step_caching=StepCaching(interval=6, depth=2)),
}
"""Measured by `python -m benchmarks.quality` and `benchmarks.speed`. Both cut at the same depth: switching between them
compiles nothing. The last join would make a shallow step four times cheaper still, but costs 8 dB. Of SDXL's 30 steps
at 256 x 256 fast computes 5 in full, since decoding takes as long as one more, and a shallow step a twentieth; so few
are best spread evenly. Guidance in a limited interval of noise levels (arXiv 2404.07724) is not part of either: with
few full steps it saves next to nothing, and costs 14 dB."""
