"""Counts what is done of each stage of each part, and tells it as one fraction that never falls."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sdxl_desktop.library.children.words import JobProgress

_SECONDS_BETWEEN = 0.1

S = TypeVar("S", bound=StrEnum)
P = TypeVar("P", bound=JobProgress[Any])


class JobTeller(ABC, Generic[S, P]):
    """Tells progress at most ten times a second, but each new stage at once. What is behind, the kinds of jobs say."""

    def __init__(self, emit: Callable[[P], None], progress: Callable[..., P], starting: S, finishing: S) -> None:
        self._emit, self._progress, self._last = emit, progress, finishing
        self._part, self._stage = "", starting
        self._done, self._total = 0, 0
        self._told, self._told_at = 0.0, 0.0

    @abstractmethod
    def _reached(self, within: float) -> float:
        """What is behind of the whole job, in [0, 1], when `within` in [0, 1] of the present stage is."""

    def advance(self, count: int) -> None:
        """That many more bytes, weights or looks of the stage are done."""
        self._done += count
        if self._done >= self._total or time.monotonic() - self._told_at >= _SECONDS_BETWEEN:
            self._tell()

    def finishing(self) -> None:
        """Every part is done."""
        self._emit(self._progress(stage=self._last, fraction=1.0))

    def _begin(self, part: str, stage: S, total: int) -> None:
        """A stage of `part` begins, with `total` to count."""
        self._part, self._stage, self._done, self._total = part, stage, 0, total
        self._tell()

    def _tell(self) -> None:
        done = min(self._done, self._total)
        fraction = self._reached(done / self._total if self._total else 0.0)
        self._told, self._told_at = max(self._told, min(1.0, fraction)), time.monotonic()
        self._emit(
            self._progress(
                stage=self._stage, part=self._part, done=done, total=self._total, fraction=round(self._told, 5)
            )
        )
