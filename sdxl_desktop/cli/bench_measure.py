"""Draws pictures with an engine to learn how long each thing takes on one device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Cancelled, Drawn, Event, Failed, Finished, Phase, Preview, Progress
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compile_key import SHALLOW
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.protocol import CancelToken, Engine

_WARM_UP_STEPS = 2
_PROMPT = "a bowl of fruit on a wooden table, soft morning light, take {}"


class BenchCancelledError(SdxlDesktopError):
    """The person stopped measuring."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


@dataclass(frozen=True, slots=True)
class PartTime:
    """Seconds until a part was ready on the device: compiled, or taken compiled from disk. A UNet has another form
    where steps are cached (`for_caching`): two halves, which are checked against each other before they are used."""

    part: str
    for_caching: bool
    seconds: float
    compiled: bool

    @property
    def title(self) -> str:
        if self.part == SHALLOW:
            return "UNet, shallow half, and its check"
        if self.part == Part.UNET:
            return "UNet, cut for step caching" if self.for_caching else "UNet"
        return self.part.replace("_", " ").replace("vae", "VAE")


@dataclass(frozen=True, slots=True)
class SpeedTime:
    """Seconds at one speed, with everything ready: a step on average, and a picture from words to pixels."""

    speed: str
    seconds_per_step: float
    picture: float


@dataclass(frozen=True, slots=True)
class DeviceTimes:
    """All that was measured on one device, in seconds."""

    device: str
    full_name: str
    load: float
    encode: float
    decode: float
    parts: tuple[PartTime, ...]
    speeds: tuple[SpeedTime, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What to draw and where; `show` is told of progress."""

    request: GenerationRequest
    device: Device
    paths: AppPaths
    cancel: CancelToken
    show: Callable[[Progress], None]


def measure(
    measurement: Measurement, open_engine: Callable[[AppPaths], Engine], on_speed: Callable[[Speed], None]
) -> DeviceTimes:
    """Draw a short and a whole picture at every speed. Each has words of its own, or encoding would take no time.

    The short one gets everything ready. Raises what the engine fails with, and BenchCancelledError.
    """
    engine = open_engine(measurement.paths)
    ready: list[PartTime] = []
    whole: list[tuple[Speed, Finished]] = []
    load = 0.0
    try:
        for number, speed in enumerate(Speed):
            on_speed(speed)
            short, parts = _get_ready(measurement, engine, speed, number)
            load = load or short.timings.load
            ready += parts
            whole.append((speed, _draw(measurement, engine, _asked(measurement.request, speed, f"{number}, whole"))[0]))
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


def _speed_time(speed: Speed, finished: Finished, steps: int) -> SpeedTime:
    timings = finished.timings
    picture = timings.encode + timings.denoise + timings.decode
    return SpeedTime(speed.value, round(timings.denoise / steps, 5), round(picture, 4))


def _get_ready(
    measurement: Measurement, engine: Engine, speed: Speed, number: int
) -> tuple[Finished, tuple[PartTime, ...]]:
    """A short picture, and how long each part that was not ready took."""
    store = CompiledStore(measurement.paths.compiled)
    before = {entry.folder for entry in store.entries()}
    request = _asked(measurement.request, speed, f"{number}, short")
    steps = min(request.sampling.steps, _WARM_UP_STEPS)
    if not request.sampling.timesteps:
        request = replace(request, sampling=replace(request.sampling, steps=steps))
    finished, seconds = _draw(measurement, engine, request)
    new = {entry.part for entry in store.entries() if entry.folder not in before}
    caching = speed.plan.caching is not None
    return finished, tuple(
        PartTime(part, caching, round(taken, 4), compiled=part in new) for part, taken in seconds.items()
    )


def _asked(request: GenerationRequest, speed: Speed, take: str) -> GenerationRequest:
    return replace(
        request,
        prompts=Prompts(prompt=_PROMPT.format(take)),
        sampling=replace(request.sampling, speed=speed, count=1),
        execution=replace(request.execution, preview=False),
    )


@dataclass
class _Listener:
    """Hears a run's events, and stops the time between those that tell of one part and the next."""

    show: Callable[[Progress], None]
    last: Finished | Cancelled | Failed | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _part: str = ""
    _since: float = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Progress():
                self._hear(event)
                self.show(event)
            case Finished() | Cancelled() | Failed():
                self.last = event
            case Drawn() | Preview():
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


def _draw(measurement: Measurement, engine: Engine, request: GenerationRequest) -> tuple[Finished, dict[str, float]]:
    listener = _Listener(measurement.show)
    if measurement.cancel.is_set():
        raise BenchCancelledError
    engine.generate(request, listener, measurement.cancel)
    match listener.last:
        case Finished():
            return listener.last, listener.seconds
        case Failed(problem):
            raise problem
        case _:
            raise BenchCancelledError
