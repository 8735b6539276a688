"""The input of a conversion worker and the progress that it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.workers.progress import JobProgress, ProgressReporter


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionJob:
    """What to convert, the build folder (`home` and `key`), and the memory limit in bytes. `weights` is None if a
    folder of OpenVINO parts is copied unconverted."""

    path: Path
    title: str
    weights: WeightFormat | None
    home: Path
    key: str
    memory_limit: int
    extras: ConversionOptions = field(default_factory=ConversionOptions)


class ConversionPhase(StrEnum):
    """The phases of a part's conversion, in this order; the values are shown to users."""

    STARTING = "starting"
    UNPICKLING = "reading the pickle"
    CHECKING = "checking what is done"
    TRACING = "reading the network"
    COMPRESSING = "compressing"
    WRITING = "writing"
    COPYING = "copying"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionProgress(JobProgress[ConversionPhase]):
    """Progress of a conversion; `done` and `total` are bytes or weights."""


Emit = Callable[[ConversionProgress], None]

_FRACTIONS = {
    ConversionPhase.CHECKING: (0.0, 1.0),
    ConversionPhase.TRACING: (0.0, 0.35),
    ConversionPhase.COMPRESSING: (0.35, 0.75),
    ConversionPhase.WRITING: (0.75, 1.0),
    ConversionPhase.COPYING: (0.0, 1.0),
}
"""Fractions of a part's work that are done when the phase begins and ends."""


class ConversionReporter(ProgressReporter[ConversionPhase, ConversionProgress]):
    """Reports progress through `parts`, each with its weight in the total."""

    def __init__(self, emit: Emit, parts: Sequence[tuple[str, int]]) -> None:
        super().__init__(emit, ConversionProgress, ConversionPhase.STARTING, ConversionPhase.FINISHING)
        self._weights = dict(parts)
        self._whole = max(1, sum(self._weights.values()))
        self._before = 0.0

    def go_to(self, part: str) -> None:
        """Start `part`; earlier parts are done."""
        names = list(self._weights)
        done = names[: names.index(part)]
        self._before = sum(self._weights[name] for name in done) / self._whole
        self._part = part

    def begin(self, phase: ConversionPhase, total: int = 0) -> None:
        """Start a phase of the current part, with `total` bytes or weights to count."""
        self._begin(self._part, phase, total)

    def checking(self, part: str, total: int) -> None:
        """Start to verify `part`, which exists already and has `total` bytes."""
        self.go_to(part)
        self.begin(ConversionPhase.CHECKING, total)

    def _fraction_at(self, within: float) -> float:
        start, end = _FRACTIONS.get(self._phase, (0.0, 0.0))
        return self._before + (start + (end - start) * within) * self._weights.get(self._part, 0) / self._whole
