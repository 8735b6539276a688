"""The input of a quantization worker and the progress that it reports."""

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
    """What to quantize and how, the build folder (`home` and `key`), and the memory limit in bytes. `calibration` is
    None for a method that needs none."""

    source: Path
    source_name: str
    title: str
    method: QuantizationMethod
    calibration: Calibration | None
    home: Path
    key: str
    memory_limit: int


class QuantizationPhase(StrEnum):
    """The phases of a quantization; the values are shown to users."""

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
    """Progress of a quantization; `done` and `total` are bytes, weights or UNet calls."""


Emit = Callable[[QuantizationProgress], None]
PhaseSeconds = Mapping[tuple[str, QuantizationPhase], float]
"""Expected seconds of each phase of each part, in order."""


class QuantizationReporter(ProgressReporter[QuantizationPhase, QuantizationProgress]):
    """Reports progress through phases that take `seconds`. A skipped phase counts as done."""

    def __init__(self, emit: Emit, seconds: PhaseSeconds) -> None:
        super().__init__(emit, QuantizationProgress, QuantizationPhase.STARTING, QuantizationPhase.FINISHING)
        self._seconds = dict(seconds)
        self._all = max(1e-9, sum(self._seconds.values()))

    def begin(self, part: str, phase: QuantizationPhase, total: int = 0) -> None:
        """Start a phase, with `total` units to count."""
        self._begin(part, phase, total)

    def _fraction_at(self, within: float) -> float:
        at, names = (self._part, self._phase), list(self._seconds)
        before = names[: names.index(at)] if at in self._seconds else []
        return (sum(self._seconds[name] for name in before) + self._seconds.get(at, 0.0) * within) / self._all
