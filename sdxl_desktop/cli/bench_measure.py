"""Generate pictures with an engine to time each part on one device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    PictureFinished,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
)
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.compile_key import UNET_SHALLOW
from sdxl_desktop.engine.engine_protocol import CancelToken, Engine

_WARM_UP_STEPS = 2
_PROMPT = "a bowl of fruit on a wooden table, soft morning light, take {}"


class BenchCancelledError(SdxlDesktopError):
    """The user cancelled the measurement."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


@dataclass(frozen=True, slots=True)
class PartReadyTime:
    """Seconds until a part was ready on the device: compiled, or loaded compiled from disk. With step caching
    (`for_caching`) the UNet has another form: two halves, which are checked against each other before use."""

    part: str
    for_caching: bool
    seconds: float
    compiled: bool

    @property
    def title(self) -> str:
        if self.part == UNET_SHALLOW:
            return "UNet, shallow half, and its check"
        if self.part == Part.UNET:
            return "UNet, cut for step caching" if self.for_caching else "UNet"
        return self.part.replace("_", " ").replace("vae", "VAE")


@dataclass(frozen=True, slots=True)
class SpeedTiming:
    """Seconds at one speed with everything ready: per step on average, and per picture from prompt to pixels."""

    speed: str
    seconds_per_step: float
    picture: float


@dataclass(frozen=True, slots=True)
class DeviceTimes:
    """All measurements on one device, in seconds."""

    device: str
    full_name: str
    load: float
    encode: float
    decode: float
    parts: tuple[PartReadyTime, ...]
    speeds: tuple[SpeedTiming, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What to generate and where; `on_progress` receives progress."""

    request: GenerationRequest
    device: Device
    paths: AppPaths
    cancel: CancelToken
    on_progress: Callable[[Progress], None]


def measure(
    measurement: Measurement, open_engine: Callable[[AppPaths], Engine], on_speed: Callable[[SpeedPreset], None]
) -> DeviceTimes:
    """Generate a short and a full picture at every speed. Each has its own prompt, since cached prompts need no
    encoding.

    The short one compiles all parts. Raises what the engine fails with, and BenchCancelledError.
    """
    engine = open_engine(measurement.paths)
    ready: list[PartReadyTime] = []
    whole: list[tuple[SpeedPreset, RunFinished]] = []
    load = 0.0
    try:
        for number, speed in enumerate(SpeedPreset):
            on_speed(speed)
            short, parts = _warm_up(measurement, engine, speed, number)
            load = load or short.timings.load
            ready += parts
            whole.append(
                (speed, _generate(measurement, engine, _request_for(measurement.request, speed, f"{number}, whole"))[0])
            )
    finally:
        engine.close()
    return DeviceTimes(
        device=measurement.device.name,
        full_name=measurement.device.full_name,
        load=load,
        encode=statistics.median(finished.timings.encode for _, finished in whole),
        decode=statistics.median(finished.timings.decode for _, finished in whole),
        parts=tuple(ready),
        speeds=tuple(_speed_time(speed, finished, measurement.request.sampling.steps) for speed, finished in whole),
    )


def _speed_time(speed: SpeedPreset, finished: RunFinished, steps: int) -> SpeedTiming:
    timings = finished.timings
    picture = timings.encode + timings.denoise + timings.decode
    return SpeedTiming(speed.value, round(timings.denoise / steps, 5), round(picture, 4))


def _warm_up(
    measurement: Measurement, engine: Engine, speed: SpeedPreset, number: int
) -> tuple[RunFinished, tuple[PartReadyTime, ...]]:
    """Generate a short picture; return the run, and how long each unprepared part took."""
    store = CompileCache(measurement.paths.compiled)
    before = {entry.folder for entry in store.entries()}
    request = _request_for(measurement.request, speed, f"{number}, short")
    steps = min(request.sampling.steps, _WARM_UP_STEPS)
    if not request.sampling.timesteps:
        request = replace(request, sampling=replace(request.sampling, steps=steps))
    finished, seconds = _generate(measurement, engine, request)
    new = {entry.part for entry in store.entries() if entry.folder not in before}
    caching = speed.plan.step_caching is not None
    return finished, tuple(
        PartReadyTime(part, caching, round(taken, 4), compiled=part in new) for part, taken in seconds.items()
    )


def _request_for(request: GenerationRequest, speed: SpeedPreset, take: str) -> GenerationRequest:
    return replace(
        request,
        prompts=Prompts(prompt=_PROMPT.format(take)),
        sampling=replace(request.sampling, speed=speed, count=1),
        execution=replace(request.execution, preview=False),
    )


@dataclass
class _EventTimer:
    """Receives a run's events and measures the time between the progress of one part and the next."""

    show: Callable[[Progress], None]
    last: RunFinished | RunCancelled | RunFailed | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _part: str = ""
    _since: float = 0.0

    def __call__(self, event: EngineEvent) -> None:
        match event:
            case Progress():
                self._hear(event)
                self.show(event)
            case RunFinished() | RunCancelled() | RunFailed():
                self.last = event
            case PictureFinished() | Preview() | RunPaused():
                pass
            case _:
                assert_never(event)

    def _hear(self, progress: Progress) -> None:
        part = progress.detail if progress.phase is Phase.COMPILING else ""
        if part == self._part:
            return
        now = time.perf_counter()
        if self._part:
            self.seconds[self._part] = self.seconds.get(self._part, 0.0) + now - self._since
        self._part, self._since = part, now


def _generate(
    measurement: Measurement, engine: Engine, request: GenerationRequest
) -> tuple[RunFinished, dict[str, float]]:
    listener = _EventTimer(measurement.on_progress)
    if measurement.cancel.is_set():
        raise BenchCancelledError
    engine.generate(request, listener, measurement.cancel)
    match listener.last:
        case RunFinished():
            return listener.last, listener.seconds
        case RunFailed(problem):
            raise problem
        case _:
            raise BenchCancelledError
