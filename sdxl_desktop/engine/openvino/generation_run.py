"""The state of one run across its phases: the request, the event callback, timings and results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from sdxl_desktop.core.events import Phase, Picture, Progress, Timings
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts
from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.engine_protocol import Emit, Pausing
from sdxl_desktop.engine.openvino.memory_budget import PeakMemory

_RETRY_NOTE = (
    "The latents diverged with data cached by earlier runs. The data was created again, and the picture drawn again."
)


@dataclass
class Stopwatch:
    """Sums the seconds of each phase. For overlapping phases only the time spent waiting for each counts."""

    seconds: dict[str, float] = field(default_factory=lambda: asdict(Timings()))

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - started

    def timings(self) -> Timings:
        return Timings(**{phase: round(seconds, 4) for phase, seconds in self.seconds.items()})


@dataclass
class GenerationRun:
    """The state of one run. `execution` is the request's with OpenVINO device names. Automatic is resolved only once,
    since new timings may be written during the run. `pausing` is None if it cannot be paused; `content` identifies the
    networks it draws with. `execution_devices` maps each used part to the device that runs
    it."""

    request: GenerationRequest
    emit: Emit
    execution: Execution
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    peak_memory: PeakMemory = field(default_factory=PeakMemory)
    pictures: list[Picture] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    is_retry: bool = False
    execution_devices: dict[str, str] = field(default_factory=dict)
    pausing: Pausing | None = None
    content: str = ""
    prompts: Prompts = field(init=False)
    """The prompts of the picture being drawn."""

    def __post_init__(self) -> None:
        self.prompts = self.request.prompts_of(0)

    @property
    def step_caching(self) -> StepCaching | None:
        return self.request.sampling.speed.plan.step_caching

    @property
    def count(self) -> int:
        return self.request.sampling.count

    @property
    def paused(self) -> PausedRun | None:
        """Where it continues; None if it starts."""
        return None if self.pausing is None else self.pausing.paused

    @property
    def first_picture(self) -> int:
        """The index of the first picture that is drawn now."""
        return 0 if self.paused is None else self.paused.picture

    @property
    def is_pause_requested(self) -> bool:
        return self.pausing is not None and self.pausing.requested.is_set()

    @property
    def decode_seconds(self) -> float:
        """The average seconds per decoded picture so far; 0 before the first."""
        return self.stopwatch.seconds["decode"] / len(self.pictures) if self.pictures else 0.0

    @property
    def skips_base(self) -> bool:
        """Whether the base does not denoise because its latents are given."""
        return self.request.start is not None and self.request.start.step is None

    @property
    def base_parts(self) -> tuple[str, ...]:
        """The parts of the base that this run needs."""
        if self.skips_base:
            return (Part.VAE_DECODER,)
        return (*ENCODERS, Part.UNET, Part.VAE_DECODER, *((Part.VAE_ENCODER,) if self.request.edit is not None else ()))

    def take_retry_note(self) -> tuple[str, ...]:
        """Return the note that the next picture was generated twice, at most once."""
        renewed, self.is_retry = self.is_retry, False
        return (_RETRY_NOTE,) if renewed else ()

    def emit_phase(self, phase: Phase, index: int = 0) -> None:
        self.emit(Progress(phase=phase, picture=index, pictures=self.count))
