"""Measured time and memory of past runs on this computer, to predict those of the next."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.core.state_file import read_state, update_state
from sdxl_desktop.engine.memory_footprint import DECODING_BYTES_PER_PIXEL

MAX_TIMINGS = 500
"""Maximum number of stored timings, the most recent ones."""


class RunTiming(msgspec.Struct, frozen=True):
    """Measurements of a run: seconds per `step`, seconds per picture `beside` the steps, and the `peak` bytes of the
    engine's process, 0 if not measured, for pictures of `width` × `height`."""

    width: int
    height: int
    step: float
    beside: float
    peak: int = 0

    @property
    def pixels(self) -> int:
        return self.width * self.height


_TimingsByKey = dict[str, tuple[RunTiming, ...]]
_TIMINGS_TYPE = dict[str, tuple[RunTiming, ...]]


class TimingHistory:
    """Stores the last run of each checkpoint on each device at each size, persistently in `file`. For new sizes the
    nearest one is used: time scales with area, and memory grows as decoding does."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._timings = {} if file is None else read_state(file, _TIMINGS_TYPE, {})

    def add(self, request: GenerationRequest, finished: RunFinished) -> None:
        """Record the timing of a run. Runs with a refiner or from saved latents are not comparable and skipped."""
        pictures = len(finished.pictures)
        if not pictures or request.refine is not None or request.start is not None:
            return
        steps = pictures * _denoised_steps(request.sampling, 1.0 if request.edit is None else request.edit.strength)
        timings, size = finished.timings, request.sampling.size
        pace = RunTiming(
            width=size.width,
            height=size.height,
            step=timings.denoise / steps,
            beside=(timings.encode + timings.decode) / pictures,
            peak=finished.peak_bytes,
        )
        key = _key(request.checkpoint, request.execution, request.sampling)
        self._timings = _with_timing(self._timings, key, pace)
        if self._file is not None:
            with suppress(SettingsError):  # affects only the next launch's forecasts
                self._timings = update_state(
                    self._file,
                    _TIMINGS_TYPE,
                    {},
                    lambda known: _with_timing(known, key, pace),
                    "The run's timing could not be saved.",
                )

    def expected_seconds(
        self, checkpoint: Path, execution: Execution, sampling: Sampling, size: Size, strength: float = 1.0
    ) -> float | None:
        """Return the seconds for `sampling.count` pictures at `size`; None if no comparable run was recorded."""
        pace = self._nearest(checkpoint, execution, sampling, size)
        if pace is None:
            return None
        scale = size.width * size.height / pace.pixels
        return sampling.count * scale * (pace.step * _denoised_steps(sampling, strength) + pace.beside)

    def expected_peak(self, checkpoint: Path, execution: Execution, sampling: Sampling, size: Size) -> int | None:
        """Return the peak bytes of the engine's process; None if no comparable run was recorded."""
        pace = self._nearest(checkpoint, execution, sampling, size)
        if pace is None or not pace.peak:
            return None
        return max(0, pace.peak + DECODING_BYTES_PER_PIXEL * (size.width * size.height - pace.pixels))

    def _nearest(self, checkpoint: Path, execution: Execution, sampling: Sampling, size: Size) -> RunTiming | None:
        timings = self._timings.get(_key(checkpoint, execution, sampling), ())
        pixels = size.width * size.height
        return min(timings, key=lambda pace: abs(pace.pixels - pixels), default=None)


def _with_timing(timings: _TimingsByKey, key: str, timing: RunTiming) -> _TimingsByKey:
    """Return `timings` with a new one, without the oldest if there are too many."""
    learnt = dict(timings)
    others = (one for one in learnt.pop(key, ()) if (one.width, one.height) != (timing.width, timing.height))
    learnt[key] = (*others, timing)
    while sum(map(len, learnt.values())) > MAX_TIMINGS and len(learnt) > 1:
        del learnt[next(iter(learnt))]
    return learnt


def _denoised_steps(sampling: Sampling, strength: float) -> float:
    return max(1.0, sampling.steps * strength)


def _key(checkpoint: Path, execution: Execution, sampling: Sampling) -> str:
    """The parameters that timings depend on, besides the size. A step with guidance evaluates the UNet twice."""
    guided = "guided" if sampling.guidance_scale > 1 else "unguided"
    where = [f"{device}:{execution.precision_on(device)}" for device in execution.devices]
    return "|".join((str(checkpoint), *where, guided, sampling.speed))
