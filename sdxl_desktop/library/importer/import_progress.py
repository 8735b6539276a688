"""Progress of a whole import: downloads and conversion as one fraction, weighted by expected duration."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MIN_SECONDS_FOR_RATE = 3.0
_MIN_FRACTION_FOR_RATE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """`stage` is readable text ("downloading"), `what` the current part or file, of which `done` of `total` bytes or
    weights are done (0 of 0 if unknown). `fraction` is that of the whole job; it never decreases, except if a file was
    corrupt and is downloaded again. `seconds_left` is None while unknown."""

    stage: str
    what: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None


ImportProgressCallback = Callable[[ImportProgress], None]


class PhasedProgress:
    """Reports consecutive phases (downloads, then the conversion) as one job."""

    def __init__(
        self, tell: ImportProgressCallback, seconds: Sequence[float], now: Callable[[], float] = time.monotonic
    ) -> None:
        """`seconds` are the expected durations of the phases; `now` is a clock in seconds."""
        self._callback, self._now = tell, now
        self._seconds = [max(0.1, expected) for expected in seconds]
        self._total_seconds = sum(self._seconds)
        self._phase, self._phase_started, self._phase_start_fraction = 0, now(), 0.0
        self._reported_fraction = 0.0

    def start_phase(self, phase: int) -> None:
        """Start phase number `phase` (from 0); earlier ones are complete."""
        self._phase, self._phase_started, self._phase_start_fraction = phase, self._now(), -1.0

    def update(
        self,
        stage: str,
        item: str,
        done: int,
        total: int,
        phase_fraction: float,
        *,
        seconds_left: float | None = None,
        use_estimate: bool = False,
        restarted: bool = False,
    ) -> None:
        """Set the current phase's progress to `phase_fraction` in [0, 1]. `seconds_left` is for this phase, if known
        better than from its pace; `use_estimate` uses the expected duration until there is a pace; `restarted` says
        that some work is repeated."""
        if self._phase_start_fraction < 0:
            self._phase_start_fraction = phase_fraction  # work of an earlier attempt is excluded from the pace
        before = sum(self._seconds[: self._phase])
        fraction = (before + self._seconds[self._phase] * min(1.0, max(0.0, phase_fraction))) / self._total_seconds
        self._reported_fraction = fraction if restarted else max(self._reported_fraction, fraction)
        left = self._seconds_left(phase_fraction) if seconds_left is None else seconds_left
        if left is None and use_estimate:
            left = self._seconds[self._phase] * (1 - phase_fraction)
        if left is not None:
            left += sum(self._seconds[self._phase + 1 :])
        self._callback(
            ImportProgress(
                stage=stage,
                what=item,
                done=done,
                total=total,
                fraction=round(min(1.0, self._reported_fraction), 5),
                seconds_left=left,
            )
        )

    def _seconds_left(self, phase_fraction: float) -> float | None:
        """Estimate the rest of the current phase from its pace so far."""
        gone, share = self._now() - self._phase_started, phase_fraction - self._phase_start_fraction
        if gone < _MIN_SECONDS_FOR_RATE or share < _MIN_FRACTION_FOR_RATE:
            return None
        return gone / share * (1 - phase_fraction)
