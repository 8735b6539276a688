"""A quantization as a job of a worker: what it is given, and the progress that it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.workers.progress import JobProgress, ProgressReporter


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationJob:
    """What to quantize and how, where it comes together (`home` and `key` of the workspace), and how much memory it may
    take, in bytes. `calibration` is None for a method that needs none."""

    source: Path
    source_name: str
    title: str
    method: QuantizationMethod
    calibration: Calibration | None
    home: Path
    key: str
    memory_limit: int


class QuantizationPhase(StrEnum):
    """What is being done; the words are shown to people."""

    STARTING = "starting"
    CHECKING = "checking what is done"
    COPYING = "copying"
    RECORDING = "drawing samples"
    CALIBRATING = "calibrating"
    COMPRESSING = "compressing"
    WRITING = "writing"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationProgress(JobProgress[QuantizationPhase]):
    """Where a quantization stands; `done` and `total` are bytes, weights or UNet calls."""


Emit = Callable[[QuantizationProgress], None]
PhaseSeconds = Mapping[tuple[str, QuantizationPhase], float]
"""Seconds that each phase of each part is expected to take, in the order they come."""


class QuantizationReporter(ProgressReporter[QuantizationPhase, QuantizationProgress]):
    """Reports progress through phases that take `seconds`. A phase that is skipped counts as done."""

    def __init__(self, emit: Emit, seconds: PhaseSeconds) -> None:
        super().__init__(emit, QuantizationProgress, QuantizationPhase.STARTING, QuantizationPhase.FINISHING)
        self._seconds = dict(seconds)
        self._all = max(1e-9, sum(self._seconds.values()))

    def begin(self, part: str, phase: QuantizationPhase, total: int = 0) -> None:
        """A phase begins, with `total` of something to count."""
        self._begin(part, phase, total)

    def _fraction_at(self, within: float) -> float:
        at, names = (self._part, self._phase), list(self._seconds)
        before = names[: names.index(at)] if at in self._seconds else []
        return (sum(self._seconds[name] for name in before) + self._seconds.get(at, 0.0) * within) / self._all
