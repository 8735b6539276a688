"""Progress of a job with several parts and phases, reported as one fraction that never decreases."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

_SECONDS_BETWEEN_REPORTS = 0.1

PhaseT = TypeVar("PhaseT", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress(Generic[PhaseT]):
    """The current `part` ("unet"), its `phase`, `done` of `total` in the phase (bytes, weights or UNet calls; 0 of 0 if
    nothing is counted), and the completed `fraction` of the whole job, which never decreases."""

    phase: PhaseT
    part: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0


ProgressT = TypeVar("ProgressT", bound=JobProgress[Any])


class ProgressReporter(ABC, Generic[PhaseT, ProgressT]):
    """Reports progress at most ten times a second, but each new phase at once. Subclasses define the fraction of the
    job that each phase of a part completes."""

    def __init__(
        self, emit: Callable[[ProgressT], None], progress: Callable[..., ProgressT], first: PhaseT, last: PhaseT
    ) -> None:
        self._emit, self._progress, self._last = emit, progress, last
        self._part, self._phase = "", first
        self._done, self._total = 0, 0
        self._fraction, self._reported_at = 0.0, 0.0

    @abstractmethod
    def _fraction_at(self, within: float) -> float:
        """Return the completed fraction of the whole job, in [0, 1], when `within` in [0, 1] of the current phase is
        done."""

    def advance(self, count: int) -> None:
        """Count `count` more bytes, weights or UNet calls of the phase as done."""
        self._done += count
        if self._done >= self._total or time.monotonic() - self._reported_at >= _SECONDS_BETWEEN_REPORTS:
            self._report()

    def report_finishing(self) -> None:
        """Report that all parts are done."""
        self._emit(self._progress(phase=self._last, fraction=1.0))

    def _begin(self, part: str, phase: PhaseT, total: int) -> None:
        """Start a phase of `part` with `total` items."""
        self._part, self._phase, self._done, self._total = part, phase, 0, total
        self._report()

    def _report(self) -> None:
        done = min(self._done, self._total)
        fraction = self._fraction_at(done / self._total if self._total else 0.0)
        self._fraction, self._reported_at = max(self._fraction, min(1.0, fraction)), time.monotonic()
        self._emit(
            self._progress(
                phase=self._phase, part=self._part, done=done, total=self._total, fraction=round(self._fraction, 5)
            )
        )
